"""Seeds as replicates: how far an arm's accuracy varies between seeds, apart from the noise of its samples.

Takes counts of one arm (replicates x problems), or what resampled problems made of them; gives a mean with one interval
for each question, and the variance between seeds. A claim about a training recipe is about other seeds, and wants at
least three; an interval clustered by problem says nothing of them. Two or three seeds say little of their own spread,
so differences of arms take it together with what earlier runs showed (`SPREAD`, `FREEDOM`), as if these were so many
seeds more (an inverse chi-squared prior; Smyth 2004, Stat Appl Genet Mol Biol 3:3). With one seed it is all that is
known. Does not depend on runs or files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from restem.reports.stats import student_t
from restem.reports.stats.estimates import (
    LEVEL,
    Counts,
    Difference,
    Estimate,
    Floats,
    ratio,
    t_difference,
)

SPREAD = 0.04  # standard deviation of accuracy between training seeds, where an arm has one alone; docs/verdict.md
FREEDOM = 4.0  # degrees of freedom that this is worth


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replicates:
    """One arm under several seeds.

    Attributes:
        means: Accuracy of each replicate.
        seeds: t interval over the replicates' means: other seeds on these problems.
        problems: Interval clustered by problem: these seeds on other problems.
        both: Other seeds on other problems; the one for a claim about the recipe.
        between: Variance of the replicates' means beyond `within`, floored at 0: of seeds on all problems alike.
        within: Variance that the rest gives a replicate's mean: samples, and the interaction of seed and problem, so
            that `between` is a lower bound for the spread of true accuracies on these problems.
    """

    means: tuple[float, ...]
    seeds: Estimate
    problems: Estimate
    both: Estimate
    between: float
    within: float


def crossed(counts: Counts) -> Replicates | None:
    """Replicates on the same problems (columns): a two-way analysis of variance with random seeds and problems.

    Problems that any replicate left undecided are left out. The error of `both` is (MS_seeds + MS_problems - MS_rest) /
    cells, with Satterthwaite's (1946) degrees of freedom; never below that of either alone.

    Returns:
        None with fewer than two replicates or problems.
    """
    share = ratio(*counts)
    share = share[:, ~np.isnan(share).any(axis=0)]
    replicates, problems = share.shape
    if replicates < 2 or problems < 2:
        return None
    n = int(counts.decided.sum())
    means, middle = share.mean(axis=1), float(share.mean())
    rest = share - means[:, None] - share.mean(axis=0) + middle
    by_seed = problems * float(means.var(ddof=1))
    by_problem = replicates * float(share.mean(axis=0).var(ddof=1))
    noise = float(np.sum(rest**2)) / ((replicates - 1) * (problems - 1))
    cells = replicates * problems
    summed = max(by_seed + by_problem - noise, by_seed, by_problem)
    parts = by_seed**2 / (replicates - 1) + (by_problem**2 + noise**2 / (replicates - 1)) / (problems - 1)
    return Replicates(
        means=tuple(float(mean) for mean in means),
        seeds=_interval(middle, by_seed / cells, replicates - 1, n, replicates),
        problems=_interval(middle, by_problem / cells, problems - 1, n, problems),
        both=_interval(middle, summed / cells, max(1.0, summed**2 / parts) if parts else 1, n, replicates),
        between=max(0.0, (by_seed - noise) / problems),
        within=noise / problems,
    )


def with_seeds(difference: Difference, sides: Sequence[Replicates | None]) -> Difference:
    """A difference by problem, of other seeds on other problems: each trained side's seeds add their variance.

    As in `crossed`: the squared errors by problem and of each side's seeds, less what both of them count (the
    residual); never below that of either alone, with Satterthwaite's (1946) degrees of freedom. With far more problems
    than noise, and no prior, it is Welch's test (1947) over the seeds.

    Args:
        difference: By problem, of the sides' means.
        sides: Those that were trained; None for one with a single seed.

    Returns:
        The same difference where no side was trained, or where the error by problem is unknown.
    """
    if not sides or math.isnan(difference.error):
        return difference
    variance, freedom = _joined(difference.error**2, difference.freedom, [spread_of(side) for side in sides])
    return t_difference(difference.value, math.sqrt(variance), freedom, difference.clusters)


def spread_of(side: Replicates | None) -> Spread:
    """The variance that seeds give to a trained side's mean, with the prior's part in it; None: one seed alone."""
    if side is None:
        return Spread(SPREAD**2, 0.0, FREEDOM)
    count = len(side.means)
    freedom = FREEDOM + count - 1
    known = (count - 1) * float(np.var(side.means, ddof=1))
    return Spread((known + FREEDOM * (SPREAD**2 + side.within)) / freedom / count, side.within / count, freedom)


def share_of_gain(arm: Counts, ceiling: Counts, base: Counts, spreads: tuple[Spread, Spread]) -> Estimate | None:
    """The gain of an arm divided by that of the ceiling, over the same problems and other seeds (Fieller 1954).

    Args:
        spreads: Of the arm's and of the ceiling's seeds.

    Returns:
        None where no gain of the ceiling is shown, as a share of nothing has no meaning.
    """
    sides = (arm, ceiling, base)
    clusters = int(np.all([side.decided > 0 for side in sides], axis=0).sum())
    if clusters < 2:
        return None
    value = [float(side.correct.sum() / side.decided.sum()) for side in sides]
    influence = [(s.correct - mean * s.decided) / s.decided.sum() for s, mean in zip(sides, value, strict=True)]
    gained, most = value[0] - value[2], value[1] - value[2]
    moved = np.stack([influence[0] - influence[2], influence[1] - influence[2]])
    both = clusters / (clusters - 1) * moved @ moved.T
    for index, spread in enumerate(spreads):
        both[index, index] = max(both[index, index] + spread.seeds - spread.shared, both[index, index], spread.seeds)
    t = student_t.quantile(min(clusters - 1, *(spread.freedom for spread in spreads)), (1 + LEVEL) / 2)
    known = most**2 - t**2 * both[1, 1]
    if known <= 0 or most <= 0:
        return None
    middle = (gained * most - t**2 * both[0, 1]) / known
    half = math.sqrt(max(0.0, middle**2 - (gained**2 - t**2 * both[0, 0]) / known))
    return Estimate(
        value=gained / most, low=middle - half, high=middle + half, n=int(arm.decided.sum()), clusters=clusters
    )


def of_both(value: float, draws: Floats, clusters: int) -> Estimate:
    """A mean over replicates, of other seeds on other problems; from resamples of the problems.

    The squared errors by problem and by seed, less what both count, as in `crossed`: whatever is computed anew in each
    replicate and each resample enters. Without an interval where fewer than two replicates are known and differ.

    Args:
        value: The estimate.
        draws: Of each replicate (rows) by itself: its value first, then that of each resample, drawn for all together.
        clusters: Problems.
    """
    draws = draws[np.isfinite(draws[:, 0])]
    replicates = len(draws)
    nothing = Estimate(value=value, low=math.nan, high=math.nan, n=replicates, clusters=clusters)
    if math.isnan(value) or replicates < 2 or clusters < 2 or np.ptp(draws[:, 0]) == 0:
        return nothing
    again = draws[:, 1:][:, np.isfinite(draws[:, 1:]).all(axis=0)]
    if again.shape[1] < LEVEL * (draws.shape[1] - 1):
        return nothing
    middle, larger = again.mean(axis=0), clusters / (clusters - 1)  # resamples lack one degree of freedom
    within = larger * float((again - middle).var(axis=1).sum()) / (replicates - 1)
    seeds = Spread(float(draws[:, 0].var(ddof=1)) / replicates, within / replicates, replicates - 1)
    variance, freedom = _joined(larger * float(middle.var()), clusters - 1, [seeds])
    half = student_t.quantile(freedom, (1 + LEVEL) / 2) * math.sqrt(variance)
    return Estimate(value=value, low=value - half, high=value + half, n=replicates, clusters=clusters)


class Spread(NamedTuple):
    """The variance of a mean over replicates: from seeds, and what an error by problem counts of that as well."""

    seeds: float
    shared: float
    freedom: float


def _joined(by_problem: float, freedom: float, sides: Sequence[Spread]) -> tuple[float, float]:
    """The variance by problem and of each side's seeds together, with Satterthwaite's (1946) degrees of freedom."""
    by_seed = sum(side.seeds for side in sides)
    summed = max(by_problem + by_seed - sum(side.shared for side in sides), by_problem, by_seed)
    parts = by_problem**2 / freedom
    for side in sides:
        parts += (side.seeds**2 + side.shared**2 / freedom) / side.freedom
    return summed, max(1.0, summed**2 / parts)


def _interval(value: float, variance: float, freedom: float, n: int, clusters: int) -> Estimate:
    """A t interval within [0, 1]; none where the variance is unknown."""
    if math.isnan(variance):
        return Estimate(value=value, low=math.nan, high=math.nan, n=n, clusters=clusters)
    half = student_t.quantile(freedom, (1 + LEVEL) / 2) * math.sqrt(variance)
    return Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=n, clusters=clusters)
