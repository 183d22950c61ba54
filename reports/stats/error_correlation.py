"""Whether a verifier's errors are systematic or random: how much they cluster within problems.

Takes errors and trials per problem; gives rho, the correlation of two errors on one problem. 0: each sample is an
independent draw. 1: a problem (in truth a form of answer) is always misjudged or never, and
the policy can learn what passes. Does not depend on runs or files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restem.reports.stats.estimates import Estimate, Floats, Ints, bootstrapped, ratio, resampled


def error_correlation(errors: Ints, trials: Ints) -> Estimate:
    """Intraclass correlation of the errors (the beta-binomial's rho), by analysis of variance.

    (MSB - MSW) / (MSB + (n0 - 1) MSW), between and within problems, n0 their mean trials less what their inequality
    costs; one of the estimators that do best in Ridout, Demetrio and Firth 1999 (Biometrics 55:137). May be below 0.

    Returns:
        NaN where no problem has two trials, or where all or none are errors.
    """
    trials = np.asarray(trials)
    squares = np.nan_to_num(ratio(np.asarray(errors) ** 2, trials))
    sums = np.stack([trials > 0, trials, trials**2, errors, squares], axis=1).astype(np.float64)
    whole = sums.sum(axis=0)
    return bootstrapped(float(_rho(whole)), _rho(resampled(sums)), int(whole[1]), int(whole[0]))


def _rho(sums: NDArray) -> Floats:
    """From problems, trials, squared trials, errors, and errors squared by trials, in the last axis."""
    problems, trials, squared, errors, squares = np.moveaxis(sums, -1, 0)
    between = ratio(squares - np.nan_to_num(ratio(errors**2, trials)), np.maximum(problems - 1, 0))
    within = ratio(errors - squares, trials - problems)
    usual = ratio(trials - np.nan_to_num(ratio(squared, trials)), np.maximum(problems - 1, 0))
    return ratio(between - within, between + (usual - 1) * within)
