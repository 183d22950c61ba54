"""Which verifier is worth training on: the arms at one iteration, by their roles, and the tests between them.

Takes Findings; gives contests as numbers and codes. An arm's worth is its gold accuracy on the test split after the
last iteration that all arms have reached. The gold's own arm is the ceiling and control arms are the floor: neither is
recommended, all others are candidates. One rule decides between two arms (`Contest.result`): first whether they are
equal within the margin, then whether one is better, else neither is shown. It is asked of the best candidate
against each other one (Hsu 1996, Multiple Comparisons, chapter 4), and of every candidate against the best control arm,
on one side. Every interval of a trained arm holds the spread between training seeds (`restem.reports.stats.seeds`).
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.data.run import Arm
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Counts, Difference, Estimate
from restem.reports.stats.paired_tests import (
    Equivalence,
    Flips,
    Homogeneity,
    cochran_q,
    equivalence,
    problem_flips,
    single,
)

ALPHA = 0.05
# Two arms that differ by less count as equal: about the smallest difference that 500 problems can detect.
MARGIN = 0.05
NOT_COMPARED = Difference(
    value=0.0, low=-1.0, high=1.0, clusters=0, error=math.nan, freedom=0, p_value=1.0, detectable=1.0
)
FULL_COVERAGE = 0.98


class ContestResult(enum.StrEnum):
    """What the tests of a contest show."""

    LEFT_BETTER = "left_better"
    RIGHT_BETTER = "right_better"
    EQUAL = "equal"
    """Equal within the margin."""
    NO_WORSE = "no_worse"
    """The left is not worse by the margin; more is not shown."""
    NO_DIFFERENCE = "no_difference"
    """Neither a difference nor that there is none is shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contest:
    """Two arms on the same problems: left minus right.

    Attributes:
        difference: With its interval by problem: of these seeds.
        flips: Problems with a larger share of correct on the left, and on the right.
        claim: The difference that verdicts rest on: of other seeds on other problems, where a side was trained.
        p_value: Of the claim; of McNemar's exact test where neither side was trained and each problem has one sample.
        adjusted_p: The same, corrected for the other contests of its family.
        seeds: Fewest training seeds of a trained side; 0 where none was trained.
    """

    left: str
    right: str
    difference: Difference
    claim: Difference
    flips: Flips
    equivalence: Equivalence
    p_value: float
    adjusted_p: float
    seeds: int = 0

    @property
    def differs(self) -> bool:
        """Whether any difference is shown, however small."""
        return self.adjusted_p < ALPHA

    @property
    def equal(self) -> bool:
        """Whether the two are shown to differ by less than the margin: the 90 % interval lies within it."""
        return self.equivalence.p_value < ALPHA

    @property
    def decided(self) -> bool:
        """Whether one of them is shown to be better, and not equal within the margin."""
        return self.differs and not self.equal

    @property
    def better(self) -> bool:
        """Whether the left is shown to be better."""
        return self.decided and self.claim.value > 0

    @property
    def worse(self) -> bool:
        return self.decided and self.claim.value < 0

    @property
    def result(self) -> ContestResult:
        """The rule: equality first, then a difference after correction."""
        if self.equal:
            return ContestResult.EQUAL
        if self.differs:
            return ContestResult.LEFT_BETTER if self.better else ContestResult.RIGHT_BETTER
        no_worse = self.equivalence.not_worse < ALPHA
        return ContestResult.NO_WORSE if no_worse else ContestResult.NO_DIFFERENCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """Arms by gold accuracy after `iteration`, best first, by their roles, with the tests between them.

    Attributes:
        candidates: The arms that may be recommended, best first: neither the gold's nor a control.
        ceiling: The gold's own arm: what training on exact verdicts gives.
        control: The best control arm, the floor: what training without information gives.
        best: The candidate that the others are compared with: the best worthy one, else the most accurate.
        worthy: Of the candidates those shown to be better than the base and than the best control, best first.
        gains: Each arm against the base; any gain counts, so that their margin is 0.
        contests: The best candidate against each other one, every candidate against the best control (on one side), and
            the ceiling against every candidate; three families of tests.
        shares: Arm -> the share of the ceiling's gain that it reached; none where the ceiling's own gain is not shown.
        base: None where it has no gold verdicts.
        idle: Arms whose verifier accepted nothing, so that their policy is still the base: not ranked, as any
            difference from the base is chance.
        seeds: Fewest training seeds of an arm.
    """

    iteration: int
    standings: tuple[Standing, ...]
    candidates: tuple[Standing, ...]
    ceiling: Standing | None
    control: Standing | None
    best: Standing | None
    worthy: tuple[Standing, ...]
    gains: tuple[Contest, ...]
    contests: tuple[Contest, ...]
    shares: Mapping[str, Estimate]
    base: Standing | None
    idle: tuple[Standing, ...]
    seeds: int

    @functools.cached_property
    def overall(self) -> Homogeneity:
        """Whether the base and all arms have one accuracy; computed when asked for, as it imports SciPy."""
        shares = [estimates.ratio(*s.counts) for s in (self.base, *self.standings) if s]
        return cochran_q(np.stack(shares, axis=1) if shares else np.zeros((0, 0)))

    def contest(self, left: Standing, right: Standing) -> Contest:
        """Two of the standings, in whichever order: left minus right; p is 1 for two that no family compares."""
        names = (arm_of(left).name, arm_of(right).name)
        tested = next((c for c in self.contests if (c.left, c.right) in (names, names[::-1])), None)
        contest = contest_of(left, right) or _contest(left, right, right.counts, NOT_COMPARED, names)
        return dataclasses.replace(contest, adjusted_p=tested.adjusted_p if tested else 1.0)

    def gain(self, standing: Standing) -> Contest | None:
        """The arm against the base."""
        return next((c for c in self.gains if c.left == arm_of(standing).name), None)

    def gained(self, standing: Standing) -> bool:
        """Whether the arm is shown to be better than the base."""
        gain = self.gain(standing)
        return gain is not None and gain.better

    def beats_control(self, standing: Standing) -> bool:
        """Whether the arm is shown to be better than the best control arm, if one was run."""
        return self.control is None or self.contest(standing, self.control).better

    def beaten(self, standing: Standing) -> bool:
        """Whether the best candidate is shown to be better than this one."""
        return self.best is not None and self.best is not standing and self.contest(self.best, standing).better


def arm_of(standing: Standing) -> Arm:
    """The arm of a standing that has one."""
    assert standing.arm is not None
    return standing.arm


def rank(findings: Findings) -> Ranking:
    """The arms at the last iteration that every arm has reached (that any has, where some have none)."""
    reached = [last.iteration for arm in findings.run.arms if (last := findings.last(arm))]
    iteration = min(reached, default=0)
    standings = sorted(trained_at(findings, iteration), key=lambda s: -s.accuracy.value)
    candidates = [s for s in standings if not arm_of(s).control and not arm_of(s).gold]
    ceiling, control = (
        next((s for s in standings if role(arm_of(s))), None) for role in (lambda a: a.gold, lambda a: a.control)
    )
    gains = gains_at(findings, iteration)
    floor = family([(s, control) for s in candidates], one_sided=True) if control else ()
    gained, beating = ({c.left for c in tests if c.better} for tests in (gains, floor))
    worthy = [s for s in candidates if arm_of(s).name in gained and (not control or arm_of(s).name in beating)]
    best = next(iter(worthy or candidates), None)
    rivals = family([(best, s) for s in candidates if s is not best]) if best else ()
    below = family([(ceiling, s) for s in candidates]) if ceiling else ()
    return Ranking(
        iteration=iteration,
        standings=tuple(standings),
        candidates=tuple(candidates),
        ceiling=ceiling,
        control=control,
        best=best,
        worthy=tuple(worthy),
        gains=gains,
        contests=(*rivals, *floor, *below),
        shares=_shares(findings.base, ceiling, standings),
        base=findings.base,
        idle=tuple(s for s in _reached(findings, iteration) if not findings.trained(arm_of(s), iteration)),
        seeds=min((seeds_of(s) for s in standings), default=0),
    )


def _shares(base: Standing | None, ceiling: Standing | None, standings: Sequence[Standing]) -> dict[str, Estimate]:
    if base is None or ceiling is None:
        return {}
    found = {arm_of(s).name: _share(s, ceiling, base) for s in standings if s is not ceiling}
    return {name: share for name, share in found.items() if share}


def _share(standing: Standing, ceiling: Standing, base: Standing) -> Estimate | None:
    spreads = (seeds.spread_of(crossed(standing)), seeds.spread_of(crossed(ceiling)))
    return seeds.share_of_gain(standing.counts, ceiling.counts, base.counts, spreads)


def _reached(findings: Findings, iteration: int) -> list[Standing]:
    standings = [findings.standings.get((arm.name, iteration)) for arm in findings.run.arms]
    return [s for s in standings if s and iteration and s.accuracy.n]


def trained_at(findings: Findings, iteration: int) -> list[Standing]:
    """The arms that have reached an iteration and trained on something by then."""
    return [s for s in _reached(findings, iteration) if findings.trained(arm_of(s), iteration)]


def gains_at(findings: Findings, iteration: int) -> tuple[Contest, ...]:
    """Each of these arms against the base, as one family of tests: the one definition of a gain in the report."""
    base = findings.base
    return family([(s, base) for s in trained_at(findings, iteration)] if base else [], margin=0.0)


def claims(findings: Findings) -> dict[tuple[str, int], Difference]:
    """(arm, iteration) -> what the arm had gained over the base by then; of other seeds on other problems."""
    return {(c.left, i): c.claim for i in range(1, findings.run.iterations + 1) for c in gains_at(findings, i)}


def family(
    pairs: Sequence[tuple[Standing, Standing]], *, margin: float = MARGIN, one_sided: bool = False
) -> tuple[Contest, ...]:
    """The pairs that have a problem in common, as one family of tests; `one_sided`: only the left may be better."""
    contests = [contest for a, b in pairs if (contest := contest_of(a, b, margin=margin))]
    if one_sided:
        halves = ((c, c.p_value / 2) for c in contests)
        contests = [dataclasses.replace(c, p_value=p if c.claim.value > 0 else 1 - p) for c, p in halves]
    return corrected(contests)


def corrected(contests: Sequence[Contest]) -> tuple[Contest, ...]:
    """The contests with p-values corrected for each other (Holm)."""
    adjusted = estimates.holm([contest.p_value for contest in contests])
    return tuple(dataclasses.replace(c, adjusted_p=p) for c, p in zip(contests, adjusted, strict=True))


def contest_of(
    left: Standing,
    right: Standing,
    *,
    margin: float = MARGIN,
    names: tuple[str, str] | None = None,
    order: Sequence[int] | None = None,
) -> Contest | None:
    """Left minus right over the same problems, before any correction; None where they have no problem in common.

    The p-value is of a t test over seeds and problems; where neither side was trained over problems alone, or McNemar's
    exact test where each problem has one sample.

    Args:
        margin: Difference in accuracy, as a share, below which the two count as equal.
        names: What the sides are called; the names of their arms where None.
        order: Position among the right's problems of each of the left's; the same order where None.
    """
    theirs = right.counts if order is None else Counts(*(np.asarray(column)[order] for column in right.counts))
    difference = estimates.paired(left.counts, theirs)
    if difference is None:
        return None
    return _contest(left, right, theirs, difference, names or (_name(left), _name(right)), margin)


def _name(standing: Standing) -> str:
    return standing.arm.name if standing.arm else BASE


def _contest(
    left: Standing,
    right: Standing,
    theirs: Counts,
    difference: Difference,
    names: tuple[str, str],
    margin: float = MARGIN,
) -> Contest:
    """The contest with this difference; `theirs` are the right's counts in the order of the left's problems."""
    flips = problem_flips(left.counts, theirs)
    trained = [side for side in (left, right) if side.kind == "trained"]
    claim = seeds.with_seeds(difference, [crossed(side) for side in trained])
    exact = not trained and single(left.counts, theirs)
    p_value = flips.p_value if exact else claim.p_value
    return Contest(
        left=names[0],
        right=names[1],
        difference=difference,
        claim=claim,
        flips=flips,
        equivalence=equivalence(claim, margin),
        p_value=p_value,
        adjusted_p=p_value,
        seeds=min(map(seeds_of, trained), default=0),
    )


def seeds_of(standing: Standing) -> int:
    """Seeds under which an arm was trained."""
    return len(standing.replicates) or 1


def crossed(standing: Standing) -> seeds.Replicates | None:
    """Replicates of one checkpoint of an arm on the same problems; None where there is one alone."""
    if not standing.replicates:
        return None
    each = [replica.counts for replica in standing.replicates]
    return seeds.crossed(Counts(np.stack([c.correct for c in each]), np.stack([c.decided for c in each])))
