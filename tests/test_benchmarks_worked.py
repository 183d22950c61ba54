"""The demonstrations that the embedded policy learns from: right without habits, wrong at times with them."""

import random

import pytest

from restem.harness.assets.tasks import TASKS, Task
from restem.harness.assets.verdicts import judged

BY_NAME = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
COUNT = 60


def drawn(task: Task) -> list[tuple[str, str]]:
    return [task.draw(seed) for seed in range(COUNT)]


def count_right(task: Task, rows: list[tuple[str, str, str]]) -> int:
    return sum(row.right for row in judged(task.name, rows))


@BY_NAME
def test_a_solution_without_mistakes_is_right(task: Task) -> None:
    rng = random.Random(0)
    rows = [(question, answer, task.solve(question, answer, task.careful, rng)) for question, answer in drawn(task)]
    assert count_right(task, rows) == COUNT


@BY_NAME
def test_a_rewritten_problem_has_the_answer_that_its_solution_gives(task: Task) -> None:
    if task.rewritten is None:
        pytest.skip("this task rewrites no problems")
    rng, rows = random.Random(1), []
    for problem in drawn(task):
        question, answer = task.rewritten(*problem, rng)
        rows.append((question, answer, task.solve(question, answer, task.careful, rng)))
    assert count_right(task, rows) == COUNT


@BY_NAME
def test_the_crowd_is_right_at_times_and_wrong_at_times(task: Task) -> None:
    rng = random.Random(2)
    rows = [(question, answer, task.solve(question, answer, task.crowd, rng)) for question, answer in drawn(task)]
    assert COUNT / 5 < count_right(task, rows) < COUNT * 9 / 10
