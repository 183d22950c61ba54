"""An answer that ends a false equation commits to no number; steps, units and rounded values are no contradiction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers import Attempt, Outcome, Verdict, build
from restem.verifiers.answers.false_equations import ends_in_false_equation

FORMS = ("{}", "\\boxed{{{}}}", "The answer is {}.", "${}$", "**{}**", "#### {}", "<answer>{}</answer>", "So {}")
QUESTIONS = ("What is 12 * 13?", "How many apples are left?")


def verdict(response: str, reference: str, question: str = QUESTIONS[0]) -> Verdict:
    problem = Problem(id="p", question=question, reference=reference, split="test", source="test")
    return build("sympy").verify([Attempt(problem=problem, response=response)])[0]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_a_false_equation_is_undecided_on_either_side(form: str, question: str) -> None:
    for text in ("157 = 156", "156 = 157", "12*13 = 157 = 156"):
        result = verdict(form.format(text), "156", question)
        assert (result.outcome, result.reason) == (Outcome.UNDECIDED, "contradiction")


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("12 * 13 = 156", "156"),
        ("12 * 14 = 156", "156"),  # a wrong step before a right answer
        ("156 = 156", "156"),
        ("The answer is 52.333 = 52.3", "52.3"),
        ("There are 2 x 78 = 156.", "156"),
        ("$3 \\cdot 52 = 156$", "156"),
        ("1,560 = 1560", "1560"),
    ],
)
def test_working_and_equal_and_rounded_numbers_are_read_as_before(response: str, reference: str) -> None:
    assert verdict(response, reference).outcome is Outcome.CORRECT


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_two_plain_numbers_contradict_each_other_exactly_where_they_differ(left: int, right: int) -> None:
    assert ends_in_false_equation(f"so {left} = {right}.") == (left != right)


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert ends_in_false_equation(text) in (True, False)


@pytest.mark.parametrize(("reference", "decimals"), [("1/3", "0.3333333333"), ("2/3", "0.6667"), ("1/7", "0.142857")])
def test_the_beginning_of_endless_decimals_is_not_called_wrong(reference: str, decimals: str) -> None:
    result = verdict(decimals, reference, "What is it?")
    assert (result.outcome, result.reason) == (Outcome.UNDECIDED, "rounded")


@pytest.mark.parametrize(
    ("reference", "decimals"), [("1/3", "0.3343"), ("1/4", "0.2501"), ("1/3", "0.3"), ("2", "2.0001")]
)
def test_other_decimals_are_wrong(reference: str, decimals: str) -> None:
    assert verdict(decimals, reference, "What is it?").outcome is Outcome.WRONG
