"""Small pieces of text: where they begin and end, and whether they are an expression.

Takes a text and offsets; gives offsets. Does not depend on candidates.
"""

from __future__ import annotations

import re

from restem.verifiers.algebra.grammar import parse
from restem.verifiers.algebra.nodes import Unreadable


def parses(text: str) -> bool:
    """Whether the text is an expression, with or without symbols."""
    try:
        parse(text)
    except Unreadable:
        return False
    return True


def closing_brace(view: str, start: int, hi: int) -> int | None:
    """The offset of the brace that closes the one at `start`, or None."""
    depth = 0
    for match in re.finditer(r"\\.|[{}]", view[start:hi]):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if not depth:
                return start + match.start()
    return None


def skip(pattern: re.Pattern[str], view: str, at: int, hi: int) -> int:
    """The offset behind a match of the pattern at `at`; `at` itself where it does not match."""
    match = pattern.match(view, at, hi)
    return match.end() if match else at


def trimmed(view: str, lo: int, hi: int) -> tuple[int, int]:
    """The span without blanks at its ends, and without one pair of quotes around it."""
    lo, hi = _without_blanks(view, lo, hi)
    if hi - lo > 2 and view[lo] == view[hi - 1] and view[lo] in "\"'":
        lo, hi = _without_blanks(view, lo + 1, hi - 1)
    return lo, hi


def _without_blanks(view: str, lo: int, hi: int) -> tuple[int, int]:
    text = view[lo:hi]
    lo, hi = lo + len(text) - len(text.lstrip()), hi - (len(text) - len(text.rstrip()))
    return lo, max(lo, hi)
