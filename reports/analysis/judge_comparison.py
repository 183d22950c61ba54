"""A judge and its successor on the same responses: agreement, flips, rates against the gold, the order of the arms.

Takes a Run and the outcomes of both judges on its samples; gives numbers and codes. Every figure rests on the samples
that both judges have a verdict on, and counts all samples of a problem as one cluster. It does not depend on how the
verdicts were made.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np

from restem.reports.analysis.findings import TEST
from restem.reports.data.run import Arm, Bools, Outcomes, Run, tested
from restem.reports.stats import estimates, paired_tests, reward_quality
from restem.reports.stats.estimates import Difference, Estimate, Floats, Ints
from restem.reports.stats.paired_tests import Equivalence, Flips
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, Agreement, RewardQuality

ALPHA = 0.05
MARGIN = 0.05


class Succession(enum.StrEnum):
    """What the tests show about the shares that the two judges accept."""

    EQUAL = "equal"
    """Equal within the margin."""
    MORE = "more"
    """The successor accepts more."""
    FEWER = "fewer"
    """The successor accepts fewer."""
    UNCLEAR = "unclear"
    """Neither a difference nor equivalence is shown."""
    NOTHING = "nothing"
    """No sample was decided by both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgeRates:
    """One of the two judges.

    Attributes:
        decided: Share of the samples that it decided.
        accepts: Share of its decided samples that it accepts.
        quality: Against the gold, where both decide.
    """

    name: str
    decided: Estimate
    accepts: Estimate
    quality: RewardQuality


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankedArm:
    """An arm's own reward on the test samples of its last checkpoint, under either judge."""

    name: str
    old: Estimate
    new: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Swap:
    """Two arms whose order differs between the judges; both differences are left minus right."""

    left: str
    right: str
    old: Difference
    new: Difference

    @property
    def shown(self) -> bool:
        """Whether a paired t test shows a difference under both judges, so that the swap is no chance."""
        return self.old.p_value < ALPHA and self.new.p_value < ALPHA


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgeComparison:
    """A judge and its successor.

    Attributes:
        samples: Samples that both have a verdict on, undecided ones included; of `problems` problems.
        agreement: Where both decide.
        difference: Share that the successor accepts less the share that the judge accepts, where both decide.
        flips: `gained`: only the successor accepts; `lost`: only the judge does.
        tpr_change: Successor less judge on samples that the gold calls correct; None where there is none.
        fpr_change: The same on samples that the gold calls wrong.
        arms: In the order of the judge's rewards, best first; empty where the run has no trained arm with samples.
        swaps: Pairs of arms in another order under the successor.
        ties: Pairs of arms with different rewards under the judge and equal ones under the successor.
    """

    old: JudgeRates
    new: JudgeRates
    samples: int
    problems: int
    agreement: Agreement
    difference: Difference | None
    equivalence: Equivalence | None
    flips: Flips
    tpr_change: Difference | None
    fpr_change: Difference | None
    arms: tuple[RankedArm, ...]
    swaps: tuple[Swap, ...]
    ties: int

    @property
    def result(self) -> Succession:
        """What the tests show: equivalence comes first, because a small difference can be significant as well."""
        if self.difference is None or self.equivalence is None:
            return Succession.NOTHING
        if self.equivalence.p_value < ALPHA:
            return Succession.EQUAL
        if self.flips.p_value < ALPHA:
            return Succession.MORE if self.difference.value > 0 else Succession.FEWER
        return Succession.UNCLEAR


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Both:
    """The samples that both judges have a verdict on: outcomes and problems, which are numbered over all splits."""

    old: Floats
    new: Floats
    gold: Floats
    problem: Ints
    size: int

    def difference(self, chosen: Bools) -> Difference | None:
        """Share that the successor accepts less the judge's, on chosen samples that both decided."""
        both = chosen & ~np.isnan(self.old) & ~np.isnan(self.new)
        sides = [
            estimates.per_problem(outcome[both], self.problem[both], self.size) for outcome in (self.new, self.old)
        ]
        return estimates.paired(*sides)

    def rates(self, name: str, outcome: Floats) -> JudgeRates:
        """One judge's rates."""
        counts = estimates.per_problem(outcome, self.problem, self.size)
        total = np.bincount(self.problem, minlength=self.size)
        table = reward_quality.confusion(outcome, self.gold, self.problem, self.size)
        return JudgeRates(
            name=name,
            decided=estimates.proportion(counts.decided, total),
            accepts=estimates.proportion(*counts),
            quality=reward_quality.reward_quality(table),
        )


def compare_judges(
    run: Run, old: Outcomes, new: Outcomes, names: tuple[str, str], margin: float = MARGIN
) -> JudgeComparison:
    """The comparison of a judge with its successor.

    Args:
        old: The judge's outcomes on all samples of the run.
        new: The successor's.
        names: Their names, in the same order.
        margin: Difference of the shares accepted below which the two count as equal.
    """
    both = _both(run, old, new)
    everything = np.ones(len(both.old), bool)
    table = reward_quality.confusion(both.new, both.old, both.problem, both.size)
    difference = both.difference(everything)
    arms = [pair for arm in run.arms if (pair := _rewards(run, arm, old, new)) is not None]
    return JudgeComparison(
        old=both.rates(names[0], both.old),
        new=both.rates(names[1], both.new),
        samples=len(both.old),
        problems=len(np.unique(both.problem)),
        agreement=reward_quality.agreement(table),
        difference=difference,
        equivalence=None if difference is None else paired_tests.equivalence(difference, margin),
        flips=paired_tests.mcnemar(table[:, FALSE_ACCEPT], table[:, FALSE_REJECT]),
        tpr_change=both.difference(both.gold == 1),
        fpr_change=both.difference(both.gold == 0),
        arms=tuple(sorted((arm for arm, _, _ in arms), key=lambda arm: (-arm.old.value, arm.name))),
        swaps=_swaps(arms),
        ties=sum(a.old.value > b.old.value and a.new.value == b.new.value for a, *_ in arms for b, *_ in arms),
    )


def _both(run: Run, old: Outcomes, new: Outcomes) -> _Both:
    offsets, size = {}, 0
    for split, problems in run.problems.items():
        offsets[split] = size
        size += len(problems)
    problem = run.samples.problem.copy()
    for (_, split), rows in run.places.items():
        problem[rows] += offsets[split]
    scored = np.flatnonzero(old.scored & new.scored)
    return _Both(
        old=old.value[scored],
        new=new.value[scored],
        gold=run.outcome(run.gold, scored),
        problem=problem[scored],
        size=size,
    )


_Sides = tuple[RankedArm, estimates.Counts, estimates.Counts]


def _rewards(run: Run, arm: Arm, old: Outcomes, new: Outcomes) -> _Sides | None:
    """An arm's reward under either judge, of all its replicates, with the counts; None where nothing was decided."""
    chains = [run.chain(replica.name) for replica in run.replicates(arm)]
    places = [run.rows(tested(chain[-1].id), TEST) for chain in chains if chain]
    rows = np.concatenate([np.zeros(0, np.int64), *places])
    rows = rows[~np.isnan(old.value[rows]) & ~np.isnan(new.value[rows])]
    if not len(rows):
        return None
    problem, size = run.samples.problem[rows], run.size(TEST)
    counts = [estimates.per_problem(side.value[rows], problem, size) for side in (old, new)]
    before, after = (estimates.proportion(*side) for side in counts)
    return RankedArm(name=arm.name, old=before, new=after), counts[0], counts[1]


def _swaps(arms: list[_Sides]) -> tuple[Swap, ...]:
    """The pairs of arms that the judges put in opposite orders, the judge's better one to the left."""
    swaps: list[Swap] = []
    for left, left_old, left_new in arms:
        for right, right_old, right_new in arms:
            if left.old.value <= right.old.value or left.new.value >= right.new.value:
                continue
            before, after = estimates.paired(left_old, right_old), estimates.paired(left_new, right_new)
            if before is not None and after is not None:
                swaps.append(Swap(left=left.name, right=right.name, old=before, new=after))
    return tuple(swaps)
