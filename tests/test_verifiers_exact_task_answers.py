"""Which text of a response is handed to a task that scores its answers itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.exact.task_answers import MAX_TAIL, task_answer
from tests.strategies import mutated_texts

GRID = "1 2 3\n4 5 6"
SENTENCE = "Zoey is a knight, and Riley is a knave."
LIST = '["fill A", "pour A->B"]'
ONE_LINE = ("22", "-131073014", SENTENCE, LIST, "A=7,G=0", "48.0 + 36.0i", "The hats are lovely!", "6*(98 - 54) - 34")
FORMS = ("{}", "  {}\n", "<answer>{}</answer>", "I think.\n<answer>\n{}\n</answer>", "It is this:\n```\n{}\n```")
IN_WORDS = ("The answer is {}.", "We work it out.\n\nThe answer is {}", "Final answer: {}")

any_text = st.text(max_size=300) | mutated_texts()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [*ONE_LINE, GRID])
def test_the_task_gets_the_answer_as_it_stands(answer: str, form: str) -> None:
    assert answer in task_answer(form.format(answer), "What is it?", answer).texts


@pytest.mark.parametrize("form", IN_WORDS)
@pytest.mark.parametrize("answer", ONE_LINE)
def test_an_answer_of_one_line_may_stand_in_a_sentence(answer: str, form: str) -> None:
    assert answer in task_answer(form.format(answer), "What is it?", answer).texts


@pytest.mark.parametrize("form", ["Answer:\n{}", "We look.\n\n**Final answer:**\n{}", "The answer is:\n{}\n"])
def test_a_grid_may_stand_below_a_heading(form: str) -> None:
    assert GRID in task_answer(form.format(GRID), "Solve it.", GRID).texts


@pytest.mark.parametrize(("text", "certain"), [("1 2\n3 4", True), ("I think it is\n1 2\n3 4", False)])
def test_rows_without_words_are_an_answer_and_nothing_else(text: str, certain: bool) -> None:
    assert task_answer(text, "Solve it.", GRID).certain is certain


def test_an_object_of_several_lines_is_read_where_the_task_has_no_reference() -> None:
    text = '{\n  "1": 2\n}'
    for form in ("{}", "The answer is {}", "```json\n{}\n```", "<answer>\n```json\n{}\n```\n</answer>"):
        assert text in task_answer(form.format(text) if form != "{}" else text, "Color it.", None).texts


def test_the_last_tags_count_and_nothing_beside_them() -> None:
    assert task_answer("<answer>3</answer> no, <answer>4</answer> and 5", "What?", "3").texts == ("4",)


def test_a_number_may_have_commas() -> None:
    assert "106475279601" in task_answer("The answer is 106,475,279,601.", "What?", "106475279601").texts


def test_a_number_is_read_in_a_sentence_without_a_mark() -> None:
    answer = task_answer("There are 17 red and 5 blue ones.\nSo there are 22 apples in all.", "How many apples?", "22")
    assert "22" in answer.texts
    assert not answer.certain


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "not_found"),
        ("<think>22", "unfinished"),
        ("<answer>22", "unfinished"),
        ("<answer></answer>", "not_found"),
        ("x" * (MAX_TAIL + 50), "too_long"),
    ],
)
def test_a_response_without_an_answer_has_a_reason(response: str, reason: str) -> None:
    answer = task_answer(response, "What is 17 + 5?", "22")
    assert (answer.texts, answer.reason) == ((), reason)


@pytest.mark.parametrize(("text", "reason"), [("not 22", "negated"), ("probably 22", "hedged")])
def test_a_hedge_or_denial_is_a_reason_unless_its_words_are_the_answer(text: str, reason: str) -> None:
    answer = task_answer(f"The answer is {text}.", "What is 17 + 5?", "22")
    assert answer.reason == reason
    assert set(answer.texts) == {text, f"{text}."}


def test_thoughts_are_no_answer() -> None:
    assert task_answer("<think>The answer is 7.</think>22", "What?", "22").texts == ("22",)


@given(response=any_text, reference=st.sampled_from([*ONE_LINE, GRID, None]))
def test_no_text_raises_and_every_answer_comes_from_the_response(response: str, reference: str | None) -> None:
    answer = task_answer(response, "What is it?", reference)
    assert answer.texts or answer.reason
    written = [text for text in answer.texts if text in response or text in response.replace(",", "")]
    numbers = {fraction(text) for text in written} - {None}
    for text in set(answer.texts) - set(written):  # a number of words or other digits, such as `seven`, in digits
        assert fraction(text) in numbers


@pytest.mark.parametrize(
    "flood", ["<answer>", "```\n", "Answer:\n", "$", "(", "The answer is ", "\n", "7, ", "\\boxed{"]
)
def test_floods_take_no_time(flood: str) -> None:
    for reference in ("22", GRID, SENTENCE):
        began = time.process_time()
        task_answer(flood * (MAX_TAIL // len(flood)), "What is it?", reference)
        assert time.process_time() - began < 1.0
