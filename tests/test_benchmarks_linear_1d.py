"""linear_1d: problems, splits, worked solutions, the check of steps."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks import linear_1d
from restem.benchmarks.linear_1d import problems
from restem.benchmarks.linear_equations import (
    Equation,
    Steps,
    check_steps,
    parse_question,
    render_question,
    solution,
    worked_solution,
)
from restem.benchmarks.mathematics_dataset import ENTROPY_OF_REGIME
from restem.benchmarks.problem import canonical_form
from tests.strategies import equations

LOW = (3.0, 4.5)


def substituted(equation: Equation, value: Fraction) -> bool:
    left, right = (
        sum((t.coefficient * (value if t.of_variable else 1) for t in side), Fraction(0))
        for side in (equation.left, equation.right)
    )
    return left == right


@pytest.mark.parametrize("regime", [*ENTROPY_OF_REGIME, LOW])
def test_the_reference_solves_the_equation(regime: str | tuple[float, float]) -> None:
    for problem in islice(linear_1d.stream(0, regime), 60):
        assert substituted(parse_question(problem.question), Fraction(problem.reference or ""))


def test_the_same_seed_gives_the_same_problems_in_any_process() -> None:
    code = (
        "from restem.benchmarks.linear_1d import problems;"
        "print([p.question for p in problems(7, 'train-easy', {'test': 12})['test']])"
    )

    def questions(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout

    assert questions("1") == questions("2") != ""


def test_drawing_problems_leaves_the_callers_random_state_alone() -> None:
    import random

    random.seed(5)
    expected = random.random()
    random.seed(5)
    problems(0, LOW, {"test": 2})
    assert random.random() == expected


def test_no_two_splits_share_a_canonical_form() -> None:
    found = problems(1, LOW, {"train": 80, "validation": 20, "test": 80})
    forms = {split: {canonical_form(p.question) for p in chosen} for split, chosen in found.items()}
    assert sum(map(len, forms.values())) == len(set.union(*forms.values())) == 180


@given(st.sampled_from("abcdf"), st.sampled_from("xyzuv"))
def test_a_renamed_problem_is_the_same_problem(old: str, new: str) -> None:
    text = f"Solve 3*{old} - 2 = {old}  for {old}."
    assert canonical_form(text) == canonical_form(text.replace(old, new) if old not in "Solve for" else text)


@given(equations())
def test_every_line_of_a_worked_solution_holds(equation: Equation) -> None:
    if len(worked_solution(equation)) > 1:
        assert check_steps(render_question(equation), "\n".join(worked_solution(equation))) is Steps.HOLD


@given(equations())
def test_a_worked_solution_ends_with_the_solution(equation: Equation) -> None:
    assert worked_solution(equation)[-1] == f"{equation.variable} = {solution(equation)}"


@given(equations())
def test_a_question_reads_back_as_its_equation(equation: Equation) -> None:
    assert parse_question(render_question(equation)) == equation


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("3*x = 6 + 3\n3*x = 9\nx = 9/3\nx = 3", Steps.HOLD),
        ("3*x = 6 - 3\n3*x = 3\nx = 3/3\nx = 3", Steps.BROKEN),  # the sign was lost, the answer guessed
        ("3*x = 9\nx = 3\nso it is three", Steps.BROKEN),
        ("3*x = 9\ny = 3", Steps.BROKEN),
        ("3*x = 9\nx = 9/0", Steps.BROKEN),
        ("0*x = 0\nx = 3", Steps.BROKEN),
        ("x = 3", Steps.MISSING),
        ("x = 3\nx = 3", Steps.MISSING),
        ("", Steps.MISSING),
    ],
)
def test_steps_are_judged_line_by_line(response: str, expected: Steps) -> None:
    assert check_steps("Solve 3*x - 3 = 6 for x.", response) is expected


@given(st.text())
def test_no_response_makes_the_step_check_raise_or_be_fooled(response: str) -> None:
    assert check_steps("Solve 3*x - 3 = 6 for x.", response) in (Steps.MISSING, Steps.BROKEN)


def test_an_unknown_regime_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="train-easy"):
        next(linear_1d.stream(0, "hard"))


def test_chance_level_is_the_best_constant_answer() -> None:
    found = problems(0, LOW, {"test": 40})["test"]
    answers = [p.reference for p in found]
    assert linear_1d.chance_level(found) == max(map(answers.count, answers)) / 40
