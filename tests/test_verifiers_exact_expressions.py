"""`sympy` on references that are expressions, several values, or words."""

from __future__ import annotations

import time

import pytest

from restem.benchmarks.problem import Problem
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.verdict import Attempt, Outcome, Verdict, checked

QUESTION = "Solve 3*x + 2 = 23 for x."


def verdict(
    reference: str | None, response: str, question: str = QUESTION, verifier: Sympy | Exact | None = None
) -> Verdict:
    asked = Problem(id="p", question=question, reference=reference, split="test", source="test")
    return checked(verifier or Sympy(), [Attempt(problem=asked, response=response)])[0]


@pytest.mark.parametrize(
    ("reference", "response", "outcome"),
    [
        ("3*x + 1", "1 + 3x", Outcome.CORRECT),
        ("-2*sqrt(3) + 5", "\\boxed{5 - \\sqrt{12}}", Outcome.CORRECT),
        ("-2*sqrt(3) + 5", "5 + 2*sqrt(3)", Outcome.WRONG),
        ("-2*sqrt(3) + 5", "1.5359", Outcome.WRONG),
        ("n**(26/3)", "n^{26/3}", Outcome.CORRECT),
        ("-3*(q - 2)**2", "-3*q**2 + 12*q - 12", Outcome.CORRECT),
        ("y = 2*x + 1", "y = 1 + 2*x", Outcome.CORRECT),
        ("sqrt(3) + 2", "2 + 3/sqrt(3)", Outcome.CORRECT),
        ("2", "sqrt(2)", Outcome.WRONG),
        ("2", "sqrt(2)*sqrt(2)", Outcome.UNDECIDED),  # not worth starting the worker
        ("2", "sqrt(-2)", Outcome.WRONG),
        ("-5, 0, n, 24", "-5, 0, n, 48/2", Outcome.CORRECT),
        ("-5, 0, n, 24", "The answer is -5, 0, n, 24.", Outcome.CORRECT),
        ("-5, 0", "The answer is -5, 0, n, 24.", Outcome.WRONG),
        ("6*x + 2", "The derivative is 6*x + 2.", Outcome.CORRECT),
        ("6*x + 2", "Every term is done.\n\n$6x + 2$", Outcome.CORRECT),
        ("6*x + 2", "f(x) = 2*(3*x + 1) = 6*x + 2", Outcome.CORRECT),
        ("6*x + 2", "The derivative is\n6*x + 3", Outcome.WRONG),
        ("6*x + 2", "It is certainly not\n6*x + 2", Outcome.WRONG),
        ("6*x + 2", "Perhaps it is\n6*x + 2", Outcome.UNDECIDED),
        ("6*x + 2", "6*x + 2 is what I was told.", Outcome.UNDECIDED),
        ("c", "This is c", Outcome.UNDECIDED),
        ("c", "So it is\nc", Outcome.CORRECT),
        ("c", "(c)", Outcome.CORRECT),
        ("c", "The answer is b.", Outcome.WRONG),
        ("3*x + 1", "3*x + 2", Outcome.WRONG),
        ("(x + 1)**2", "x^2 + 2*x + 1", Outcome.CORRECT),
        ("x/2 + 1/2", "\\frac{x + 1}{2}", Outcome.CORRECT),
        ("1/(x + 1)", "(x - 1)/(x^2 - 1)", Outcome.CORRECT),
        ("-(h - 4)*(h + 4)", "\\boxed{16 - h^2}", Outcome.CORRECT),
        ("2*a*b", "The answer is 2ba.", Outcome.CORRECT),
        ("2*a*b", "The answer is 2bc.", Outcome.WRONG),
        ("2*a*b", "The answer is 2*b*a.", Outcome.CORRECT),
        ("x", "7", Outcome.WRONG),
        ("(1, 2)", "(1, 4/2)", Outcome.CORRECT),
        ("(1, 2)", "(2, 1)", Outcome.WRONG),
        ("{1, 2}", "\\{2, 1\\}", Outcome.CORRECT),
        ("{1, 2}", "{1, 2, 3}", Outcome.WRONG),
        ("{1, 2}", "(1, 2)", Outcome.WRONG),
        ("1, 2", "1, 2", Outcome.CORRECT),
        ("1, 2", "1", Outcome.WRONG),
        ("x", "x^1000", Outcome.WRONG),
        ("x", "(x + 1)^1000", Outcome.WRONG),
        ("x", "(a+b+c+d)^32", Outcome.WRONG),
        ("x", "((x+1)^31)^31", Outcome.WRONG),
        ("x", "1/(x - x)", Outcome.UNDECIDED),
        ("x", "x**x", Outcome.UNDECIDED),
        ("x", "sin(x)", Outcome.UNDECIDED),
    ],
)
def test_symbolic_references_are_compared_as_rational_functions(
    reference: str, response: str, outcome: Outcome
) -> None:
    verdict("x", "2 x", "Simplify.")  # starts the worker before the time is taken
    began = time.perf_counter()
    assert verdict(reference, response, "Simplify the expression.").outcome is outcome
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("response", "question", "outcome"),
    [
        ("k = 0, 183", "Calculate k.", Outcome.CORRECT),
        ("183, 0", "Calculate k.", Outcome.CORRECT),
        ("{183, 0}", "Calculate k.", Outcome.CORRECT),
        ("183, 0", "Put 183, 0 in increasing order.", Outcome.WRONG),
        ("0, 183", "Sort 183, 0.", Outcome.CORRECT),
        ("183", "Calculate k.", Outcome.WRONG),
        ("k = 0 or k = 183", "Calculate k.", Outcome.CORRECT),
    ],
)
def test_a_list_has_an_order_where_the_question_asks_for_one(response: str, question: str, outcome: Outcome) -> None:
    assert verdict("0, 183", response, question).outcome is outcome


SQUARE = "Solve x**2 = 4 for x."


@pytest.mark.parametrize(
    "response",
    [
        *("x = 2 or x = -2", "x = 2 and x = -2", "The answer is -2 and 2.", "\\boxed{-2}, \\boxed{2}", "x=2, x=-2"),
        *("The roots are -2, 2", "x = \u00b12", "$x = \\pm 2$", "{-2, 2}", "\\boxed{\\{-2, 2\\}}", "\\boxed{-2, 2}"),
        *("x = -2, 2", "x = 2\nx = -2", "- x = 2\n- x = -2", "x_1 = 2, x_2 = -2", "**x = 2 or x = -2**", "-2; 4/2"),
        *("x \\in \\{-2, 2\\}", "The solutions of x^2 = 4 are x = 2 and x = -2.", "<think>5, 6</think>\nx = 2 or -2"),
        *("x = 2\nSo x = 2 or x = -2", "(x - 2)(x + 2) = 0, therefore:\nx = 2 or x = -2"),
    ],
)
def test_several_values_are_read_from_any_kind_of_list(response: str) -> None:
    result = verdict("-2, 2", response, SQUARE)
    assert result.outcome is Outcome.CORRECT
    assert verdict("-2, 3", response, SQUARE).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    "response",
    [
        *("x = 2 or y = -2", "not x = 2 or x = -2", "It is not\nx = 2 or x = -2", "Suppose\nx = 2 or x = -2"),
        *("maybe x = 2 or x = -2", "x = 2 or x = -2?", "x = 1 or x = 2\nx = 2 or x = -2", "<think>x = 2 or x = -2"),
        *("x = 2 or x = -2<end_of_turn>", "x = 2 or x = -2\nWait, that is wrong.", "x = 2", "x = 5\nx = 2 or x = -2"),
        *("The answer is not -2, 2", "x = 2 or x = -2 or x = 3", "x = 2 or x = -2 apples", "-2 to 2", "-2 < x < 2"),
    ],
)
def test_values_that_are_not_the_answer_or_incomplete_are_not_accepted(response: str) -> None:
    assert verdict("-2, 2", response, SQUARE).outcome is not Outcome.CORRECT


@pytest.mark.parametrize(
    ("question", "outcome"),
    [
        ("Rank 1, 3, 2 from largest to smallest.", Outcome.WRONG),
        ("Arrange 1, 3, 2 starting with the largest.", Outcome.WRONG),
        ("List the first three terms of the sequence.", Outcome.WRONG),
        ("What are x, y and z, respectively?", Outcome.WRONG),
        ("List the prime factors in descending order.", Outcome.WRONG),
        ("Solve for x, y and z.", Outcome.UNDECIDED),
        ("Which are they?", Outcome.UNDECIDED),
        ("Find all roots, in any order.", Outcome.CORRECT),
        ("What are the prime factors of 6?", Outcome.CORRECT),
        ("Solve x^3 - 6*x^2 + 11*x - 6 = 0.", Outcome.CORRECT),
    ],
)
def test_another_order_is_right_only_where_a_set_is_asked_for(question: str, outcome: Outcome) -> None:
    for response in ("1, 2, 3", "The answer is 1, 2, 3.", "1, 2 and 3"):
        assert verdict("3, 2, 1", response, question).outcome is outcome
    assert verdict("3, 2, 1", "3, 2, 1", question).outcome is Outcome.CORRECT
    assert verdict("3, 2, 1", "1, 2, 4", question).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("x^2 + 1\nx^2 - 1", Outcome.UNDECIDED),
        ("x^2 - 1\nx^2 + 1", Outcome.UNDECIDED),
        ("x^2 + 1 = x^2 - 1", Outcome.UNDECIDED),
        ("y = 2 = x^2 - 1", Outcome.UNDECIDED),
        ("y = x^2 + 1\ny = x^2 - 1", Outcome.UNDECIDED),
        ("f(x) = x^2 + 1\nf(x) = x^2 - 1", Outcome.UNDECIDED),
        ("\\boxed{x^2 - 1}\nx^2 + 1", Outcome.CORRECT),
        ("x^2 + 1\nx^2 + 2", Outcome.WRONG),
        ("(x - 1)(x + 1)\nx^2 - 1", Outcome.CORRECT),
        ("f(x) = (x - 1)(x + 1) = x^2 - 1", Outcome.CORRECT),
        ("f(x) = x^3/3 - x\nf'(x) = x^2 - 1", Outcome.CORRECT),
        ("x^2 + 1\n\\boxed{x^2 - 1}", Outcome.CORRECT),
        ("x^2 + 1\nThe answer is x^2 - 1.", Outcome.CORRECT),
    ],
)
def test_two_different_expressions_are_no_answer_unless_a_marker_announces_one(response: str, outcome: Outcome) -> None:
    assert verdict("x**2 - 1", response, "Expand.").outcome is outcome


def test_two_different_lists_are_no_answer() -> None:
    for response in ("3, 2, 1\n1, 2, 3", "1, 2, 3\n3, 2, 1"):
        result = verdict("3, 2, 1", response, "Sort 1, 2, 3 in decreasing order.")
        assert (result.outcome, result.reason) == (Outcome.UNDECIDED, "two_answers")


@pytest.mark.parametrize("response", ["7km", "7cm", "x = 7y", "2(3.5)", "7 mod 9", "7 dozen", "7is"])
def test_no_word_or_parenthesis_is_a_factor_of_an_expected_number(response: str) -> None:
    assert verdict("7", response).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("reference", "response", "question"),
    [
        ("f*x", "f(x)", "What is f(x)?"),
        ("sqrt(x**2)", "x", "Simplify."),
        ("x", "sqrt(x**2)", "Simplify."),
        ("c", "b\nc", "Which?"),
        ("c", "Nothing is\nc", "Which?"),
        ("c", "far from\nc", "Which?"),
        ("c", "b. c.", "Which?"),
    ],
)
def test_an_ambiguous_answer_is_undecided(reference: str, response: str, question: str) -> None:
    assert verdict(reference, response, question).outcome is Outcome.UNDECIDED


def test_a_value_in_place_of_the_letter_of_a_choice_is_undecided() -> None:
    question = "Which is closest to 1?  (a) 16  (b) 27  (c) -2"
    result = [verdict("c", response, question).outcome for response in ("c", "(c)", "b", "-2")]
    assert result == [Outcome.CORRECT, Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED]


@pytest.mark.parametrize(
    ("reference", "response", "outcome"),
    [
        ("True", "True", Outcome.CORRECT),
        ("True", "Since 3 is less than 4, the answer is **True**.", Outcome.CORRECT),
        ("False", "\\boxed{False}", Outcome.CORRECT),
        ("False", "Answer: true", Outcome.WRONG),
        ("True", "1", Outcome.UNDECIDED),
        ("1", "True", Outcome.UNDECIDED),
        ("0", "False", Outcome.UNDECIDED),
        ("True", "The answer is not True", Outcome.UNDECIDED),
        ("True", "True or false? True", Outcome.CORRECT),
        ("True", "True or False", Outcome.UNDECIDED),
        ("True", "True?", Outcome.UNDECIDED),
        ("True", "False\nTrue", Outcome.WRONG),
        ("True", "True\nWait, that is wrong.", Outcome.UNDECIDED),
        ("True", "It is false that\nTrue", Outcome.UNDECIDED),
        ("True", "Is 3 not less than 4?\nTrue", Outcome.CORRECT),
        ("True", "<think>True", Outcome.WRONG),
        ("True", "", Outcome.WRONG),
        ("True", "Truely", Outcome.UNDECIDED),
        ("True", "Answer: True\n\nBecause 5 divides it.", Outcome.CORRECT),
        ("True", "The answer is True because 5 divides it.", Outcome.CORRECT),
        ("True", "It looks false at first.\n\\boxed{\\text{True}}", Outcome.CORRECT),
        ("True", "**Answer:** True", Outcome.CORRECT),
        ("True", "So the statement is true.", Outcome.CORRECT),
        ("True", "False, True", Outcome.UNDECIDED),
        ("True", "False. True.", Outcome.UNDECIDED),
        ("True", "far from true", Outcome.UNDECIDED),
        ("True", "Nothing here is true", Outcome.UNDECIDED),
        ("True", "False because 2 does not divide it; the converse is true", Outcome.UNDECIDED),
        ("True", "It is not the case that the answer is True", Outcome.UNDECIDED),
        ("True", "If 5 divides it, the answer is True. It does not, so it is false", Outcome.UNDECIDED),
        ("True", "Answer: True\nNo, the answer is false.", Outcome.WRONG),
        ("True", "Answer: True\nWait, I made a mistake.", Outcome.UNDECIDED),
        ("True", "Answer: True or False", Outcome.UNDECIDED),
        ("True", "The answer is true for 2 alone", Outcome.UNDECIDED),
        ("2:25 PM", "1:25 PM, 2:25 PM", Outcome.UNDECIDED),
        ("2:25 PM", "It was 1:25 PM.\nSo it is 2:25 PM.", Outcome.CORRECT),
        ("-3a2f", "3a2f or -3a2f", Outcome.UNDECIDED),
        ("2:25 PM", "It is 2:25 pm.", Outcome.CORRECT),
        ("2:25 PM", "2:25 AM", Outcome.WRONG),
        ("2:25 PM", "225", Outcome.UNDECIDED),
        ("-3a2f", "-3A2F", Outcome.CORRECT),
        ("-3a2f", "In base 16 that is 3a2f.", Outcome.WRONG),
        ("-3a2f", "-3425", Outcome.WRONG),
    ],
)
def test_a_word_is_compared_as_a_word_and_is_never_a_number(reference: str, response: str, outcome: Outcome) -> None:
    result = verdict(reference, response, "Is it so?")
    assert result.outcome is outcome
    if result.outcome is Outcome.CORRECT:
        assert result.span is not None
        assert response[slice(*result.span)] == result.answer
        assert verdict(reference, response, "Is it so?", Exact()).outcome in (outcome, Outcome.WRONG)
