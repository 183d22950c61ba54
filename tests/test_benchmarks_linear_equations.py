"""Linear equations: read, solved, worked out, and their steps checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.linear_equations import (
    Equation,
    Steps,
    check_steps,
    is_question,
    parse_question,
    render_question,
    solution,
    worked_solution,
)
from tests.strategies import equations


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


@given(equations())
def test_a_written_equation_is_a_question_that_the_check_can_read(equation: Equation) -> None:
    assert is_question(render_question(equation))


@pytest.mark.parametrize("text", ["What is 2 + 2?", "Solve x**2 = 4 for x.", ""])
def test_any_other_text_is_not(text: str) -> None:
    assert not is_question(text)
