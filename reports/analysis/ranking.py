"""Which verifier is worth training on: the arms compared pair by pair.

Takes Findings; gives contests as numbers and codes. An arm's worth is its gold accuracy on the test split after the
last iteration that all arms have reached. Two arms differ where a paired t test over problems (over seeds and problems
for arms with replicates) shows it after Holm's correction for all pairs. An arm has gained where the same test against
the base shows it after the correction for all arms. Control arms are never recommended: a recommended arm has to beat
them.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
from collections.abc import Sequence

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.data.run import Arm
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Counts, Difference
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
        p_value: Of a paired t test over problems; of McNemar's exact test where each has one sample; over seeds and
            problems where a side has replicates.
        adjusted_p: The same, corrected for the other contests of its family.
        seeded: The difference of other seeds on other problems; None where no side has replicates.
    """

    left: str
    right: str
    difference: Difference
    flips: Flips
    equivalence: Equivalence
    p_value: float
    adjusted_p: float
    seeded: Difference | None = None

    @property
    def claim(self) -> Difference:
        """The difference that verdicts rest on: it includes seeds where they are known."""
        return self.seeded or self.difference

    @property
    def decided(self) -> bool:
        return self.adjusted_p < ALPHA

    @property
    def better(self) -> bool:
        """Whether the left is shown to be better."""
        return self.decided and self.difference.value > 0

    @property
    def worse(self) -> bool:
        return self.decided and self.difference.value < 0

    @property
    def equal(self) -> bool:
        return not self.decided and self.equivalence.p_value < ALPHA

    @property
    def result(self) -> ContestResult:
        """What the tests show, after correction."""
        if self.decided:
            return ContestResult.LEFT_BETTER if self.better else ContestResult.RIGHT_BETTER
        if self.equal:
            return ContestResult.EQUAL
        no_worse = self.equivalence.not_worse < ALPHA
        return ContestResult.NO_WORSE if no_worse else ContestResult.NO_DIFFERENCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """Arms by gold accuracy after `iteration`, best first, and every pair of them.

    Attributes:
        gains: Each arm against the base.
        overall: Whether the base and all arms have one accuracy.
        idle: Arms whose verifier accepted nothing, so that their policy is still the base: not ranked, as any
            difference from the base is chance.
    """

    iteration: int
    standings: tuple[Standing, ...]
    contests: tuple[Contest, ...]
    gains: tuple[Contest, ...]
    overall: Homogeneity
    idle: tuple[Standing, ...]

    @property
    def candidates(self) -> tuple[Standing, ...]:
        """The arms that may be recommended, best first."""
        return tuple(s for s in self.standings if not arm_of(s).control)

    @functools.cached_property
    def worthy(self) -> tuple[Standing, ...]:
        """Of the candidates those shown to be better than the base and than the best control arm, best first."""
        return tuple(s for s in self.candidates if self.gained(s) and self.beats_control(s))

    @property
    def best(self) -> Standing | None:
        """The arm that the others are compared with: the best worthy arm; where there is none, the best candidate."""
        return next(iter(self.worthy or self.candidates), None)

    @property
    def control(self) -> Standing | None:
        """The best control arm."""
        return next((s for s in self.standings if arm_of(s).control), None)

    def contest(self, left: Standing, right: Standing) -> Contest:
        """Two of the standings, in whichever order: left minus right."""
        names = (arm_of(left).name, arm_of(right).name)
        tested = next((c for c in self.contests if {c.left, c.right} == set(names)), None)
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
        """Whether the best arm is shown to be better than this one."""
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
    pairs = [(a, b) for i, a in enumerate(standings) for b in standings[i + 1 :]]
    base = [findings.base] if findings.base else []
    shares = [estimates.ratio(*s.counts) for s in (*base, *standings)]
    return Ranking(
        iteration=iteration,
        standings=tuple(standings),
        contests=family(pairs),
        gains=gains_at(findings, iteration),
        overall=cochran_q(np.stack(shares, axis=1) if shares else np.zeros((0, 0))),
        idle=tuple(s for s in _reached(findings, iteration) if not findings.trained(arm_of(s), iteration)),
    )


def _reached(findings: Findings, iteration: int) -> list[Standing]:
    standings = [findings.standings.get((arm.name, iteration)) for arm in findings.run.arms]
    return [s for s in standings if s and iteration and s.accuracy.n]


def trained_at(findings: Findings, iteration: int) -> list[Standing]:
    """The arms that have reached an iteration and trained on something by then."""
    return [s for s in _reached(findings, iteration) if findings.trained(arm_of(s), iteration)]


def gains_at(findings: Findings, iteration: int) -> tuple[Contest, ...]:
    """Each of these arms against the base, as one family of tests: the one definition of a gain in the report."""
    base = findings.base
    return family([(s, base) for s in trained_at(findings, iteration)] if base else [])


def family(pairs: Sequence[tuple[Standing, Standing]]) -> tuple[Contest, ...]:
    """The pairs that have a problem in common, as one family of tests."""
    return corrected([contest for a, b in pairs if (contest := contest_of(a, b))])


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

    The p-value is that of a paired t test over problems, or of McNemar's exact test where each problem has one sample;
    over seeds and problems where a side has replicates.

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
    p_value = flips.p_value if single(left.counts, theirs) else difference.p_value
    # A claim is about the recipe, not about the seeds that were run: with replicates, seeds are tested as well.
    seeded = seeds.with_seeds(difference, [side for side in (crossed(left), crossed(right)) if side])
    p_value = seeded.p_value if seeded else p_value
    return Contest(
        left=names[0],
        right=names[1],
        difference=difference,
        flips=flips,
        equivalence=equivalence(seeded or difference, margin),
        p_value=p_value,
        adjusted_p=p_value,
        seeded=seeded,
    )


def crossed(standing: Standing) -> seeds.Replicates | None:
    """Replicates of one checkpoint of an arm on the same problems; None where there is one alone."""
    if not standing.replicates:
        return None
    each = [replica.counts for replica in standing.replicates]
    return seeds.crossed(Counts(np.stack([c.correct for c in each]), np.stack([c.decided for c in each])))
