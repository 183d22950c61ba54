"""Means over problems of a value of any size and sign, where a share's interval does not fit.

Takes one value a problem; gives an estimate. Does not depend on what the values are.
"""

from __future__ import annotations

import math

import numpy as np

from restem.reports.stats import student_t
from restem.reports.stats.estimates import LEVEL, NOTHING, Estimate, Floats


def over_problems(values: Floats, n: int | None = None) -> Estimate:
    """Mean of one value a problem (NaN left out) with its t interval; without one where no two problems differ.

    Args:
        n: Samples behind the values; the number of problems where None.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return NOTHING
    value, clusters, half = float(known.mean()), known.size, math.nan
    if clusters > 1 and np.ptp(known) > 0:
        half = student_t.quantile(clusters - 1, (1 + LEVEL) / 2) * float(known.std(ddof=1)) / math.sqrt(clusters)
    n = clusters if n is None else n
    return Estimate(value=value, low=value - half, high=value + half, n=n, clusters=clusters)
