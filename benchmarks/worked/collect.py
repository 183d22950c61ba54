"""Worked solutions of polynomials__collect, and those of a simulated crowd with mistakes.

Takes a question such as `Collect the terms in -4 + u**2 + 6 - 2.` and a random generator; gives the text of a response,
or another question. Plain Python.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from restem.benchmarks.worked.linear_1d import LETTERS

_QUESTION = re.compile(r"Collect the terms in (?P<sum>.+)\.")
_TERM = re.compile(r"(?P<size>[0-9]+)?\*?(?P<letter>[a-z])?(?:\*\*(?P<power>[0-9]+))?")


class Monomial(NamedTuple):
    """`coefficient * x**power`."""

    coefficient: int
    power: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Habits:
    """The probability of each mistake, at each opportunity for it.

    Attributes:
        guess: A random answer without steps.
        lose_minus: A term that is subtracted is added; once per solution that has one after its first term.
        drop: A term is left out; once per solution.
        slip: A sum that is off by one.
        unlike: The last two kinds of terms are added as if they had the same power.
    """

    guess: float = 0.0
    lose_minus: float = 0.0
    drop: float = 0.0
    slip: float = 0.0
    unlike: float = 0.0


def parse(question: str) -> tuple[list[Monomial], str]:
    """The terms of a question in their order, and its letter.

    Raises:
        ValueError: It is no question of this task.
    """
    match = _QUESTION.fullmatch(question)
    if match is None:
        raise ValueError(f"not a sum to collect: {question[:80]!r}")
    terms, letter = [], ""
    for sign, text in re.findall(r"(^-|^| \+ | - )([^ -]+)", match["sum"]):
        term = _TERM.fullmatch(text)
        if term is None:
            raise ValueError(f"not a term: {text!r}")
        letter = term["letter"] or letter
        size = int(term["size"] or 1)
        terms.append(Monomial(-size if "-" in sign else size, int(term["power"] or 1) if term["letter"] else 0))
    if not letter or render(terms, letter) != match["sum"]:
        raise ValueError(f"not read back: {question!r}")
    return terms, letter


def render(terms: Sequence[Monomial], letter: str) -> str:
    """`3*x**2 - x + 1`; `0` from nothing."""
    text = ""
    for coefficient, power in terms:
        size = abs(coefficient)
        body = letter if power == 1 else f"{letter}**{power}" if power else ""
        body = str(size) if not body else body if size == 1 else f"{size}*{body}"
        sign = ("-" if coefficient < 0 else "") if not text else " - " if coefficient < 0 else " + "
        text += sign + body
    return text or "0"


def rewritten(question: str, answer: str, rng: random.Random) -> tuple[str, str]:
    """The question with its terms shuffled and another letter: another problem with the same answer in that letter."""
    terms, letter = parse(question)
    rng.shuffle(terms)
    new = rng.choice(LETTERS)
    return f"Collect the terms in {render(terms, new)}.", answer.replace(letter, new)


def crowd_solution(question: str, answer: str, habits: Habits, rng: random.Random) -> str:
    """A random solution, a pair of like terms added a line; correct if no mistake was drawn."""
    terms, letter = parse(question)
    as_asked = render(terms, letter)
    if rng.random() < habits.guess:
        power = rng.choice([term.power for term in terms])
        return f"Answer: {render([Monomial(rng.choice((-1, 1)) * rng.randint(1, 9), power)], letter)}"
    minuses = [i for i, term in enumerate(terms) if i and term.coefficient < 0]
    if minuses and rng.random() < habits.lose_minus:
        place = rng.choice(minuses)
        terms[place] = Monomial(-terms[place].coefficient, terms[place].power)
    if len(terms) > 1 and rng.random() < habits.drop:
        terms.pop(rng.randrange(1, len(terms)))
    unlike = rng.random() < habits.unlike
    state = sorted((term for term in terms if term.coefficient), key=lambda term: -term.power)
    lines = [render(state, letter)]
    while True:
        pair = next((i for i in range(len(state) - 1) if state[i].power == state[i + 1].power), None)
        if pair is None and unlike and len(state) > 1:
            pair, unlike = len(state) - 2, False
        if pair is None:
            break
        slip = rng.choice((-1, 1)) if rng.random() < habits.slip else 0
        total = Monomial(state[pair].coefficient + state[pair + 1].coefficient + slip, state[pair].power)
        state = [*state[:pair], *([total] if total.coefficient else []), *state[pair + 2 :]]
        lines.append(render(state, letter))
    *steps, result = lines
    if steps and steps[0] == as_asked:
        steps = steps[1:]
    return "\n".join([*steps, f"Answer: {result}"])
