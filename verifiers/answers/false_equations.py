"""Whether an answer is the last side of a false equation between two plain numbers, such as `157 = 156`.

Takes the end of a response; gives true or false. Such an answer commits to neither number. Only plain numbers count: a
step of the working such as `12 * 14 = 156` may be wrong before a right answer, and a rounded value such as
`52.333 = 52.3` is no contradiction. Does not depend on the question or on what is expected.
"""

from __future__ import annotations

import re
from fractions import Fraction

REACH = 80  # characters before the end in which the equation stands

_NUMBER = r"([-+]?[0-9]{1,18}(?:,[0-9]{3})*(?:\.[0-9]{1,18})?)"
_MARKS = re.compile(r"\*\*|\\?\$|\\[()\[\]]|\\boxed|[{}]|</?\w{1,12}>|\\left|\\right")
_EQUATION = re.compile(
    rf"(?:^|[\n=#>]|[.!?:]\s|(?<![0-9]):|\b(?:is|are|so|thus|hence|therefore|answer|get|be)\b:?)\s*{_NUMBER}\s*=\s*{_NUMBER}[\s.!]*\Z",
    re.IGNORECASE,
)


def ends_in_false_equation(text: str) -> bool:
    """Whether the text, in ASCII characters, ends with two different plain numbers on both sides of an equals sign."""
    if "=" not in text:
        return False
    match = _EQUATION.search(_MARKS.sub(" ", text).strip())
    return match is not None and not _agree(match[1].replace(",", ""), match[2].replace(",", ""))


def _agree(left: str, right: str) -> bool:
    """Whether two numbers are equal, or one is the other with fewer decimals."""
    difference = abs(Fraction(left) - Fraction(right))
    decimals = [len(side.partition(".")[2]) for side in (left, right)]
    return not difference or (decimals[0] != decimals[1] and difference <= Fraction(1, 10 ** min(decimals)))
