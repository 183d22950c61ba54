"""The shape of an arm's curve over four and more iterations (delay, plateau or collapse), and where it turns.

Takes Findings and their Ranking; gives one LongCurve an arm. The three shapes are those of arXiv:2605.02909 for
imperfect verifiers. They are decided by the rule of `Contest.result`, never by bare values, against the gold's own arm
at the same iteration. Does not depend on tables.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import numpy as np

from restem.reports.analysis.contest import ALPHA, Contest, contest_of, family
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.ranking import Ranking
from restem.reports.data.run import Arm
from restem.reports.stats import estimates

LEAST = 4  # iterations of an arm whose curve has a shape


class Shape(enum.StrEnum):
    """How an arm's accuracy went over its iterations; the first of these that is shown."""

    COLLAPSE = "collapse"
    """The last iteration is below the base, or below an earlier iteration of the arm."""
    PLATEAU = "plateau"
    """The last is below the gold's own arm, and shown not to be above the middle one by the margin."""
    DELAY = "delay"
    """The last is no worse than the gold's own arm; an earlier one was below it."""
    LEVEL = "level"
    """The last is no worse than the gold's own arm, and no earlier one was shown to be below it."""
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
    """The iteration of the highest gold accuracy, the base counted as 0; of equals the earliest.

    Attributes:
        chosen: Share of the resamples of the test problems that have it too.
        low: 95 % of the resamples choose one from here to `high`.
    """

    iteration: int
    chosen: float
    low: int
    high: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LongCurve:
    """An arm of LEAST iterations or more.

    Attributes:
        gain: The last iteration less the base.
        fallen: The last less the earlier one from which it fell most, corrected for all earlier ones.
        grown: The last less the middle one.
        behind: The last less the gold's own arm at the same iteration; None for the gold's, or without that.
    """

    last: Standing
    shape: Shape
    turn: Turn
    gain: Contest | None
    fallen: Contest
    grown: Contest
    behind: Contest | None


def long_curves(findings: Findings, ranking: Ranking) -> list[LongCurve]:
    """One an arm that has come so far and trained on something, in the suite's order."""
    chains = (_chain(findings, arm, ranking.ends.get(arm.name, 0)) for arm in findings.run.arms)
    curves = (_curve(findings, ranking, chain) for chain in chains if len(chain) >= LEAST)
    return [curve for curve in curves if curve]


def _chain(findings: Findings, arm: Arm, end: int) -> list[Standing]:
    """An arm's measured iterations up to its end."""
    stored = (findings.standings.get((arm.name, i)) for i in range(1, end + 1))
    return [standing for standing in stored if standing and standing.accuracy.n] if findings.trained(arm, end) else []


def _curve(findings: Findings, ranking: Ranking, chain: Sequence[Standing]) -> LongCurve | None:
    *earlier, last = chain
    gold = [] if not last.arm or last.arm.gold else _golds(findings, ranking, chain)
    falls = family([(last, standing) for standing in earlier])
    grown = contest_of(last, chain[(len(chain) - 1) // 2])
    if not falls or not grown:
        return None
    behind = contest_of(last, gold[-1]) if gold else None
    before = family([(ours, theirs) for ours, theirs in zip(earlier, gold, strict=False)])
    gain = ranking.gain(last)
    return LongCurve(
        last=last,
        shape=_shape(gain, falls, grown, behind, before),
        turn=_turn([*([findings.base] if findings.base else []), *chain]),
        gain=gain,
        fallen=min(falls, key=lambda contest: contest.claim.value),
        grown=grown,
        behind=behind,
    )


def _golds(findings: Findings, ranking: Ranking, chain: Sequence[Standing]) -> list[Standing]:
    """The chain of a gold's own arm that has the same iterations; the best of several, empty without one."""
    arms = [arm for arm in findings.run.arms if arm.gold]
    chains = [_chain(findings, arm, ranking.ends.get(arm.name, 0)) for arm in arms]
    whole = [other for other in chains if {s.iteration for s in chain} <= {s.iteration for s in other}]
    if not whole:
        return []
    best = max(whole, key=lambda other: other[-1].accuracy.value)
    return [next(s for s in best if s.iteration == ours.iteration) for ours in chain]


def _shape(
    gain: Contest | None, falls: Sequence[Contest], grown: Contest, behind: Contest | None, before: Sequence[Contest]
) -> Shape:
    """The first shape that is shown.

    Args:
        behind: The last iteration less the gold's own arm then, by itself; None without such an arm.
        before: The same of the earlier iterations, one family of tests.
    """
    if (gain and gain.worse) or any(contest.worse for contest in falls):
        return Shape.COLLAPSE
    if not behind:
        return Shape.UNDECIDED
    if behind.worse:
        return Shape.PLATEAU if grown.equivalence.not_better < ALPHA else Shape.UNDECIDED
    if behind.equivalence.not_worse >= ALPHA:
        return Shape.UNDECIDED
    return Shape.DELAY if any(contest.worse for contest in before) else Shape.LEVEL


def _turn(chain: Sequence[Standing]) -> Turn:
    counts = [standing.counts for standing in chain]
    draws = [estimates.ratio(estimates.resampled(c.correct), estimates.resampled(c.decided)) for c in counts]
    chosen = np.argmax(np.stack(draws), axis=0)
    low, high = np.quantile(chosen, [0.025, 0.975], method="inverted_cdf")
    best = int(np.argmax([standing.accuracy.value for standing in chain]))
    return Turn(
        iteration=chain[best].iteration,
        chosen=float((chosen == best).mean()),
        low=chain[int(low)].iteration,
        high=chain[int(high)].iteration,
    )
