"""Dates in English: `16 July`, `July 16th`, `the 19th of March, 2024`.

Takes a text; gives year, month and day, or None for any other text.
"""

from __future__ import annotations

import re

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = "(?P<month>" + "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS) + ")"
_DAY = r"(?P<day>[0-3]?[0-9])(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s(?P<year>[12][0-9]{3}))?"
_WEEKDAY = r"(?:(?:on\s)?(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?\s)?"
_DATE = (
    re.compile(rf"(?:on\s)?{_WEEKDAY}(?:(?:the\s)?{_DAY}(?:\sof)?\s{_MONTH}\.?{_YEAR})\.?", re.IGNORECASE),
    re.compile(rf"(?:on\s)?{_WEEKDAY}{_MONTH}\.?\s(?:the\s)?{_DAY}{_YEAR}\.?", re.IGNORECASE),
)

Date = tuple[int | None, int, int]
"""Year, if it is written; month; day."""


def date_of(text: str) -> Date | None:
    """The date that a text of at most 60 characters is."""
    text = text.strip(" $*\n")
    match = next((found for pattern in _DATE if len(text) <= 60 and (found := pattern.fullmatch(text))), None)
    if match is None:
        return None
    month = 1 + [name[:3] for name in _MONTHS].index(match["month"].lower()[:3])
    day = int(match["day"])
    return (int(match["year"]) if match["year"] else None, month, day) if 1 <= day <= 31 else None


def same_date(reference: Date, answer: Date) -> bool:
    """Whether two dates are equal; a year that only one of them has does not count."""
    return reference[1:] == answer[1:] and (None in (reference[0], answer[0]) or reference[0] == answer[0])
