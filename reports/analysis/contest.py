"""Two arms, or an arm and the base, on the same problems: the rule that decides between them, and families of tests.

Takes Standings; gives Contests as numbers and codes. One rule decides (`Contest.result`): first whether the two are
equal within the margin, then whether one is better, else neither is shown. Every interval of a trained arm holds the
spread between training seeds (`restem.reports.stats.seeds`).
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import Standing
from restem.reports.data.run import Arm
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Counts, Difference
from restem.reports.stats.paired_tests import Equivalence, Flips, equivalence, problem_flips, single

ALPHA = 0.05
# Two arms that differ by less count as equal: about the smallest difference that 500 problems can detect.
MARGIN = 0.05
NOT_COMPARED = Difference(
    value=0.0, low=-1.0, high=1.0, clusters=0, error=math.nan, freedom=0, p_value=1.0, detectable=1.0
)


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


def arm_of(standing: Standing) -> Arm:
    """The arm of a standing that has one."""
    assert standing.arm is not None
    return standing.arm


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


def not_compared(left: Standing, right: Standing) -> Contest:
    """Of two that have no problem in common: nothing is known of their difference."""
    return _contest(left, right, right.counts, NOT_COMPARED, (_name(left), _name(right)))


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
