"""How far one number goes with another over a few units, such as a quality of verifiers with a gain over arms.

Takes arrays whose last axis is the units; gives a coefficient for each row, so that resamples are computed together.
Does not depend on runs or files.
"""

from __future__ import annotations

import numpy as np

from restem.reports.stats.estimates import TINY, Floats, ratio


def r_squared(left: Floats, right: Floats) -> Floats:
    """The square of Pearson's correlation: what a line in one explains of the other; NaN where one does not vary."""
    return _correlation(left, right) ** 2


def spearman(left: Floats, right: Floats) -> Floats:
    """Spearman's rank correlation (1904), equal values with their mean rank; NaN where one side does not vary."""
    return _correlation(_ranks(left), _ranks(right))


def _correlation(left: Floats, right: Floats) -> Floats:
    x, y = (side - side.mean(axis=-1, keepdims=True) for side in (left, right))
    across, up = (x**2).sum(axis=-1), (y**2).sum(axis=-1)
    varies = (across > TINY) & (up > TINY)
    return ratio((x * y).sum(axis=-1), np.sqrt(np.where(varies, across * up, 0.0)))


def _ranks(values: Floats) -> Floats:
    """Ranks from 0; of equal values their mean."""
    less = values[..., None, :] < values[..., :, None]
    equal = values[..., None, :] == values[..., :, None]
    ranks = less.sum(axis=-1) + (equal.sum(axis=-1) - 1) / 2
    return np.where(np.isnan(values), np.nan, ranks)
