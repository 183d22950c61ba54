"""`substitution`: the answer as solution of the question's equation, and the questions that leave it undecided."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.benchmarks import linear_1d, linear_equations
from restem.benchmarks.problem import Problem
from restem.verifiers.exact.substitution import Substitution
from restem.verifiers.exact.sympy_exact import Sympy
from restem.verifiers.verdict import Attempt, Outcome, Verdict, checked
from tests.strategies import equations


def verdict(question: str, response: str, reference: str | None = None) -> Verdict:
    asked = Problem(id="p", question=question, reference=reference, split="test", source="test")
    return checked(Substitution(), [Attempt(problem=asked, response=response)])[0]


@given(equations(), st.fractions(max_denominator=10**6))
def test_the_solution_is_right_and_every_other_number_wrong(
    equation: linear_equations.Equation, other: Fraction
) -> None:
    question, solution = linear_equations.render_question(equation), linear_equations.solution(equation)
    for number in (solution, other):
        for wording in (f"{number}", f"{equation.variable} = {number}", f"The answer is {number}."):
            expected = Outcome.CORRECT if number == solution else Outcome.WRONG
            assert verdict(question, wording).outcome is expected


@given(st.text(max_size=60) | st.from_regex(r"[a-z] ?= ?[-+0-9/.*() or]{1,12}", fullmatch=True))
@settings(max_examples=200)
def test_it_agrees_with_sympy_on_linear_1d_responses(response: str) -> None:
    problem = Problem(id="p", question="Solve -3*x - 2 = 4*x + 12 for x.", reference="-2", split="", source="")
    attempts = [Attempt(problem=problem, response=text) for text in (response, f"x = {response}", "x = -4/2")]
    mine, theirs = checked(Substitution(), attempts), checked(Sympy(), attempts)
    assert [(verdict.outcome, verdict.reason, verdict.span) for verdict in mine] == [
        (o.outcome, o.reason, o.span) for o in theirs
    ]


@pytest.mark.parametrize("regime", ["train-easy", "train-hard"])
def test_every_linear_1d_problem_is_decided(regime: str) -> None:
    problems = linear_1d.problems(5, regime, {"test": 30})["test"]
    for problem in problems:
        assert problem.reference is not None
        steps = "\n".join(linear_equations.worked_solution(linear_equations.parse_question(problem.question)))
        assert verdict(problem.question, steps).outcome is Outcome.CORRECT
        assert verdict(problem.question, str(int(problem.reference) + 1)).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("What is x if 3*x = 6?", "2"),
        ("Suppose 3*x = 6. Calculate x.", "2"),
        ("Solve $\\frac{x}{2} \u2212 1 = 3\u00d72$ for x.", "14"),
        ("Solve 2*(x + 1)/3 - x = 0.5 for x.", "1/2"),
        ("Let k be a number. 5*k = 10 - 2^2. What is k?", "6/5"),
        ("7 = y", "7"),
    ],
)
def test_other_wordings_of_one_equation_are_read(question: str, right: str) -> None:
    assert verdict(question, right).outcome is Outcome.CORRECT
    assert verdict(question, f"{right} + 1").outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("", "no_equation"),
        ("What is 3 + 4?", "no_equation"),
        ("Solve x = x for x.", "every_value"),
        ("Solve x = x + 1 for x.", "no_solution"),
        ("Solve x^2 = 4 for x.", "no_equation: degree"),
        ("Solve x*x - x*x = x for x.", "no_equation: degree"),
        ("Solve 1/x = 2 for x.", "no_equation: degree"),
        ("Solve x/x = 1 for x.", "no_equation: degree"),
        ("Solve 2^x = 4 for x.", "no_equation: degree"),
        ("Solve \u221ax = 2 for x.", "no_equation"),
        ("Solve sqrt(x) = 2 for x.", "no_equation"),
        ("Solve log x = 3 for x.", "no_equation"),
        ("Half of x = 3. What is x?", "no_equation"),
        ("Solve x = 3 mod 5 for x.", "no_equation"),
        ("Solve x = 3% for x.", "no_equation"),
        ("Solve x = 3! for x.", "no_equation"),
        ("Solve 3! x = 12 for x.", "no_equation"),
        ("Solve x = 3,500 for x.", "no_equation"),
        ("Solve 1,500*x = 3 for x.", "no_equation"),
        ("Solve |x| = 3 for x.", "no_equation"),
        ("Solve -|x| = 3 for x.", "no_equation"),
        ("Solve x + y = 4 for x.", "no_equation: unknown"),
        ("Solve 2*y = 4 for x.", "no_equation: unknown"),
        ("Solve 3 = 4 for x.", "no_equation: unknown"),
        ("Solve x + y = 4, x - y = 2 for x.", "no_equation"),
        ("Let a = 3. Solve a*x = 6 for x.", "no_equation"),
        ("Solve 3*x <= 6 for x.", "no_equation"),
        ("Solve x/0 = 1 for x.", "no_equation: degree"),
        ("Solve x = 9^9^9 for x.", "no_equation: too_large"),
        ("Solve x = __import__('os').system('id') for x.", "no_equation"),
    ],
)
def test_any_other_question_is_undecided(question: str, reason: str) -> None:
    for response in ("2", "x = 2", "", "(2, 2)", question):
        result = verdict(question, response, reference="2")
        assert (result.outcome, result.score) == (Outcome.UNDECIDED, None)
        assert result.reason is not None
        assert result.reason.startswith(reason.partition(":")[0])
    assert verdict(question, "2").reason == reason


@pytest.mark.parametrize(
    "question",
    [
        "Solve " + "(" * 100_000 + "x = 1 for x.",
        "Solve " + "x " * 400 + "= 1 for x.",
        "Solve " + "9" * 400 + "*x = " + "*".join(["9^400"] * 60) + " for x.",
        "=" * 1000,
        "1 " * 499 + "=",
        "Solve x = 1e999999999 for x.",
        "\x00" * 500 + "x = 1",
        "\ud800x = 1/\ud800",
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_a_hostile_question_is_undecided_and_quick(question: str) -> None:
    began = time.perf_counter()
    assert verdict(question, "1").outcome is Outcome.UNDECIDED
    assert time.perf_counter() - began < 0.5


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_question_makes_it_raise(question: str, response: str) -> None:
    verdict(question, response)
    verdict(f"Solve {question} = 3*x for x.", response)


def test_the_reference_is_not_used() -> None:
    for reference in (None, "", "8", "no idea"):
        assert verdict("Solve 3*x + 2 = 23 for x.", "x = 7", reference).outcome is Outcome.CORRECT
