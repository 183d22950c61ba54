"""TPR and FPR of a verifier put together: Youden's J and the likelihood ratio LR+, with intervals.

Takes the accepted samples of each problem and the two rates with their intervals; gives estimates that hold what both
rates owe to the same problems. Does not depend on how the rates' intervals were made, nor on runs or files.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from restem.reports.stats.estimates import NOTHING, Estimate, Floats, Ints, apart, ratio

Rated = tuple[Ints, Ints, Estimate]
"""Accepted samples and all samples of each problem, and the rate that they make."""


def youden(correct: Rated, wrong: Rated) -> Estimate:
    """TPR - FPR (Youden 1950, Cancer 3:32): 1 for exact verdicts, 0 for verdicts that carry no information.

    The limits are those of both rates put together (MOVER; Zou 2007, Psychological Methods 12:399, eq. 15), with the
    correlation that they have over problems: a problem whose answers all look right raises both.

    Args:
        correct: Of the samples that the gold calls correct, with TPR.
        wrong: Of those that it calls wrong, with FPR.
    """
    tpr, fpr = correct[2], wrong[2]
    if math.isnan(tpr.value) or math.isnan(fpr.value):
        return NOTHING
    j = apart(tpr, fpr, _correlation(correct, wrong))
    return dataclasses.replace(j, low=max(-1.0, j.low), high=min(1.0, j.high), n=tpr.n + fpr.n)


def likelihood_ratio(correct: Rated, wrong: Rated) -> Estimate:
    """TPR / FPR: the limits of both rates put together as for `youden`, on the log scale.

    Where one of the rates is 0 the interval runs between the quotients of their own limits.
    """
    tpr, fpr = correct[2], wrong[2]
    if math.isnan(tpr.value) or math.isnan(fpr.value) or tpr.value == fpr.value == 0:
        return NOTHING
    n, clusters = tpr.n + fpr.n, min(tpr.clusters, fpr.clusters)
    if tpr.value == 0 or fpr.value == 0:
        value = math.inf if fpr.value == 0 else 0.0
        high = tpr.high / fpr.low if fpr.low else math.inf
        return Estimate(value=value, low=tpr.low / fpr.high, high=high, n=n, clusters=clusters)
    logs = apart(logarithm(tpr), logarithm(fpr), _correlation(correct, wrong))
    value, low, high = tpr.value / fpr.value, math.exp(logs.low), math.exp(logs.high)
    return Estimate(value=value, low=low, high=high, n=n, clusters=clusters)


def logarithm(rate: Estimate) -> Estimate:
    """A positive rate or ratio on the log scale, with its limits."""
    return dataclasses.replace(rate, value=math.log(rate.value), low=math.log(rate.low), high=math.log(rate.high))


def _correlation(correct: Rated, wrong: Rated) -> float:
    """Of the errors of both rates, over problems; 0 where one of them never varies."""
    left, right = _influence(*correct), _influence(*wrong)
    return float(np.nan_to_num(ratio(np.array(left @ right), np.sqrt((left @ left) * (right @ right)))))


def _influence(accepted: Ints, samples: Ints, rate: Estimate) -> Floats:
    """What each problem adds to the rate's error (linearised ratio estimator; Woodruff 1971, JASA 66:411)."""
    return accepted - rate.value * samples
