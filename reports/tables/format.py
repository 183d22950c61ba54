"""How a number becomes text, everywhere in reports: digits, percent, signs, intervals, p-values, and what is unknown.

Takes numbers and estimates; gives texts and Cells. Shares are in [0, 1] and print as percent or percentage points
unless a `scale` of 1 is given. A minus sign is U+2212. Does not depend on runs or pages.
"""

from __future__ import annotations

import json
import math
from typing import Any

from restem.reports.stats.estimates import Difference, Estimate
from restem.reports.tables.table import Cell

DASH = "–"


def number(value: float, digits: int = 1, scale: float = 100) -> str:
    """`97.5`, the value times `scale`; a dash where there is none."""
    if math.isnan(value):
        return DASH
    return f"{scale * value:.{digits}f}".replace("inf", "∞").replace("-", "−")


def signed(value: float, digits: int = 1, scale: float = 100) -> str:
    """`+3.1`, the value times `scale` with its sign; zero has none; a dash where there is no value."""
    if math.isnan(value):
        return DASH
    text = f"{scale * value:+.{digits}f}".replace("inf", "∞").replace("-", "−")
    return text if text.strip("+−0.") else text.lstrip("+−")


def interval(low: float, high: float, digits: int = 1, scale: float = 100) -> str:
    """`[96.1, 98.4]`; empty where there is none."""
    return "" if math.isnan(low) else f"[{number(low, digits, scale)}, {number(high, digits, scale)}]"


def signed_interval(low: float, high: float, digits: int = 1, scale: float = 100) -> str:
    """`[−0.4, +5.8]`; empty where there is none."""
    return "" if math.isnan(low) else f"[{signed(low, digits, scale)}, {signed(high, digits, scale)}]"


def percent(estimate: Estimate) -> str:
    """`97.5 % [96.1, 98.4]`; a dash where there is nothing to estimate."""
    return f"{number(estimate.value)} % {interval(estimate.low, estimate.high)}" if estimate.n else DASH


def points(difference: Difference) -> str:
    """`+3.1 points [+0.4, +5.8]`."""
    return f"{signed(difference.value)} points {signed_interval(difference.low, difference.high)}"


def p_value(p: float) -> str:
    """Three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def brief(value: float) -> str:
    """A positive number of any size, with two digits at least where it is below 10: `7.3`, `12`."""
    return number(value, 0 if value >= 10 else 1, 1)


def milliseconds(seconds: float) -> str:
    """A time in milliseconds with two digits at least, as verdicts take from microseconds to minutes."""
    value = 1000 * seconds
    if math.isnan(value):
        return DASH
    return f"{value:.0f}" if value >= 10 or not value else f"{value:.2g}"


def setting(value: Any) -> str:
    """Any JSON value on one line; a text without quotes, null as a dash."""
    if value is None:
        return DASH
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def estimate(value: Estimate, digits: int = 1, scale: float = 100) -> Cell:
    """A value with its interval below."""
    if math.isnan(value.value):
        return Cell(DASH)
    return Cell(number(value.value, digits, scale), interval(value.low, value.high, digits, scale))


def difference(value: Difference | Estimate | None, digits: int = 1, scale: float = 100) -> Cell:
    """A difference with its sign, in percentage points unless scaled otherwise, and its interval below."""
    if value is None or math.isnan(value.value):
        return Cell(DASH)
    return Cell(signed(value.value, digits, scale), signed_interval(value.low, value.high, digits, scale))


def share(part: int, whole: int) -> Cell:
    """A count, with its share of the whole below."""
    return Cell(str(part), f"{100 * part / whole:.1f} %") if whole else Cell(str(part))
