"""How well a verifier's scores tell correct samples from wrong ones, and how far they are probabilities.

Takes scores in [0, 1] and gold outcomes (1 or 0) of the same samples, with their problems; gives estimates whose
intervals are clustered by problem. Does not depend on runs or files.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from restem.reports.stats import estimates, student_t
from restem.reports.stats.estimates import LEVEL, NOTHING, Estimate, Floats, Ints

BINS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bin:
    """The samples whose score lies in [low, high), the last bin with its upper end.

    Attributes:
        score: Their mean score; NaN where there are none.
        correct: Share that the gold calls correct.
    """

    low: float
    high: float
    score: float
    correct: Estimate


def brier(score: Floats, gold: Floats, problem: Ints, size: int) -> Estimate:
    """Mean squared difference of score and outcome (Brier 1950, Mon Weather Rev 78:1); 0 is best."""
    squared = np.bincount(problem, (score - gold) ** 2, minlength=size)
    return estimates.proportion(squared, np.bincount(problem, minlength=size))


def auroc(score: Floats, gold: Floats, problem: Ints, size: int) -> Estimate:
    """Chance that a correct sample scores above a wrong one, ties counted half; 0.5 carries no information.

    The error is that of clustered placements (Obuchowski 1997, Biometrics 53:567), the limits are taken on the scale of
    log-odds. Without an interval where every pair is in order, or in one problem.

    Returns:
        Nothing without a correct or without a wrong sample.
    """
    right, wrong = gold == 1, gold == 0
    if not right.any() or not wrong.any():
        return NOTHING
    placed = np.where(right, _share_below(score, score[wrong]), 1 - _share_below(score, score[right]))
    value = float(placed[right].mean())
    moved = (placed - value) / np.where(right, right.sum(), wrong.sum())
    clusters = len(np.unique(problem))
    error = math.sqrt(clusters / max(1, clusters - 1) * np.sum(np.bincount(problem, moved, minlength=size) ** 2))
    low = high = math.nan
    if clusters > 1 and 0 < value < 1:
        half = student_t.quantile(clusters - 1, (1 + LEVEL) / 2) * error / (value * (1 - value))
        odds = math.log(value / (1 - value))
        low, high = (1 / (1 + math.exp(-limit)) for limit in (odds - half, odds + half))
    return Estimate(value=value, low=low, high=high, n=len(score), clusters=clusters)


def _share_below(score: Floats, others: Floats) -> Floats:
    """The share of the others that each score is above, ties counted half."""
    ranked = np.sort(others)
    return (np.searchsorted(ranked, score, "left") + np.searchsorted(ranked, score, "right")) / (2 * len(ranked))


def reliability(score: Floats, gold: Floats, problem: Ints, size: int) -> tuple[Bin, ...]:
    """Share of correct samples by score, in ten bins of equal width; empty ones included."""
    place = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    bins: list[Bin] = []
    for number in range(BINS):
        here = place == number
        counts = estimates.per_problem(gold[here], problem[here], size)
        middle = float(score[here].mean()) if here.any() else math.nan
        bins.append(
            Bin(low=number / BINS, high=(number + 1) / BINS, score=middle, correct=estimates.proportion(*counts))
        )
    return tuple(bins)
