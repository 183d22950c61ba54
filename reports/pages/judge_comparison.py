"""A judge and its successor as text for a terminal and as plain data.

Takes a JudgeComparison and what the calls of both cost; gives text, or what becomes JSON. Computes nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from restem.reports.analysis.judge_comparison import JudgeComparison, JudgeRates, Succession, Swap
from restem.reports.pages.columns import plain
from restem.reports.pages.escape import visible
from restem.reports.pages.json_data import finite, interval
from restem.reports.stats.estimates import Difference
from restem.reports.tables import judge_comparison as tables
from restem.reports.tables.format import p_value, percent, points
from restem.reports.tables.judge_comparison import CallCost

Costs = tuple[CallCost, CallCost]


def text(comparison: JudgeComparison, costs: Costs) -> str:
    """The answer in sentences, then the judges and the arms as tables."""
    lines = [visible(line, 2000) for line in sentences(comparison)]
    shown = [plain(tables.judges(comparison, costs))]
    if comparison.arms:
        shown.append(plain(tables.arms(comparison)))
    return "\n\n".join(["\n".join(lines), *shown]) + "\n"


def sentences(comparison: JudgeComparison) -> list[str]:
    """What the comparison shows; the first sentence alone is an answer."""
    old, new = comparison.old.name, comparison.new.name
    problems = f"{comparison.problems} problem{'' if comparison.problems == 1 else 's'}"
    where = f"{comparison.samples} responses to {problems}"
    if comparison.difference is None or comparison.equivalence is None:
        return [f"No response of {where} was decided by both {old} and {new}."]
    margin = f"{100 * comparison.equivalence.margin:g} points"
    answer = {
        Succession.EQUAL: f"{new} accepts as often as {old} within {margin}",
        Succession.MORE: f"{new} accepts more often than {old}",
        Succession.FEWER: f"{new} accepts less often than {old}",
        Succession.UNCLEAR: f"Neither a difference between {new} and {old} nor equality within {margin} is shown",
    }[comparison.result]
    flips = comparison.flips
    lines = [
        f"{answer}: {points(comparison.difference)}, TOST p {p_value(comparison.equivalence.p_value)}, on {where}.",
        f"They agree on {percent(comparison.agreement.raw)} of {comparison.agreement.n} responses that both decide;"
        f" only {new} accepts {flips.gained}, only {old} accepts {flips.lost} (McNemar, by problem:"
        f" p {p_value(flips.p_value)}).",
    ]
    changes = (("TPR", comparison.tpr_change), ("FPR", comparison.fpr_change))
    if parts := [f"{name} {points(change)}" for name, change in changes if change]:
        lines.append(f"Against the gold, {new} less {old}: {', '.join(parts)}.")
    return [*lines, *_order(comparison)]


def _order(comparison: JudgeComparison) -> list[str]:
    if not comparison.arms:
        return ["The run has no trained arm with test responses that both judges decided: no order to compare."]
    pairs = f"{comparison.ties} {'pair' if comparison.ties == 1 else 'pairs'} of arms"
    tied = [f"{comparison.new.name} gives equal rewards to {pairs} that {comparison.old.name} ranks."]
    if not comparison.swaps and not comparison.ties:
        return ["The order of the arms by their own reward stays the same."]
    return (tied if comparison.ties else []) + [
        f"Under {comparison.new.name} {swap.right} comes before {swap.left}: {points(swap.new)} instead of"
        f" {points(swap.old)}{'' if swap.shown else '; either may be chance'}."
        for swap in comparison.swaps
    ]


def data(comparison: JudgeComparison, costs: Costs) -> dict[str, Any]:
    """The same for programs: shares in [0, 1]; an interval is [value, low, high] at 95 %; null where not measured."""
    sides = (("from", comparison.old, costs[0]), ("to", comparison.new, costs[1]))
    equivalence = comparison.equivalence
    return {
        **{key: _side(rates, cost) for key, rates, cost in sides},
        "samples": comparison.samples,
        "problems": comparison.problems,
        "result": comparison.result,
        "agreement": {
            "n": comparison.agreement.n,
            "raw": interval(comparison.agreement.raw),
            "ac1": interval(comparison.agreement.ac1),
            "kappa": interval(comparison.agreement.kappa),
        },
        "difference": _difference(comparison.difference),
        "margin": equivalence.margin if equivalence else None,
        "equivalence_p": finite(equivalence.p_value) if equivalence else None,
        "flips": {
            "to_accepted": comparison.flips.gained,
            "to_rejected": comparison.flips.lost,
            "p": comparison.flips.p_value,
        },
        "tpr_change": _difference(comparison.tpr_change),
        "fpr_change": _difference(comparison.fpr_change),
        "arms": [{"arm": arm.name, "from": interval(arm.old), "to": interval(arm.new)} for arm in comparison.arms],
        "order_changes": bool(comparison.swaps) if comparison.arms else None,
        "ties": comparison.ties,
        "swaps": [_swap(swap) for swap in comparison.swaps],
    }


def _side(rates: JudgeRates, cost: CallCost) -> dict[str, Any]:
    return {
        "judge": rates.name,
        "decided": interval(rates.decided),
        "accepts": interval(rates.accepts),
        "tpr": interval(rates.quality.tpr),
        "fpr": interval(rates.quality.fpr),
        "gold_samples": rates.quality.n,
        **dataclasses.asdict(cost),
    }


def _difference(value: Difference | None) -> list[float | None] | None:
    return interval(value) if value else None


def _swap(swap: Swap) -> dict[str, Any]:
    return {
        "left": swap.left,
        "right": swap.right,
        "from": _difference(swap.old),
        "to": _difference(swap.new),
        "shown": swap.shown,
    }
