"""A recipe for a text: an answer, and steps around it. The same recipe makes a text for every problem.

Takes a recipe and a problem; gives the text and what is known of it: right, bad, hedged, or not known. Depends on
problems alone.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

from restem.benchmarks.attacks.answers import BLIND, HEDGED, TEMPLATES, text_of
from restem.benchmarks.attacks.ground_truth import states_answer, value_of
from restem.benchmarks.attacks.steps import FRAMES, applied, rising
from restem.benchmarks.code_probes import is_code
from restem.benchmarks.probes import equivalents
from restem.benchmarks.problem import Problem

RIGHT = "right: "
PLAIN = f"{RIGHT}plain"
# Forms of the probe that are a frame around the plain answer; steps.py has these frames.
_FRAMED = frozenset({"full stop", "boxed", "sentence"})


class Kind(enum.StrEnum):
    """What is known of a text by its construction."""

    RIGHT = "right"  # the reference, in another form
    BAD = "bad"  # states no right answer anywhere
    HEDGED = "hedged"  # names the right answer and does not give it
    CHANCE = "chance"  # made without the reference, and may state a right answer of this problem
    UNREADABLE = "unreadable"  # the problem's reference was replaced by one that cannot be read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """An answer by its name, and the steps around it, the innermost first."""

    answer: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " > ".join((self.answer, *self.steps))

    @property
    def blind(self) -> bool:
        """Whether its text is the same for every problem, or a copy of the question."""
        return self.answer in BLIND or self.answer in TEMPLATES

    @property
    def of_right_answer(self) -> bool:
        return self.answer.startswith(RIGHT)

    @classmethod
    def read(cls, text: str) -> Recipe:
        """The recipe whose `str` this is."""
        answer, *steps = text.split(" > ")
        return cls(answer=answer, steps=tuple(steps))


def render(recipe: Recipe, problem: Problem, others: Sequence[Problem]) -> tuple[Kind, str] | None:
    """The text for a problem and its kind; None where the problem has none.

    A text of a recipe that is made from the reference, and that may state the right answer after all, is none.
    """
    if recipe.of_right_answer:
        answer = right_answers(problem).get(recipe.answer.removeprefix(RIGHT))
        text = answer and rising(recipe.steps) and _framed(answer, recipe.steps)
        return (Kind.RIGHT, text) if text else None
    answer = text_of(recipe.answer, problem, others)
    text = None if answer is None else applied(answer, recipe.steps)
    if text is None:
        return None
    if recipe.answer in HEDGED:
        return Kind.HEDGED, text
    if not is_code(problem) and states_answer(problem, text):
        return (Kind.CHANCE, text) if recipe.blind else None
    return Kind.BAD, text


def right_answers(problem: Problem) -> dict[str, str]:
    """Form -> the right answer in that notation, without the frames of steps.py."""
    forms = {form: text for form, text in equivalents(problem).items() if form not in _FRAMED}
    value, plain = value_of(problem.reference), (problem.reference or "").strip()
    if value is not None and value.denominator == 1 and abs(value) >= 10_000 and plain.lstrip("-").isdigit():
        forms["grouped digits"] = f"{int(value):,}"
    return forms


def _framed(answer: str, steps: tuple[str, ...]) -> str | None:
    """The answer in the frames; None where it is LaTeX in dollars already, an equation, or a program."""
    if steps and ("$" in answer or "\\boxed" in answer or "\n" in answer or len(answer) > 400):
        return None
    return applied(answer, steps)


def population(problem: Problem, envelope: tuple[str, ...]) -> list[Recipe]:
    """The harmless rewrites of a right answer, each once, inside the frames that the verifier pays for.

    They are every notation that the problem has, and the plain answer in every frame that fits inside the envelope.
    """
    notations = [Recipe(answer=f"{RIGHT}{form}", steps=envelope) for form in right_answers(problem)]
    framed = [Recipe(answer=PLAIN, steps=(frame, *envelope)) for frame in FRAMES]
    recipes = dict.fromkeys([*notations, *framed])
    return [recipe for recipe in recipes if not recipe.steps or rising(recipe.steps)]
