"""What an arm's accuracy cost: what its verifier let through, how much of it was kept, and the verifying per point.

Takes Findings; gives a Table that stands beside Table 1, in the manner of `reports.tables`.
"""

from __future__ import annotations

import math

from reports.findings import Findings, TrainingData
from reports.tables import CLUSTERED, DASH, Cell, Table, arm_cell, estimate, number, share


def price(findings: Findings) -> Table:
    """Accepted precision, yield, and verdicts, time and money per gained point, for every arm and iteration."""
    rows: list[tuple[Cell, ...]] = []
    asked: dict[str, int] = {}
    for item in findings.data:
        asked[item.arm.name] = asked.get(item.arm.name, 0) + item.sampled
        rows.append(_row(findings, item, asked[item.arm.name] / len(findings.run.replicates(item.arm))))
    return Table(
        id="price",
        title="What the accuracy cost",
        columns=(
            *("Arm", "Iteration", "Accepted precision, %", "Yield: kept of sampled", "Training verdicts so far"),
            *("Verdicts per gained point", "Verifier's ms per gained point", "USD per gained point"),
        ),
        rows=tuple(rows),
        note=(
            "Accepted precision: accepted training samples that the gold calls correct, before duplicates and the cap "
            "leave. Training verdicts: of this iteration and those before it, of one replicate. Per gained point of "
            "gold accuracy over the base, with the time and the money that one verdict of this verifier took on "
            "average over the run; a dash where no gain is detectable. Sampling and training come on top. The per-"
            f"point figures have no interval. {CLUSTERED}"
        ),
    )


def _row(findings: Findings, item: TrainingData, asked: float) -> tuple[Cell, ...]:
    standing = findings.standings.get((item.arm.name, item.iteration))
    gain = standing.gain if standing else None
    points = 100 * gain.value if gain and gain.low > 0 else math.nan
    cost = next((c for c in findings.run.costs if c.verifier == item.arm.verifier and c.verdicts), None)
    seconds, usd = (cost.seconds / cost.verdicts, cost.usd / cost.verdicts) if cost else (math.nan, math.nan)
    return (
        *(arm_cell(item.arm), Cell(str(item.iteration)), estimate(item.accepted_precision)),
        *(share(item.kept, item.sampled), Cell(f"{asked:.0f}")),
        Cell(number(asked / points, 1, 1)),
        Cell(number(seconds * asked / points, 1, 1000)),
        Cell(number(usd * asked / points, 5, 1) if usd else DASH),
    )
