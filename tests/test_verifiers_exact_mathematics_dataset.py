"""The gold on every module of mathematics_dataset: it accepts the module's own answers, however they are given, and no
other ones. docs/benchmarks.md has the counts of a larger measurement.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from restem.benchmarks.mathematics_dataset import draw_short, module_names, regimes_of
from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome

GOLD = catalog.build("sympy", {})


def problems_of(module: str) -> list[Problem]:
    """Three problems of an easy and two of each other regime."""
    seeds = [(regime, seed) for regime in regimes_of(module) for seed in range(2 + (regime == "train-easy"))]
    drawn = [(regime, seed, *draw_short(module, seed, regime)) for regime, seed in seeds]
    return [
        Problem(id=f"{regime}/{seed}", question=question, reference=answer, split="test", source=module)
        for regime, seed, question, answer in drawn
    ]


def given(problem: Problem, answer: str) -> Iterator[str]:
    """Responses that give an answer."""
    yield answer
    yield f"The answer is {answer}."
    yield f"\\boxed{{{answer}}}"
    yield f"First look at the question.\nThen count.\n\nFinal Answer: {answer}"
    if unknown := re.fullmatch(r".*Solve .* for ([a-z])\.", problem.question):
        yield f"{unknown[1]} = {answer}"


def others(answer: str, choose: random.Random) -> Iterator[str]:
    """Answers that differ from one: the other truth value, another letter, another digit, another sign."""
    if answer in ("True", "False"):
        yield str(answer == "False")
    if re.fullmatch("[a-h]", answer):
        yield chr((ord(answer) - ord("a") + 1) % 8 + ord("a"))
    if digits := list(re.finditer("[0-9]", answer)):
        place = choose.choice(digits).start()
        yield answer[:place] + str((int(answer[place]) + choose.randint(1, 9)) % 10) + answer[place + 1 :]
    if re.fullmatch("-?[1-9].*", answer) and not re.search("[a-z,:]", answer):
        yield answer.removeprefix("-") if answer.startswith("-") else f"-{answer}"


@pytest.mark.parametrize("module", module_names())
def test_the_gold_accepts_the_answers_of_a_module_and_no_others(module: str) -> None:
    choose, problems = random.Random(module), problems_of(module)
    right = [Attempt(problem=p, response=text) for p in problems for text in given(p, p.reference or "")]
    verdicts = GOLD.verify(right)
    refused = [(a, v.outcome) for a, v in zip(right, verdicts, strict=True) if v.outcome is not Outcome.CORRECT]
    assert refused == []
    wrong = [
        Attempt(problem=problem, response=text)
        for problem in problems
        for answer in (*others(problem.reference or "", choose), choose.choice(problems).reference or "")
        if answer != problem.reference
        for text in list(given(problem, answer))[:3]
    ]
    accepted = [a for a, v in zip(wrong, GOLD.verify(wrong), strict=True) if v.outcome is Outcome.CORRECT]
    assert accepted == []
