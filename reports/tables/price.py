"""What an arm's accuracy cost: what its verifier let through, how much of it was kept, and the verifying per point.

Takes Findings; gives a Table, and the cell that the verdict shows of a Price.
"""

from __future__ import annotations

import math

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.analysis.price import Price, price_per_point
from restem.reports.analysis.ranking import Contest, gains_at
from restem.reports.tables.arms import CLUSTERED, DASH, Cell, Table, arm_cell, estimate, number, share


def price_cell(price: Price) -> Cell:
    """The verdicts per point, with the time and the money that they took where these are known and not zero."""
    if math.isnan(price.verdicts):
        return Cell(DASH)
    time = "" if math.isnan(price.seconds) else f"{_brief(price.seconds * 1000)} ms"
    if price.seconds >= 1:
        time = f"{_brief(price.seconds)} s"
    usd = f"{number(price.usd, 5, 1)} USD" if price.usd else ""
    return Cell(_brief(price.verdicts), ", ".join(part for part in (time, usd) if part))


def _brief(value: float) -> str:
    """Two digits at least."""
    return number(value, 0 if value >= 10 else 1, 1)


def price(findings: Findings) -> Table:
    """Accepted precision, yield, and verdicts, time and money per gained point, for every arm and iteration."""
    iterations = {item.iteration for item in findings.data}
    gains = {(gain.left, i): gain for i in iterations for gain in gains_at(findings, i)}
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
    price = price_per_point(findings, item, gain)
    return (
        *(arm_cell(item.arm), Cell(str(item.iteration)), estimate(item.accepted_precision)),
        *(share(item.kept, item.sampled), Cell(f"{price.asked:.0f}"), Cell(number(price.verdicts, 1, 1))),
        *(Cell(number(price.seconds, 1, 1000)), Cell(number(price.usd, 5, 1) if price.usd else DASH)),
    )
