"""Estimates with intervals: pure functions over arrays.

Takes outcomes (1 correct, 0 wrong, NaN undecided) or counts per problem; gives estimates. A problem is the unit of
inference: samples, checkpoints and verifiers on one problem are not independent, so every interval here is clustered by
problem. Undecided is never imputed: it leaves both the numerator and the denominator. Does not depend on runs or files.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from restem.reports.stats import student_t

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.95
DRAWS = 2000  # resamples: the Monte Carlo error of a 95 % limit is then about 1.5 % of the interval's width
SEED = 230612585
# What is known of clustering before any is seen: docs/intervals.md.
CORRELATION = 0.2  # of two outcomes on one problem
PROBLEMS = 2  # problems with the rarer outcome that this is worth
MOST_RESAMPLED = 2000  # units of a resample: each draw weighs every one
POWER = 0.8
EXACT = 2**24  # float32 holds every whole number below, so that their sums need no wider type
TINY = 1e-12  # an error of a share below which it is rounding


class Counts(NamedTuple):
    """Correct and decided samples of each problem."""

    correct: Ints
    decided: Ints


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval; `n` samples in `clusters` problems. NaN where there is nothing to estimate."""

    value: float
    low: float
    high: float
    n: int
    clusters: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference of two shares over the same problems, with its 95 % interval.

    Attributes:
        error: Standard error of the value; NaN where the spread is unknown.
        freedom: Degrees of freedom of that error.
        p_value: Two-sided, of a paired t test over problems.
        detectable: Smallest true difference that this comparison would find 80 % of the time.
    """

    value: float
    low: float
    high: float
    clusters: int
    error: float
    freedom: float
    p_value: float
    detectable: float


NOTHING = Estimate(value=math.nan, low=math.nan, high=math.nan, n=0, clusters=0)


def per_problem(outcome: Floats, problem: Ints, size: int) -> Counts:
    """Correct and decided samples of each of `size` problems."""
    correct = np.bincount(problem[outcome == 1], minlength=size)
    decided = np.bincount(problem[~np.isnan(outcome)], minlength=size)
    return Counts(correct.astype(np.int64), decided.astype(np.int64))


def ratio(numerator: NDArray, denominator: NDArray) -> Floats:
    """numerator / denominator, NaN where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)


@functools.lru_cache(maxsize=8)
def bootstrap_weights(clusters: int) -> Floats:
    """How often each problem is drawn in each of DRAWS resamples: multinomial counts, one row a resample.

    The resample of `clusters` problems is the same whatever is estimated, so that statistics of one split are
    resampled together and their differences are paired.
    """
    draws = np.random.default_rng((SEED, clusters)).multinomial(clusters, np.full(clusters, 1 / clusters), size=DRAWS)
    return draws.astype(np.float64)


def resampled(values: NDArray) -> Floats:
    """Sum of per-problem `values` (problems first) in each resample; 0 where there is no problem.

    Of more than MOST_RESAMPLED problems so many groups are resampled, which are as independent as the problems are.
    """
    if not len(values):
        return np.zeros((DRAWS, *values.shape[1:]))
    if len(values) > MOST_RESAMPLED:
        empty = np.zeros((-len(values) % MOST_RESAMPLED, *values.shape[1:]), values.dtype)
        values = np.concatenate([values, empty]).reshape(-1, MOST_RESAMPLED, *values.shape[1:]).sum(axis=0)
    columns = np.asarray(values, np.float64).reshape(len(values), -1).T
    return np.stack([_resampled(column.tobytes()) for column in columns], axis=-1).reshape(DRAWS, *values.shape[1:])


@functools.lru_cache(maxsize=2048)
def _resampled(column: bytes) -> Floats:
    """One column's sums. Cached, as two of three columns of a report are asked for again: margins of tables recur.

    A matrix product would be shared out to threads, which take ten times as long to find each other as one needs.
    """
    values = np.frombuffer(column)
    if np.array_equal(values, np.rint(values)) and np.abs(values).max() * len(values) < EXACT:
        return np.vecdot(_short_weights(len(values)), values.astype(np.float32)).astype(np.float64)
    return np.vecdot(bootstrap_weights(len(values)), values)


@functools.lru_cache(maxsize=8)
def _short_weights(clusters: int) -> NDArray[np.float32]:
    """The same in half the memory, which has to be read for every column."""
    return bootstrap_weights(clusters).astype(np.float32)


def percentiles(draws: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap draws; undefined draws are left out, infinite ones are kept."""
    kept = draws[~np.isnan(draws)]
    if not kept.size:
        return math.nan, math.nan
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    return float(low), float(high)


def bootstrapped(value: float, draws: Floats, n: int, clusters: int) -> Estimate:
    """A value with its percentile interval; without one below two problems, whose resamples are all alike."""
    low, high = percentiles(draws) if clusters > 1 and not math.isnan(value) else (math.nan, math.nan)
    return Estimate(value=value, low=low, high=high, n=n, clusters=clusters)


def wilson(value: float, n: float, level: float = LEVEL, freedom: float = math.inf) -> tuple[float, float]:
    """Wilson's score interval for a proportion `value` of `n` independent trials (Wilson 1927).

    Args:
        freedom: Degrees of freedom of the t quantile, where `n` was itself estimated.
    """
    above = (1 + level) / 2
    z = NormalDist().inv_cdf(above) if math.isinf(freedom) else student_t.quantile(freedom, above)
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    low = 0.0 if value == 0 else max(0.0, centre - half)
    return low, 1.0 if value == 1 else min(1.0, centre + half)


def clustered_error(numerator: NDArray, denominator: NDArray) -> float:
    """Standard error of sum(numerator) / sum(denominator), clustered by problem (Miller 2024, arXiv:2411.00640).

    The ratio form of the clustered variance: with equally many samples a problem it is the standard error of the mean
    of the problems' means.
    """
    used = denominator > 0
    top, bottom, clusters = numerator[used], denominator[used], int(used.sum())
    if clusters < 2:
        return math.nan
    residual = top - top.sum() / bottom.sum() * bottom
    return float(math.sqrt(clusters / (clusters - 1) * np.sum(residual**2)) / bottom.sum())


def proportion(correct: NDArray, decided: NDArray, level: float = LEVEL) -> Estimate:
    """Share of correct among decided samples: Wilson's interval with the effective sample size and a t quantile.

    The effective size is n / d with the design effect d of samples that share problems (Korn and Graubard 1998, Survey
    Methodology 24:193; among such intervals Wilson's covers best, Franco, Little, Louis and Slud 2019, J Surv Stat
    Methodol 7:334). Where each problem has one sample it is Wilson's own interval.
    """
    n, clusters = int(decided.sum()), int((decided > 0).sum())
    if not n:
        return NOTHING
    value = float(correct.sum() / n)
    if decided.max() == 1 and np.isin(correct, (0, 1)).all():
        low, high = wilson(value, n, level)
    else:
        low, high = wilson(value, n / design_effect(correct, decided), level, clusters - 1 + PROBLEMS)
    return Estimate(value=value, low=low, high=high, n=n, clusters=clusters)


def design_effect(correct: NDArray, decided: NDArray) -> float:
    """How many times the variance of a share is that of as many independent samples (Kish 1965, section 8.2).

    A few problems with the rarer outcome, as five false accepts on one or two problems, show little of it. So PROBLEMS
    further ones are counted, with the design effect that CORRELATION gives, 1 + (m - 1) CORRELATION (m: samples of a
    sample's problem, in the mean); but the result is never below what was measured.
    """
    n, value = decided.sum(), correct.sum() / decided.sum()
    supposed = 1 + (np.sum(decided**2) / n - 1) * CORRELATION
    if value * (1 - value) < TINY or (decided > 0).sum() < 2:
        return float(supposed)
    measured = clustered_error(correct, decided) ** 2 * n / (value * (1 - value))
    cases = min((correct > 0).sum(), (correct < decided).sum())
    return float(max(measured, (cases * measured + PROBLEMS * supposed) / (cases + PROBLEMS)))


def mean(values: Floats) -> Estimate:
    """Mean of per-problem shares (NaN left out), with an interval as in `proportion`."""
    known = ~np.isnan(values)
    return proportion(np.where(known, values, 0.0), known.astype(np.int64))


def clustered_mean(total: NDArray, count: NDArray) -> Estimate:
    """Mean of numbers of any size over samples, with a t interval clustered by problem.

    Args:
        total: Sum of each problem's numbers.
        count: How many these are.
    """
    n, clusters = int(count.sum()), int((count > 0).sum())
    if not n:
        return NOTHING
    value, error = float(total.sum() / n), clustered_error(total, count)
    half = student_t.quantile(clusters - 1, (1 + LEVEL) / 2) * error if error > TINY else math.nan
    return Estimate(value=value, low=value - half, high=value + half, n=n, clusters=clusters)


def t_mean(values: Floats, n: int | None = None) -> Estimate:
    """Mean of one value a unit (a problem, a training seed; NaN left out), of any size, with its t interval.

    Without an interval where no two units differ: that leaves the spread unknown, not 0.

    Args:
        n: Samples behind the values; the number of units where None.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return NOTHING
    value, units, half = float(known.mean()), known.size, math.nan
    if units > 1 and np.ptp(known) > 0:
        half = student_t.quantile(units - 1, (1 + LEVEL) / 2) * float(known.std(ddof=1)) / math.sqrt(units)
    return Estimate(value=value, low=value - half, high=value + half, n=units if n is None else n, clusters=units)


def apart(left: Estimate | Difference, right: Estimate | Difference, correlation: float = 0.0) -> Estimate:
    """Left less right, from values and limits: the limits put together (MOVER; Zou 2008, Stat Med 27:1693, eq. 8).

    Args:
        correlation: Of the two; with 0 the interval is too wide where both rest on the same problems and move together.
    """
    value = left.value - right.value
    below = _joined(left.value - left.low, right.high - right.value, correlation)
    above = _joined(left.high - left.value, right.value - right.low, correlation)
    clusters = min(left.clusters, right.clusters)
    return Estimate(value=value, low=value - below, high=value + above, n=clusters, clusters=clusters)


def _joined(left: float, right: float, correlation: float) -> float:
    """sqrt(a^2 + b^2 - 2 r a b), where one of the two may be infinite."""
    if math.isinf(left) or math.isinf(right):
        return math.inf
    return math.sqrt(max(0.0, left * left + right * right - 2 * correlation * left * right))


def undecided_bounds(correct: int, decided: int, total: int) -> tuple[float, float]:
    """The accuracies if every undecided sample were wrong, and if every one were correct."""
    if not total:
        return math.nan, math.nan
    return correct / total, (correct + total - decided) / total


def pass_at_k(correct: Ints, decided: Ints, k: int) -> Floats:
    """Unbiased pass@k of each problem: 1 - C(n - c, k) / C(n, k) (arXiv:2107.03374, eq. 1).

    NaN where a problem has fewer than k decided samples.
    """
    missed = np.ones(len(correct))
    for drawn in range(k):
        missed = missed * ratio(np.maximum(decided - correct - drawn, 0), decided - drawn)
    return np.where(decided >= k, 1 - missed, np.nan)


def paired(left: Counts, right: Counts) -> Difference | None:
    """Share of correct on the left minus that on the right, over the same problems, by a paired t over problems.

    The error is that of the difference of two ratios, from each problem's residuals on both sides (linearised ratio
    estimators; Miller 2024, arXiv:2411.00640, section 4.2): with equally many decided samples a problem it is the
    paired t test on the problems' means. Where all residuals vanish the spread is unknown, not 0: the half width is
    then 3 / problems (the rule of three, Hanley and Lippman-Hand 1983).

    Returns:
        None where no problem has decided samples on both sides.
    """
    clusters = int(((left.decided > 0) & (right.decided > 0)).sum())
    if not clusters:
        return None
    influence, value = np.zeros(len(left.decided)), 0.0
    for side, sign in ((left, 1), (right, -1)):
        share = side.correct.sum() / side.decided.sum()
        influence += sign * (side.correct - share * side.decided) / side.decided.sum()
        value += sign * float(share)
    error = math.sqrt(clusters / max(1, clusters - 1) * np.sum(influence**2))
    if clusters > 1 and error > TINY:
        return t_difference(value, error, clusters - 1, clusters)
    half = min(1.0, 3 / clusters)
    return Difference(
        value=value,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        clusters=clusters,
        error=math.nan,
        freedom=clusters - 1,
        p_value=1.0,
        detectable=half,
    )


def t_difference(value: float, error: float, freedom: float, clusters: int) -> Difference:
    """A difference whose error is known, with its t interval and test."""
    half = student_t.quantile(freedom, (1 + LEVEL) / 2) * error
    return Difference(
        value=value,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        clusters=clusters,
        error=error,
        freedom=freedom,
        p_value=2 * student_t.cdf(freedom, -abs(value) / error),
        detectable=half + student_t.quantile(freedom, POWER) * error,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979), in the order given."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
