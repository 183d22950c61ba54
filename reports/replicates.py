"""Seeds as replicates: how far an arm's accuracy varies between seeds, apart from the noise of its samples.

Takes counts of one arm (replicates x problems); gives a mean with one interval for each question, and the variance
between seeds. A claim about a training recipe is about other seeds, and wants at least three; an interval clustered by
problem says nothing of them. Knows nothing of runs or files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from reports import student
from reports.metrics import LEVEL, NOTHING, Counts, Difference, Estimate, Floats, clustered_error, ratio, t_difference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replicates:
    """One arm under several seeds.

    Attributes:
        means: Accuracy of each replicate.
        seeds: t interval over the replicates' means: other seeds on these problems (on others, where nested).
        problems: Interval clustered by problem: these seeds on other problems.
        both: Other seeds on other problems; the one for a claim about the recipe.
        between: Variance of the replicates' means beyond `within`, floored at 0: of seeds on all problems alike.
        within: Variance that the rest gives a replicate's mean: samples, and where crossed the interaction of seed and
            problem, so that `between` is then a lower bound for the spread of true accuracies on these problems.
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


def nested(counts: Counts) -> Replicates | None:
    """Replicates on problems of their own: the means' variance less the mean clustered variance of each.

    Returns:
        None with fewer than two replicates that decided anything.
    """
    used = counts.decided.sum(axis=1) > 0
    correct, decided = counts.correct[used], counts.decided[used]
    replicates = len(correct)
    if replicates < 2:
        return None
    means = correct.sum(axis=1) / decided.sum(axis=1)
    errors: Floats = np.array([clustered_error(*pair) for pair in zip(correct, decided, strict=True)])
    middle, n = float(means.mean()), int(decided.sum())
    clusters = int((decided > 0).sum())
    within, spread = float(np.mean(errors**2)), float(means.var(ddof=1))
    seeds = _interval(middle, spread / replicates, replicates - 1, n, replicates)
    return Replicates(
        means=tuple(float(mean) for mean in means),
        seeds=seeds,
        problems=_interval(middle, within / replicates, clusters - replicates, n, clusters),
        both=seeds,
        between=max(0.0, spread - within),
        within=within,
    )


def over_seeds(values: Floats) -> Estimate:
    """Mean of one value a replicate, with its t interval over them; without one where fewer than two differ."""
    known = values[np.isfinite(values)]
    if not known.size:
        return NOTHING
    value, n = float(known.mean()), known.size
    half = math.nan
    if n > 1 and np.ptp(known) > 0:  # replicates that are all alike leave the spread unknown, not 0
        half = student.quantile(n - 1, (1 + LEVEL) / 2) * float(known.std(ddof=1)) / math.sqrt(n)
    return Estimate(value=value, low=value - half, high=value + half, n=n, clusters=n)


def with_seeds(found: Difference, sides: Sequence[Replicates]) -> Difference | None:
    """A difference by problem, of other seeds on other problems: each side's seeds add their variance.

    As in `crossed`: the squared errors by problem and of each side's seeds, less what both of them count (the
    residual); never below that of either alone, with Satterthwaite's (1946) degrees of freedom. With far more problems
    than noise it is Welch's test (1947) over the seeds.

    Args:
        found: The difference by problem, of the sides' means.
        sides: Those that have replicates.

    Returns:
        None where no side has, or where the error by problem is unknown.
    """
    if not sides or math.isnan(found.error):
        return None
    seeds = [float(np.var(side.means, ddof=1)) / len(side.means) for side in sides]
    shared = [side.within / len(side.means) for side in sides]
    by_problem = found.error**2
    summed = max(by_problem + sum(seeds) - sum(shared), by_problem, sum(seeds))
    parts = by_problem**2 / found.freedom
    for side, seed, both in zip(sides, seeds, shared, strict=True):
        parts += (seed**2 + both**2 / found.freedom) / (len(side.means) - 1)
    return t_difference(found.value, math.sqrt(summed), max(1.0, summed**2 / parts), found.clusters)


def _interval(value: float, variance: float, freedom: float, n: int, clusters: int) -> Estimate:
    """A t interval within [0, 1]; none where the variance is unknown."""
    if math.isnan(variance):
        return Estimate(value=value, low=math.nan, high=math.nan, n=n, clusters=clusters)
    half = student.quantile(freedom, (1 + LEVEL) / 2) * math.sqrt(variance)
    return Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=n, clusters=clusters)
