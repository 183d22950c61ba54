"""Paired tests over the same problems: flips, Cochran's Q, equivalence, and how many problems a difference takes.

Takes counts per problem; gives p-values. A problem is the unit: under the null its two sides may be swapped, with all
their samples together. So each test holds for any number of samples a problem, and with one it is the textbook's
McNemar or Cochran. Written without scipy.stats, which has some of these and takes longer to import than a report
to compute. Does not depend on runs, arms or verifiers.
"""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

import numpy as np

from restem.reports.stats import student_t
from restem.reports.stats.estimates import LEVEL, POWER, Counts, Difference, Floats, Ints, ratio

# Above this number of flips the p-value is the normal approximation, which differs by less than 0.0001.
MOST_COUNTED = 20_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flips:
    """What changed between two sides of the same problems.

    Attributes:
        gained: Correct on the left only (of samples, or of problems).
        lost: Correct on the right only.
        problems: Problems whose gains and losses do not cancel: all that the test can learn from.
        p_value: Two-sided, that gains and losses are equally likely.
    """

    gained: int
    lost: int
    problems: int
    p_value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Two one-sided tests against a margin (Schuirmann 1987, J Pharmacokinet Biopharm 15:657).

    Attributes:
        not_worse: p-value that the left is worse than the right by the margin or more.
        not_better: p-value that it is better by the margin or more.
    """

    margin: float
    not_worse: float
    not_better: float

    @property
    def p_value(self) -> float:
        """That the sides differ by the margin or more, in whichever direction."""
        return max(self.not_worse, self.not_better)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Homogeneity:
    """Whether several conditions have one mean: statistic, degrees of freedom, p-value, and the problems used."""

    statistic: float
    freedom: int
    p_value: float
    problems: int


def mcnemar(gained: Ints, lost: Ints) -> Flips:
    """Exact McNemar test from what each problem gained and lost, clustered by problem.

    With at most one flip a problem it is McNemar's exact test: a fair coin for every flip. With several, the flips of a
    problem share one coin (the sign-flip test, Fisher 1935), since they share its difficulty.
    """
    balance = np.asarray(gained, np.int64) - np.asarray(lost, np.int64)
    return Flips(
        gained=int(np.sum(gained)),
        lost=int(np.sum(lost)),
        problems=int(np.count_nonzero(balance)),
        p_value=_sign_flip(balance),
    )


def _sign_flip(balance: Ints) -> float:
    """Share of all choices of signs for which |sum of +-balance| is at least the one seen.

    Chances come from the product of each problem's transform, (1 + exp(-i balance angle)) / 2: it adds up the balances
    that are positive, so the sum is twice that less the span. Above MOST_COUNTED the sum is taken as normal (the
    clustered McNemar test of Durkalski 2003, Statistics in Medicine 22:2417), corrected for its steps of 2.
    """
    size, times = np.unique(np.abs(balance[balance != 0]), return_counts=True)
    span, seen = int(size @ times), abs(int(balance.sum()))
    if not span:
        return 1.0
    if span > MOST_COUNTED:
        return min(1.0, 2 * NormalDist().cdf((1 - seen) / math.sqrt(times @ size**2)))
    angle = 2j * math.pi * np.arange(span + 1) / (span + 1)
    transform = np.ones(span + 1, np.complex128)
    for step, count in zip(size, times, strict=True):
        transform *= ((1 + np.exp(-step * angle)) / 2) ** count
    chance = np.fft.ifft(transform).real.clip(0)
    return min(1.0, float(chance[np.abs(2 * np.arange(span + 1) - span) >= seen].sum()))


def problem_flips(left: Counts, right: Counts) -> Flips:
    """Problems with a larger share of correct on the left, and on the right; McNemar's test where each has one sample.

    With several samples it is the sign test (Dixon and Mood 1946), as samples of two checkpoints are not paired one by
    one: it asks how many problems moved, a paired t test by how much.
    """
    moved = np.nan_to_num(np.sign(ratio(*left) - ratio(*right))).astype(np.int64)
    return mcnemar(np.maximum(moved, 0), np.maximum(-moved, 0))


def single(left: Counts, right: Counts) -> bool:
    """Whether no problem has more than one decided sample on a side: flips are then the whole evidence."""
    return bool(max(left.decided.max(initial=0), right.decided.max(initial=0)) <= 1)


def cochran_q(values: Floats) -> Homogeneity:
    """Cochran's Q over problems (rows) and conditions (columns): whether all conditions have the same mean.

    Q = sum (T_j - mean T)^2 / sum s_k^2, with T_j the total of a condition and s_k^2 the variance within a problem:
    what shuffling the conditions within problems leaves. With zeros and ones it is Cochran's (1950); with counts or
    shares of several samples a problem, Pitman's test of blocks (1938). Problems with a NaN are left out.
    """
    from scipy.special import chdtrc  # not above: it takes longer than `restem show`, which needs no Q

    used = values[~np.isnan(values).any(axis=1)]
    conditions = values.shape[1]
    if conditions < 2 or not len(used):
        return Homogeneity(statistic=0.0, freedom=max(0, conditions - 1), p_value=1.0, problems=len(used))
    total, spread = used.sum(axis=0), float(used.var(axis=1, ddof=1).sum())
    between = float(np.sum((total - total.mean()) ** 2))
    statistic = between / spread if spread > 0 else 0.0
    p_value = float(chdtrc(conditions - 1, statistic))
    return Homogeneity(statistic=statistic, freedom=conditions - 1, p_value=p_value, problems=len(used))


def equivalence(difference: Difference, margin: float) -> Equivalence:
    """Whether the left is no worse, and no better, than the right by `margin`: t tests with its freedom.

    Where no problem changed the spread is unknown, and a p-value is the probability that no problem of these
    changes although the share that changes is as large as the distance to the margin.
    """

    def beyond(distance: float) -> float:
        if math.isnan(difference.error):
            return (1 - min(1.0, max(0.0, distance))) ** difference.clusters
        return student_t.cdf(difference.freedom, -distance / difference.error)

    return Equivalence(
        margin=margin, not_worse=beyond(difference.value + margin), not_better=beyond(margin - difference.value)
    )


def problems_needed(difference: Difference, effect: float) -> float:
    """Problems that a paired comparison with this spread needs to find a true difference `effect` 80 % of the time.

    n = ((1.96 + 0.84) sd / effect)^2; infinite where the effect is 0, NaN where the spread is unknown.
    """
    if not effect:
        return math.inf
    deviation = difference.error * math.sqrt(difference.clusters)
    needed = ((NormalDist().inv_cdf((1 + LEVEL) / 2) + NormalDist().inv_cdf(POWER)) * deviation / effect) ** 2
    return needed if math.isnan(needed) else math.ceil(needed)
