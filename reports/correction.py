"""Accuracy behind an imperfect verifier's reward, with the doubt about its error rates (Rogan and Gladen 1978).

Takes a reward's counts and the verifier's confusion table, problem by problem; gives the corrected accuracy. Trusts
that the rates hold for the samples that the reward comes from: where they were measured on another policy's samples,
the distance to the gold shows how far they have moved.
"""

from __future__ import annotations

import math

import numpy as np

from reports.law import corrected_accuracy
from reports.metrics import LEVEL, NOTHING, Counts, Estimate, Ints, percentiles, ratio, resampled
from reports.quality import rates


def rogan_gladen(reward: Counts, table: Ints) -> Estimate:
    """F6: (reward - FPR) / (TPR - FPR), in [0, 1], with a bootstrap interval that resamples all three together.

    Resamples problems, so that both must be counted over the same ones. A resample in which the verifier tells nothing
    (TPR at most FPR) says nothing of accuracy; where those are too many for the level, the interval is all of [0, 1].

    Args:
        reward: Accepted and decided samples of each problem.
        table: The verifier against the gold on each problem (`quality.confusion`), of these samples or of others.
    """
    tpr, fpr = rates(table.sum(axis=0))
    n, clusters = int(reward.decided.sum()), int((reward.decided > 0).sum())
    if not n or math.isnan(tpr) or math.isnan(fpr) or tpr <= fpr:
        return NOTHING
    value = float(corrected_accuracy(reward.correct.sum() / n, tpr, fpr))
    accept_correct, accept_wrong = rates(resampled(table))
    measured = ratio(resampled(reward.correct), resampled(reward.decided))
    telling = accept_correct > accept_wrong
    low, high = 0.0, 1.0
    if np.mean(~telling) < (1 - LEVEL) / 2:
        low, high = percentiles(corrected_accuracy(measured, accept_correct, accept_wrong)[telling])
    return Estimate(value=value, low=low, high=high, n=n, clusters=clusters)
