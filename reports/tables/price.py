"""What an arm's accuracy cost: what its verifier let through, how much of it was kept, and the verifying per point.

Takes Findings; gives what a gained point cost, and a Table of it in the manner of `restem.reports.tables.arms`.
"""

from __future__ import annotations

import dataclasses
import math

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.analysis.ranking import Contest, gains_at
from restem.reports.tables.arms import CLUSTERED, DASH, Cell, Table, arm_cell, estimate, number, share


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price:
    """What a gained point of gold accuracy took, of one replicate; NaN where no gain is shown.

    Attributes:
        asked: Training verdicts of this iteration and those before it, whatever was gained.
        verdicts: The same per point.
        seconds: Of the verifier.
    """

    asked: float
    verdicts: float
    seconds: float
    usd: float

    @property
    def cell(self) -> Cell:
        """The verdicts with what they took, as far as it is known and not nothing."""
        if math.isnan(self.verdicts):
            return Cell(DASH)
        time = "" if math.isnan(self.seconds) else f"{_brief(self.seconds * 1000)} ms"
        if self.seconds >= 1:
            time = f"{_brief(self.seconds)} s"
        usd = f"{number(self.usd, 5, 1)} USD" if self.usd else ""
        return Cell(_brief(self.verdicts), ", ".join(part for part in (time, usd) if part))


def _brief(value: float) -> str:
    """Two digits at least."""
    return number(value, 0 if value >= 10 else 1, 1)


def per_point(findings: Findings, item: TrainingData, gain: Contest | None) -> Price:
    """What the accuracy after an iteration, with the gain that is claimed for it, cost in verifying."""
    run, arm = findings.run, item.arm
    asked = sum(other.sampled for other in findings.data if other.arm is arm and other.iteration <= item.iteration)
    each = asked / len(run.replicates(arm))
    points = 100 * gain.claim.value if gain and gain.better else math.nan
    cost = next((c for c in run.costs if c.verifier == arm.verifier and c.verdicts), None)
    seconds, usd = (cost.seconds / cost.verdicts, cost.usd / cost.verdicts) if cost else (math.nan, math.nan)
    verdicts = each / points
    return Price(asked=each, verdicts=verdicts, seconds=seconds * verdicts, usd=usd * verdicts)


def price(findings: Findings) -> Table:
    """Accepted precision, yield, and verdicts, time and money per gained point, for every arm and iteration."""
    iterations = {item.iteration for item in findings.data}
    gains = {(found.left, i): found for i in iterations for found in gains_at(findings, i)}
    return Table(
        id="price",
        title="What the accuracy cost",
        columns=(
            *("Arm", "Iteration", "Accepted precision, %", "Yield: kept of sampled", "Training verdicts so far"),
            *("Verdicts per gained point", "Verifier's ms per gained point", "USD per gained point"),
        ),
        rows=tuple(_row(findings, item, gains.get((item.arm.name, item.iteration))) for item in findings.data),
        note=(
            "Accepted precision: accepted training samples that the gold calls correct, before duplicates and the cap "
            "leave. Yield: of all replicates together. Training verdicts: of this iteration and those before it, of "
            "one replicate. Per gained point of gold accuracy over the base, with the time and the money that one "
            "verdict of this verifier took on average over the run; a dash where no gain is shown after Holm's "
            "correction for all arms. Sampling and training come on top. The per-point figures have no interval. "
            f"{CLUSTERED}"
        ),
    )


def _row(findings: Findings, item: TrainingData, gain: Contest | None) -> tuple[Cell, ...]:
    found = per_point(findings, item, gain)
    return (
        *(arm_cell(item.arm), Cell(str(item.iteration)), estimate(item.accepted_precision)),
        *(share(item.kept, item.sampled), Cell(f"{found.asked:.0f}"), Cell(number(found.verdicts, 1, 1))),
        *(Cell(number(found.seconds, 1, 1000)), Cell(number(found.usd, 5, 1) if found.usd else DASH)),
    )
