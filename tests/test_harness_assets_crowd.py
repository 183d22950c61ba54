"""The demonstrations that the embedded policy learns from: right without habits, wrong at times with them."""

import random

import pytest

from restem.benchmarks import linear_1d
from restem.benchmarks.mathematics_dataset import draw
from restem.benchmarks.problem import Problem
from restem.harness.assets.tasks import TASKS, Task
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome

BY_NAME = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
COUNT = 60


def drawn(task: Task) -> list[tuple[str, str]]:
    draw_one = linear_1d.draw if task.name == "linear_1d" else lambda seed, entropy: draw(task.name, seed, entropy)
    return [draw_one(seed, task.entropy) for seed in range(COUNT)]


def outcomes(rows: list[tuple[str, str, str]]) -> list[Outcome]:
    attempts = [
        Attempt(problem=Problem(id=question, question=question, reference=answer, split="", source=""), response=text)
        for question, answer, text in rows
    ]
    return [verdict.outcome for verdict in catalog.build("sympy").verify(attempts)]


@BY_NAME
def test_a_solution_without_mistakes_is_right(task: Task) -> None:
    rng = random.Random(0)
    rows = [(question, answer, task.solve(question, answer, task.careful, rng)) for question, answer in drawn(task)]
    assert set(outcomes(rows)) == {Outcome.CORRECT}


@BY_NAME
def test_a_rewritten_problem_has_the_answer_that_its_solution_gives(task: Task) -> None:
    if task.rewritten is None:
        pytest.skip("this task rewrites no problems")
    rng, rows = random.Random(1), []
    for problem in drawn(task):
        question, answer = task.rewritten(*problem, rng)
        rows.append((question, answer, task.solve(question, answer, task.careful, rng)))
    assert set(outcomes(rows)) == {Outcome.CORRECT}


@BY_NAME
def test_the_crowd_is_right_at_times_and_wrong_at_times(task: Task) -> None:
    rng = random.Random(2)
    rows = [(question, answer, task.solve(question, answer, task.crowd, rng)) for question, answer in drawn(task)]
    right = sum(outcome is Outcome.CORRECT for outcome in outcomes(rows))
    assert COUNT / 5 < right < COUNT * 9 / 10
