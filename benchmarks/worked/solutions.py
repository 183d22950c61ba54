"""The right solutions of the benchmarks whose tasks the embedded policy knows.

Takes a benchmark's name; gives a function from a problem to the text of a solution. It reads the problem's question and
reference, so it also solves stored problems. Does not depend on the benchmarks themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from restem.benchmarks.benchmark import Solution
from restem.benchmarks.problem import Problem
from restem.benchmarks.worked import add_or_sub, collect, kth_biggest, linear_1d

Writer = Callable[[str, str, Any, random.Random], str]
_TASKS: dict[str, tuple[Writer, Any]] = {
    "linear_1d": (linear_1d.crowd_solution, linear_1d.Habits()),
    "algebra__linear_1d": (linear_1d.crowd_solution, linear_1d.Habits()),
    "arithmetic__add_or_sub": (add_or_sub.crowd_solution, add_or_sub.Habits()),
    "comparison__kth_biggest": (kth_biggest.crowd_solution, kth_biggest.Habits()),
    "polynomials__collect": (collect.crowd_solution, collect.Habits()),
}


def solution_of(name: str) -> Solution | None:
    """The writer of solutions of a benchmark's problems; None where its task is not known."""
    if name not in _TASKS:
        return None
    write, careful = _TASKS[name]

    def solution(problem: Problem) -> str | None:
        if problem.id.partition("/")[0] != name or problem.reference is None:
            return None
        try:
            text = write(problem.question, problem.reference, careful, random.Random(0))
        except ValueError:  # the question has another form, or has no single answer
            return None
        return _with_a_step(text)

    return solution


def _with_a_step(text: str) -> str:
    """A text of one line, as `k = 6` of an equation that says so, is no written step: the quotient stands before it."""
    left, equals, value = text.partition(" = ")
    return f"{left} = {value}/1\n{text}" if equals and "\n" not in text else text
