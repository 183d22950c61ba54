"""Student's t distribution: its distribution function and its quantiles.

The same numbers as scipy.special's stdtr and stdtrit. Importing that package takes longer than all else that
`restem show` does, and these two functions are all that the standings need of it.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

TINY = 1e-300
MOST_TERMS = 10_000


def cdf(freedom: float, t: float) -> float:
    """P(T <= t), to 10 digits also far out: half of I_x(freedom / 2, 1 / 2) at x = freedom / (freedom + t^2)."""
    if math.isnan(t):
        return math.nan
    if math.isinf(t):
        return float(t > 0)
    tail = _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t)) / 2
    return 1 - tail if t > 0 else tail


@functools.lru_cache(maxsize=4096)
def quantile(freedom: float, p: float) -> float:
    """The t with P(T <= t) = p, by Halley's steps from the normal quantile; exact for 1 and 2 degrees of freedom."""
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    t = NormalDist().inv_cdf(p)
    for _ in range(50):
        density = math.exp(scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (cdf(freedom, t) - p) / density
        curved = 1 + step * (freedom + 1) * t / (freedom + t * t) / 2
        t, before = t - step / max(curved, 0.5), t
        if abs(t - before) <= 1e-13 * abs(t):
            break
    return t


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b), with rest = 1 - x, from its continued fraction (DLMF 8.17.22) on the side where that is quick."""
    if x <= 0 or rest <= 0:
        return float(x > 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, rest, x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)) / a
    # Lentz's evaluation (Lentz 1976, Applied Optics 15:668).
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(MOST_TERMS):
        half = term // 2
        if term == 0:
            factor = 1.0
        elif term % 2:
            factor = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            factor = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1 / (1 + factor * lower or TINY)
        upper = 1 + factor / upper or TINY
        value *= upper * lower
        if term and abs(upper * lower - 1) < 1e-15:
            break
    return front * (value - 1)
