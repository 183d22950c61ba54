"""Accuracy behind an imperfect verifier's reward, with the uncertainty of its error rates (Rogan and Gladen 1978).

Takes a reward's counts and the verifier's confusion table, problem by problem; gives the corrected accuracy. Assumes
that the rates hold for the samples that the reward comes from: where they were measured on another policy's samples,
the distance to the gold shows how far they have moved.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restem.reports.stats.estimates import (
    LEVEL,
    NOTHING,
    Counts,
    Estimate,
    Floats,
    Ints,
    bootstrapped,
    ratio,
    resampled,
)
from restem.reports.stats.reward_quality import rates


def corrected_accuracy(measured: ArrayLike, t: ArrayLike, f: ArrayLike) -> Floats:
    """Accuracy behind a verifier's mean reward, (m - f) / (t - f), in [0, 1] (Rogan and Gladen 1978)."""
    spread = np.asarray(t, np.float64) - np.asarray(f)
    return np.clip(ratio(np.asarray(measured) - np.asarray(f), spread), 0.0, 1.0)


def rogan_gladen(reward: Counts, table: Ints) -> Estimate:
    """(reward - FPR) / (TPR - FPR), in [0, 1], with a bootstrap interval that resamples all three together.

    Resamples problems, so that both must be counted over the same ones. A resample in which the verifier carries no
    information (TPR at most FPR) gives no accuracy; where those are too many for the level, the interval is [0, 1].

    Args:
        reward: Accepted and decided samples of each problem.
        table: The verifier against the gold on each problem (`reward_quality.confusion`), of any samples of them.
    """
    value = float(_corrected(reward.correct.sum(), reward.decided.sum(), table.sum(axis=0)))
    return _estimate(value, _draws(reward, table), (0.0, 1.0), reward)


def excess(reward: Counts, table: Ints, gold: Counts) -> Estimate:
    """Corrected accuracy less the gold's on the same problems, resampled together.

    An interval that excludes 0 shows that the verifier's rates are no longer those of `table`.
    """
    draws = excess_draws(reward, table, gold)
    accuracy = float(ratio(*(np.asarray(side.sum()) for side in gold)))
    return _estimate(float(draws[0]), draws[1:], (-accuracy, 1 - accuracy), reward)


def excess_draws(reward: Counts, table: Ints, gold: Counts) -> Floats:
    """The same: the value first, then one for each resample."""
    correct, decided = (np.append(side.sum(), resampled(side)) for side in gold)
    value = _corrected(reward.correct.sum(), reward.decided.sum(), table.sum(axis=0))
    return np.append(value, _draws(reward, table)) - ratio(correct, decided)


def _corrected(accepted: ArrayLike, decided: ArrayLike, table: NDArray) -> Floats:
    """`corrected_accuracy` of sums; NaN where the verifier carries no information."""
    tpr, fpr = rates(table)
    return np.where(tpr > fpr, corrected_accuracy(ratio(np.asarray(accepted), np.asarray(decided)), tpr, fpr), np.nan)


def _draws(reward: Counts, table: Ints) -> Floats:
    return _corrected(resampled(reward.correct), resampled(reward.decided), resampled(table))


def _estimate(value: float, draws: Floats, widest: tuple[float, float], reward: Counts) -> Estimate:
    if math.isnan(value):
        return NOTHING
    n, clusters = int(reward.decided.sum()), int((reward.decided > 0).sum())
    if np.isnan(draws).mean() < (1 - LEVEL) / 2:
        return bootstrapped(value, draws, n, clusters)
    return Estimate(value=value, low=widest[0], high=widest[1], n=n, clusters=clusters)
