"""Decisions and figures as JSON holds them: codes, names and numbers, no sentences.

Takes estimates, answers, advice and contests; gives what `json.dumps` takes. Shares lie in [0, 1]; an interval is
[value, low, high] at 95 %; what is not known or not finite is null.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from restem.reports.analysis.answer import Answer, Rival
from restem.reports.analysis.contest import Contest, arm_of
from restem.reports.analysis.findings import Standing
from restem.reports.analysis.recommendation import Advice
from restem.reports.analysis.reward_gap import Parting
from restem.reports.analysis.side_by_side import Side
from restem.reports.analysis.transfer import Transfer
from restem.reports.analysis.unfinished import Missing
from restem.reports.stats.estimates import Difference, Estimate

if TYPE_CHECKING:
    from restem.reports.analysis.compare import Note


def interval(estimate: Estimate | Difference | None) -> list[float | None] | None:
    """[value, low, high], an infinite one as null; None where there is nothing to estimate."""
    if estimate is None or math.isnan(estimate.value):
        return None
    return [finite(x) for x in (estimate.value, estimate.low, estimate.high)]


def finite(value: float) -> float | None:
    """The value as JSON can hold it."""
    return round(value, 6) if math.isfinite(value) else None


def contest_data(contest: Contest | None) -> dict[str, Any] | None:
    """The difference that a decision rests on, with its test and its code."""
    if contest is None:
        return None
    return {
        "code": contest.result,
        "difference": interval(contest.claim),
        "p_holm": finite(contest.adjusted_p),
        "detectable": finite(contest.claim.detectable),
        "margin": contest.equivalence.margin,
    }


def answer_data(answer: Answer) -> dict[str, Any]:
    """The answer: its code, and the arms behind it, each with the best arm less it (or with its gain)."""
    coverage = answer.gold_coverage
    return {
        "code": answer.code,
        "iteration": answer.iteration,
        "seeds": answer.seeds,
        "best": _name(answer.best),
        "gain": contest_data(answer.gain),
        "stop": {"iteration": answer.stop.iteration, "gain": contest_data(answer.stop_gain)} if answer.stop else None,
        "share_of_ceiling": interval(answer.share),
        "ceiling": {"arm": _name(answer.ceiling), "gain": contest_data(answer.ceiling_gain)},
        "equals": [_rival(rival) for rival in answer.equals],
        "unclear": [_rival(rival) for rival in answer.unclear],
        "faulty": [_name(standing) for standing in answer.faulty],
        "behind": [_rival(rival) for rival in answer.behind],
        "without_gain": [{"arm": _name(s), "gain": contest_data(gain)} for s, gain in answer.without_gain],
        "no_better_than_control": [
            {"arm": _name(s), "gain": contest_data(gain)} for s, gain in answer.no_better_than_control
        ],
        "control": {
            "code": answer.control,
            **(_rival(answer.best_control) if answer.best_control else {"arm": None, "contest": None}),
        },
        "idle": [_name(standing) for standing in answer.idle],
        "overstated": [{"arm": _name(s), "gap": interval(s.gap)} for s in answer.overstated],
        "gold_coverage": {
            "base": finite(coverage.base),
            "best": finite(coverage.best),
            "gain_as_wrong": finite(coverage.gain_as_wrong),
        }
        if coverage
        else None,
    }


def _name(standing: Standing | None) -> str | None:
    return arm_of(standing).name if standing else None


def _rival(rival: Rival) -> dict[str, Any]:
    return {"arm": _name(rival.standing), "contest": contest_data(rival.contest)}


def advice_data(advice: Advice) -> dict[str, Any]:
    """What to do with an arm's verifier."""
    return {
        "arm": arm_of(advice.standing).name,
        "iteration": advice.standing.iteration,
        "stable": advice.stability.holds if advice.stability else None,
        "recommendation": advice.code,
        "than": advice.than,
        "contest": contest_data(advice.contest),
        "fault": advice.fault,
        "stop_at": advice.stop_at,
        "fell_since": advice.fell_since,
    }


def side_data(side: Side) -> dict[str, Any]:
    """An arm beside the others."""
    return {
        "arm": _name(side.standing),
        "iteration": side.standing.iteration,
        "settings": dict(side.settings),
        "sampled": side.sampled,
        "accuracy": interval(side.standing.accuracy),
        "gain": contest_data(side.gain),
        "reference": side.reference,
        "contest": contest_data(side.contest),
    }


def gap_data(parting: Parting) -> dict[str, Any]:
    """How an arm's gap between reward and accuracy has moved."""
    return {
        "arm": parting.arm,
        "code": parting.move,
        "iteration": parting.iteration,
        "start": finite(parting.start),
        "change": interval(parting.change),
        "beyond_accuracy": interval(parting.beyond),
    }


def missing_data(missing: Missing) -> dict[str, Any]:
    """One thing that an unfinished run still lacks."""
    return {
        "code": missing.code,
        "checkpoint": missing.checkpoint,
        "verifier": missing.verifier,
        "count": missing.count,
        "wanted": missing.wanted,
        "split": missing.split,
    }


def transfer_data(item: Transfer) -> dict[str, Any]:
    """An arm on a test set."""
    return {
        "split": item.split,
        "arm": arm_of(item.last).name,
        "iteration": item.last.iteration,
        "base": interval(item.base.accuracy),
        "accuracy": interval(item.last.accuracy),
        "gain": contest_data(item.gain),
        "gap": interval(item.last.gap),
    }


def note_data(note: Note) -> dict[str, Any]:
    """One thing to know beside the figures of a comparison."""
    return {"code": note.code, "names": list(note.names), "left": note.left, "right": note.right}
