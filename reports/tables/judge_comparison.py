"""A judge and its successor as tables: the two judges, what they cost, and the arms' rewards under either.

Takes a JudgeComparison and what the calls of both cost; gives Tables.
"""

from __future__ import annotations

import dataclasses

from restem.reports.analysis.judge_comparison import JudgeComparison, JudgeRates
from restem.reports.tables.format import DASH, brief, estimate
from restem.reports.tables.table import CLUSTERED, Column, Table


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallCost:
    """The stored calls of a judge; `usd` is None where it has no prices."""

    calls: int
    tokens: int
    usd: float | None


def judges(comparison: JudgeComparison, costs: tuple[CallCost, CallCost]) -> Table:
    """Both judges side by side."""
    sides = list(zip((comparison.old, comparison.new), costs, strict=True))
    return Table.of(
        sides,
        [
            Column("judge", "Judge", lambda side: side[0].name, names=True),
            Column("decided", "Decided, %", lambda side: estimate(side[0].decided)),
            Column("accepts", "Accepted, %", lambda side: estimate(side[0].accepts)),
            Column("tpr", "TPR, %", lambda side: estimate(_rates(side).quality.tpr)),
            Column("fpr", "FPR, %", lambda side: estimate(_rates(side).quality.fpr)),
            Column("calls", "Calls", lambda side: str(side[1].calls)),
            Column("tokens", "Tokens a call", lambda side: _each(side[1].tokens, side[1].calls)),
            Column("usd", "USD", lambda side: DASH if side[1].usd is None else f"{side[1].usd:.4f}"),
            Column("usd_1000", "USD per 1,000 calls", lambda side: _per_1000(side[1])),
        ],
        id="judges",
        title="The judge and its successor",
        note=f"TPR and FPR against the gold, where both decide. Calls: all that are stored of a judge. {CLUSTERED}",
    )


def _rates(side: tuple[JudgeRates, CallCost]) -> JudgeRates:
    return side[0]


def _each(total: float, count: int) -> str:
    return brief(total / count) if count else DASH


def _per_1000(cost: CallCost) -> str:
    return DASH if cost.usd is None or not cost.calls else f"{1000 * cost.usd / cost.calls:.4f}"


def arms(comparison: JudgeComparison) -> Table:
    """The arms by their own reward under the judge, with the place that the successor gives them."""
    rewards = [arm.new.value for arm in comparison.arms]
    return Table.of(
        comparison.arms,
        [
            Column("arm", "Arm", lambda arm: arm.name, names=True),
            Column("old", "Reward by the judge, %", lambda arm: estimate(arm.old)),
            Column("new", "By the successor, %", lambda arm: estimate(arm.new)),
            Column("place", "Its place there", lambda arm: str(1 + sum(value > arm.new.value for value in rewards))),
        ],
        id="arms",
        title="The arms under either judge",
        note="Equal rewards have equal places. "
        f"Share accepted of the last checkpoint's test samples that both judges decided. {CLUSTERED}",
    )
