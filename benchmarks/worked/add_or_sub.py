"""Worked solutions of arithmetic__add_or_sub, and those of a simulated crowd with mistakes.

Takes a question such as `What is 12 minus -0.2?`, its answer and a random generator; gives the text of a response.
Plain Python; numbers are exact decimals.
"""

from __future__ import annotations

import dataclasses
import random
import re
from decimal import Decimal

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Habits:
    """The probability of each mistake, at each opportunity for it.

    Attributes:
        guess: A random answer without steps.
        sign: The second number gets the other sign.
        place: The digits are aligned at their ends and not at the point; only where that makes a difference.
        slip: The last digit of the result is off by one.
    """

    guess: float = 0.0
    sign: float = 0.0
    place: float = 0.0
    slip: float = 0.0


def parse(question: str, answer: str) -> tuple[Decimal, Decimal]:
    """The two numbers whose sum is the answer; the second one with the sign that the question's words give it.

    Raises:
        ValueError: The question does not hold two numbers, or neither their sum nor their difference is the answer.
    """
    numbers = [Decimal(text) for text in _NUMBER.findall(question)]
    if len(numbers) == 2:
        a, b = numbers
        for first, second in ((a, b), (a, -b), (b, -a), (abs(max(a, b)), -min(a, b))):
            if first + second == Decimal(answer):
                return first, second
    raise ValueError(f"not a sum of two numbers: {question[:80]!r}")


def plain(value: Decimal) -> str:
    """Without an exponent, without zeros at the end of the fraction: `12.5`, `-0.04`, `0`."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def crowd_solution(question: str, answer: str, habits: Habits, rng: random.Random) -> str:
    """A random solution: the sum with equally many decimals, and its result; correct if no mistake was drawn."""
    a, b = parse(question, answer)
    if rng.random() < habits.guess:
        value = Decimal(rng.choice((-1, 1)) * rng.randint(1, 99)).scaleb(rng.choice((-2, -1, 0)))
        return f"Answer: {plain(value)}"
    if rng.random() < habits.sign:
        b = -b
    places = [max(0, -int(number.normalize().as_tuple().exponent)) for number in (a, b)]
    decimals = max(places)
    if places[0] != places[1] and rng.random() < habits.place:
        a, b = (number.scaleb(own - decimals) for number, own in zip((a, b), places, strict=True))
    lines = [f"{_padded(a, decimals)} {'-' if b < 0 else '+'} {_padded(abs(b), decimals)}"]
    result = a + b
    if rng.random() < habits.slip:
        result += Decimal(rng.choice((-1, 1))).scaleb(-decimals)
    if (padded := _padded(result, decimals)) != plain(result):
        lines.append(padded)
    return "\n".join([*lines, f"Answer: {plain(result)}"])


def _padded(value: Decimal, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not value else text
