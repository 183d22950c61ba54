"""Answers to any question: marks, the last sentence, what the question asks, and how surely a sentence states one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers.answers.general import read_answer
from restem.verifiers.answers.question import asked
from restem.verifiers.answers.statements import WEAK_RULE
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.options import SympyOptions
from restem.verifiers.verdict import Attempt, Outcome, checked

C, W, U = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED
MANY = "How many apples are left?"


def outcome(question: str, reference: str, response: str, verifier: Sympy | Exact | None = None) -> Outcome:
    problem = Problem(id="p", question=question, reference=reference, split="test", source="test")
    return checked(verifier or Sympy(), [Attempt(problem=problem, response=response)])[0].outcome


# -- Marks -------------------------------------------------------------------------------------------------------------

AROUND = (
    "The least possible value of $n$ is {}.",
    "At most {} rooks can be placed.",
    "The number of wrong answers is {}.",
    "The probability that either happens is {}.",
    "There are {} ways if we assume that order matters.",
    "The number of ways without repetition is {}.",
    "The distance between the points is {}, no more.",
    "$x + y = {}$",
    "$|x - y| = {}$",
    "{}. (Note that 8 does not work.)",
    "{}\n\nNote: this is not the only method.",
    "First we get \\boxed{{3}} apples, then {} apples.",
    "The answer to part (a) is 12. So the final one is {}.",
    "It may surprise you, but the estimated value is {}.",
)


@given(st.sampled_from(AROUND), st.integers(10, 10**6))
def test_words_around_a_box_neither_refuse_nor_change_its_value(words: str, value: int) -> None:
    response = words.format(f"\\boxed{{{value}}}")
    assert outcome("Find the requested integer.", str(value), response) is C
    assert outcome("Find the requested integer.", str(value + 1), response) is W


@given(st.text(max_size=300), st.integers(10, 10**6))
def test_text_before_the_last_mark_does_not_change_the_answer(before: str, value: int) -> None:
    answer = read_answer(f"{before}\n\nFinal answer: {value}", "How many?").answer
    assert answer.text in (None, str(value))  # None behind an unfinished thought or the beginning of a box


@pytest.mark.parametrize(
    "response",
    [
        *(
            "Probably \\boxed{7}",
            "It is not \\boxed{7}.",
            "\\boxed{7} is wrong.",
            "\\boxed{7} or 8",
            "$\\approx \\boxed{7}$",
        ),
        *("Answer: about 7", "Answer: 7 (or 8)", "\\boxed{7}. Wait, that is not right.", "\\boxed{7}?"),
        *("#### 8\n#### 7", "I can't say that it is \\boxed{7}.", "2\\boxed{7}", "\\boxed{7}/2"),
    ],
)
def test_words_at_a_mark_leave_it_undecided(response: str) -> None:
    assert outcome(MANY, "7", response) is U


# -- References of MATH and GSM8K --------------------------------------------------------------------------------------

REFERENCES = (
    *("6\\sqrt{2}", "2\\sqrt2", "36\\pi", "\\pi", "2\\pi r", "\\sin x", "\\log_2 3", "\\sqrt[3]{2}", "[1,6)"),
    *("(-\\infty,3]", "(1,2)\\cup(3,4)", "x \\le 4", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\{1\\pm\\sqrt5\\}"),
    *("\\pm 3", "15\\%", "$18", "18 dollars", "80 cm", "90^\\circ", "3:4", "yes", "no", "Friday", "\\text{Evelyn}"),
    *("\\text{even}", "no solution", "101_2", "f(x)=2x", "ab", "2\\frac{1}{2}", "2 1/2", "0.\\overline{3}", "5!"),
    *("\\binom{5}{2}", "|x|", "a_1", "1 and 2", "12\\text{ and }13", "\\infty", "6 June", "4 h 53 min", "2+3i"),
)


@pytest.mark.parametrize(
    "mark", ["The answer is {}.", "Final Answer: {}", "**Answer: {}**", "Answer: {} - as it should be"]
)
@pytest.mark.parametrize(
    "reference", ["3*x - y", "n**2 - n", "-a - b", "5 - x", "x**2 - x*y", "3*x - sin(x)", "2 - a*b"]
)
def test_a_minus_before_a_letter_does_not_end_an_answer(reference: str, mark: str) -> None:
    assert outcome("What is it?", reference, mark.format(reference)) is C


@pytest.mark.parametrize("dash", ["-", "--", "\u2013", "\u2014"])
@pytest.mark.parametrize("words", ["a good number.", "I hope it is right.", "so the sum is even.", "checked"])
def test_a_dash_before_words_ends_an_answer(dash: str, words: str) -> None:
    assert outcome(MANY, "24", f"The answer is 24 {dash} {words}") is C
    assert outcome(MANY, "25", f"The answer is 24 {dash} {words}") is W


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_is_read_and_equals_itself_in_a_box(reference: str) -> None:
    problem = Problem(id="p", question="Find it.", reference=reference, split="test", source="test")
    assert Sympy().unreadable_references([problem]) == []
    for verifier in (Sympy(), Exact()):
        assert outcome("Find it.", reference, f"The final answer is $\\boxed{{{reference}}}$.", verifier) is C
    assert outcome("Find it.", reference, "The final answer is $\\boxed{77177}$.") is not C


def test_the_answer_of_a_worked_solution_is_its_reference() -> None:
    assert outcome(MANY, "3 * 6 = <<3*6=18>>18 apples. #### 18", "Answer: 18 apples") is C
    assert outcome(MANY, "Thus $x = 3$ and the sum is $\\boxed{18}$.", "\\boxed{3}") is W


# -- What the question asks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "reference", "response", "expected"),
    [
        ("How many apples are there in total?", "12", "So x = 12. Therefore there are 36 apples in total.", W),
        ("How many apples are there in total?", "48", "Let $x = 12$.\n\nAltogether there are **48** apples.", C),
        ("Find x + y.", "3", "x = 3, y = 4", W),
        ("Find x + y.", "7", "x = 3, y = 4, so x + y = 7", C),
        ("Solve the equation 2x + 3 = 7.", "2", "The solution is x = 2.", C),
        ("Find the sum of the solutions of x^2 + x = 6.", "2", "x = 2", U),
        ("What is f(3)?", "9", "f(x) = x^2, so f(3) = 9.", C),
        ("What is the slope?", "1", "The line is y = 2x + 1. The slope is 2 and the intercept is b = 1.", W),
        ("What is the y-intercept?", "2", "The slope is m = 2 and the intercept is 1.", W),
        ("Find the equation of the line.", "x = 2", "$\\boxed{y = 2}$", W),
        ("Write the line in slope-intercept form.", "y = 3x - 2", "$\\boxed{x = 3x - 2}$", W),
        ("Give the point.", "(3,5)", "$\\{3,5\\}$", U),
        ("Find all cubes.", "1, 8, 27", "27, 8 and 1", C),
        ("Which is prime? (A) 4 (B) 9 (C) 5", "C", "I would pick C - a safe choice.", C),
        ("Who is the fastest, Ana or Cleo?", "Cleo", "Cleo is the fastest, while Ana needs 27 minutes.", C),
        ("On what date does it end?", "July 16", "It ends on the 16th of July.", C),
        ("How many minutes does it take?", "145", "It takes 2 hours and 25 minutes.", C),
        ("What percentage is it?", "30", "15 of 50 is 30%.", C),
    ],
)
def test_the_question_decides_what_is_asked(question: str, reference: str, response: str, expected: Outcome) -> None:
    result = outcome(question, reference, response)
    assert result is expected or (expected is W and result is U)


def test_a_question_names_a_letter_or_an_expression() -> None:
    assert asked("Find x + y.").expression == "x+y"
    assert [asked(text).variable for text in ("Find x + y.", "What is $x$?", "Find a polynomial.")] == [None, "x", None]


@pytest.mark.parametrize(
    ("question", "reference", "response"),
    [
        ("Evaluate 7^3.", "343", "$7^3$"),
        ("Compute 12*67.", "804", "\\boxed{12*67}"),
        ("Factor $x^2 - 9$.", "(x - 3)(x + 3)", "\\boxed{x^2 - 9}"),
        ("Simplify $2x + 3x$.", "5x", "2x + 3x"),
    ],
)
def test_a_repeated_expression_of_the_question_is_undecided_unless_the_option_is_off(
    question: str, reference: str, response: str
) -> None:
    assert outcome(question, reference, response) is U
    assert outcome(question, reference, response, Sympy(SympyOptions(evaluated=False))) is C
    assert outcome(question, reference, f"\\boxed{{{reference}}}") is C


# -- Sentences ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        *(
            "He has **24** left.",
            "Therefore, he has 24 apples left.",
            "8 * 3 = 24",
            "Total: 24",
            "**Total apples: 24**",
        ),
        *("There are 24 apples in all.\n\nCheck: 24 + 6 = 30.", "24 apples remain, because 30 - 6 = 24.", "24"),
        *("He had 30 and ate 6, so 24 are left.", "Of the 30 apples, 24 remain.", "| a | 6 |\n| Total | 24 |"),
    ],
)
def test_the_last_sentence_gives_the_value(response: str) -> None:
    assert outcome(MANY, "24", response) is C
    assert outcome(MANY, "25", response) is not C


@given(st.integers(100, 999), st.integers(100, 999), st.sampled_from(("sold", "gave away", "found")))
def test_one_of_several_numbers_is_good_enough_to_accept_but_not_to_refuse(left: int, other: int, verb: str) -> None:
    response = f"She {verb} {other} of them and {left} pears were there"
    reading = read_answer(response, "How many pears were there?")
    if left != other and reading.answer.text is not None:
        assert reading.answer.rule == WEAK_RULE
        assert outcome("How many pears were there?", str(other), response) is not W


@pytest.mark.parametrize(
    "response",
    [
        *(
            "print(24)",
            "Step 24",
            "It may be 24.",
            "24 or 25",
            "I used 24 steps.",
            "x_24",
            "24..25",
            "See page 24.",
            "(24",
        ),
        *(
            "Is it 24?",
            "There are not 24 apples left.",
            "About 24 apples are left.",
            "Score: 24",
            "f(24)",
            "24 is wrong.",
        ),
    ],
)
def test_a_number_that_is_not_stated_is_no_answer(response: str) -> None:
    assert outcome(MANY, "24", response) is not C


# -- Cost --------------------------------------------------------------------------------------------------------------


def seconds(question: str, response: str) -> float:
    outcome(question, "7", response)
    began = time.process_time()
    for _ in range(20):
        outcome(question, "7", response)
    return (time.process_time() - began) / 20


@pytest.mark.parametrize("question", ["Solve 3*x + 2 = 23 for x.", MANY])
def test_the_length_of_the_working_hardly_counts(question: str) -> None:
    working = "So 3*x + 2 = 23, and if x = 5 then the left side is 17, which is too small. Let me think again.\n"
    short, long = (seconds(question, working * count + "**Final Answer:** $\\boxed{7}$") for count in (10, 80))
    assert long < 3 * short + 0.002
