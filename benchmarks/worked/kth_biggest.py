"""Worked solutions of comparison__kth_biggest, and those of a simulated crowd with mistakes.

Takes a question such as `What is the second smallest value in -4, 0.3, 2/17?` and a random generator; gives the text of
a response, or another question. Plain Python.
"""

from __future__ import annotations

import dataclasses
import random
import re
from fractions import Fraction
from typing import NamedTuple

_QUESTION = re.compile(
    r"(?P<start>What|Which) is the (?:(?P<ordinal>[a-z]+) )?(?P<side>biggest|smallest) value"
    r"(?: in (?P<values>[^?]+)\?|\?(?P<choices>(?:  \([a-z]\) \S+)+))"
)
ORDINALS = ("", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh")


class Choice(NamedTuple):
    """What is asked for: the `rank`-th of the values from one side; `lettered` where each has a letter."""

    values: list[str]
    rank: int
    biggest: bool
    lettered: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Habits:
    """The probability of each mistake, at each opportunity for it.

    Attributes:
        guess: One of the values, or of the letters, without steps.
        swap: Two neighbours change places in the sorted values.
        other_side: The values are sorted from the other side.
        next_rank: The value beside the right one is taken.
    """

    guess: float = 0.0
    swap: float = 0.0
    other_side: float = 0.0
    next_rank: float = 0.0


def parse(question: str) -> Choice:
    """The parts of a question.

    Raises:
        ValueError: It is no question of this task.
    """
    match = _QUESTION.fullmatch(question)
    if match is None or (match["ordinal"] or "") not in ORDINALS:
        raise ValueError(f"not a question for a value by its rank: {question[:80]!r}")
    lettered = match["choices"] is not None
    values = re.findall(r"\([a-z]\) (\S+)", match["choices"]) if lettered else match["values"].split(", ")
    return Choice(values, ORDINALS.index(match["ordinal"] or "") + 1, match["side"] == "biggest", lettered)


def render(choice: Choice) -> tuple[str, str]:
    """The question that asks for this, as the data set writes it, and its answer."""
    ordinal = f"{ORDINALS[choice.rank - 1]} " if choice.rank > 1 else ""
    side = "biggest" if choice.biggest else "smallest"
    value = sorted(choice.values, key=Fraction, reverse=choice.biggest)[choice.rank - 1]
    if not choice.lettered:
        return f"What is the {ordinal}{side} value in {', '.join(choice.values)}?", value
    choices = "".join(f"  ({chr(97 + i)}) {value}" for i, value in enumerate(choice.values))
    return f"Which is the {ordinal}{side} value?{choices}", chr(97 + choice.values.index(value))


def rewritten(question: str, answer: str, rng: random.Random) -> tuple[str, str]:
    """The same values in another order, with another rank and side asked for."""
    values, *_ = parse(question)
    values = rng.sample(values, len(values))
    return render(Choice(values, rng.randint(1, len(values)), rng.random() < 0.5, rng.random() < 0.5))


def crowd_solution(question: str, answer: str, habits: Habits, rng: random.Random) -> str:
    """A random solution: the values sorted from the side asked for, and the answer; correct if no mistake was drawn."""
    values, rank, biggest, lettered = parse(question)
    if rng.random() < habits.guess:
        place = rng.randrange(len(values))
        return f"Answer: {chr(97 + place) if lettered else values[place]}"
    if rng.random() < habits.other_side:
        biggest = not biggest
    order = sorted(values, key=Fraction, reverse=biggest)
    if rng.random() < habits.swap:
        i = rng.randrange(len(order) - 1)
        order[i], order[i + 1] = order[i + 1], order[i]
    if rng.random() < habits.next_rank:
        rank = rng.choice([r for r in (rank - 1, rank + 1) if 1 <= r <= len(order)])
    value = order[rank - 1]
    steps = (" > " if biggest else " < ").join(order)
    return f"{steps}\nAnswer: {chr(97 + values.index(value)) if lettered else value}"
