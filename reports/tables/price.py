"""What an arm's accuracy cost: what its verifier let through, how much of it was kept, and the verifying per point.

Takes Findings; gives a Table, and the cell that the verdict shows of a Price.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.analysis.price import Price, price_per_point
from restem.reports.analysis.ranking import gains
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, brief, estimate, number, share
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def price_cell(price: Price) -> Cell:
    """The verdicts per point, with the time and the money that they took where these are known and not zero."""
    if math.isnan(price.verdicts):
        return Cell(DASH)
    time = "" if math.isnan(price.seconds) else f"{brief(price.seconds * 1000)} ms"
    if price.seconds >= 1:
        time = f"{brief(price.seconds)} s"
    usd = f"{number(price.usd, 5, 1)} USD" if price.usd else ""
    return Cell(brief(price.verdicts), ", ".join(part for part in (time, usd) if part))


class _Priced(NamedTuple):
    """An E-step's data, and what the accuracy after it cost."""

    data: TrainingData
    price: Price


def price(findings: Findings) -> Table:
    """Accepted precision, kept samples, and verdicts, time and money per gained point, for every arm and iteration."""
    gained = gains(findings)
    records = [
        _Priced(item, price_per_point(findings, item, gained.get((item.arm.name, item.iteration))))
        for item in findings.data
    ]
    return Table.of(
        records,
        [
            Column("arm", "Arm", lambda r: arm_cell(r.data.arm), names=True),
            Column("iteration", "Iteration", lambda r: str(r.data.iteration)),
            Column("precision", "Accepted precision, %", lambda r: estimate(r.data.accepted_precision)),
            Column("yield", "Kept of sampled", lambda r: share(r.data.kept, r.data.sampled)),
            Column("asked", "Training verdicts so far", lambda r: f"{r.price.asked:.0f}"),
            Column("verdicts", "Verdicts per gained point", lambda r: number(r.price.verdicts, 1, 1)),
            Column("time", "Verifier's ms per gained point", lambda r: number(r.price.seconds, 1, 1000)),
            Column("usd", "USD per gained point", lambda r: number(r.price.usd, 5, 1) if r.price.usd else DASH),
        ],
        id="price",
        title="What the accuracy cost",
        note=(
            "Accepted precision: accepted training samples that the gold calls correct, before duplicates and the cap "
            "leave. Kept: of all replicates together. Training verdicts: of this iteration and those before it, of "
            "one replicate. Per gained point of gold accuracy over the base, with the time and the money that one "
            "verdict of this verifier took on average over the run; a dash where no gain is shown after Holm's "
            "correction for all arms. Sampling and training come on top. The per-point figures have no interval. "
            f"{CLUSTERED}"
        ),
    )
