"""Youden's J of a verifier: TPR - FPR, with an interval that holds what both rates owe to the same problems.

Takes a confusion table per problem and the two rates with their intervals; gives an estimate. Does not depend on how
the rates' intervals were made, nor on runs or files.
"""

from __future__ import annotations

import math

import numpy as np

from restem.reports.stats.estimates import NOTHING, Estimate, Floats, Ints, ratio

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
    shared = 2 * _correlation(_influence(*correct), _influence(*wrong))

    def beyond(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 + other**2 - shared * one * other))

    value = tpr.value - fpr.value
    return Estimate(
        value=value,
        low=max(-1.0, value - beyond(tpr.value - tpr.low, fpr.high - fpr.value)),
        high=min(1.0, value + beyond(tpr.high - tpr.value, fpr.value - fpr.low)),
        n=tpr.n + fpr.n,
        clusters=min(tpr.clusters, fpr.clusters),
    )


def _influence(accepted: Ints, samples: Ints, rate: Estimate) -> Floats:
    """What each problem adds to the rate's error."""
    return accepted - rate.value * samples


def _correlation(left: Floats, right: Floats) -> float:
    """Of two columns whose sums are 0; 0 where one of them never varies."""
    return float(np.nan_to_num(ratio(np.array(left @ right), np.sqrt((left @ left) * (right @ right)))))
