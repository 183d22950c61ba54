"""Openers are known word for word: nothing that may be an answer is taken for one."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.judge.openers import is_opener

OPENERS = (
    *("Solution", "Thought process:", "Let's solve this problem step by step.", "Let\u2019s think step by step.", ":"),
    *("To solve the equation, we isolate x.", "Let's solve for y.", "Sure! Here is the full solution:", "####", "```"),
    *("\u89e3", "\u304b\u3044\u305b\u3064", "\u7b54\u6848\uff1a", "Respuesta", "Lo\u0308sung:", "R\u00e9ponse :"),
    *("\u0909\u0924\u094d\u0924\u0930", "\\boxed{}", "$$\\boxed{ }$$", "<think>", "<answer></answer>", "\\[ \\]", "-"),
)
ANSWERS = (
    *("x", "x*x", "VII", "sieben", "Die Antwort ist sieben.", "nothing", "quatre", "True", "(b)", "A", "No", "Sure"),
    *(
        "{}",
        "[]",
        "<",
        "=",
        "\u2205",
        "\u221e",
        "\u03c0",
        "\u221a",
        "\u0667",
        "\u00bd",
        "7",
        "Step 1:",
        "The answer is x",
    ),
    *("Answer: {}", "x = \\boxed{}", "no solution", "First", "the second", "Hence not", "\\boxed{y}", "\u4e03"),
)
opener = st.sampled_from(OPENERS)


@pytest.mark.parametrize("text", OPENERS)
def test_a_known_opener_is_one_however_it_is_written(text: str) -> None:
    for written in (
        text,
        text.upper(),
        text.lower(),
        f"  **{text}**\n",
        unicodedata.normalize("NFD", text),
        f"{text}\u200b",
    ):
        assert is_opener(written)


@pytest.mark.parametrize("text", ANSWERS)
def test_what_may_be_an_answer_is_no_opener(text: str) -> None:
    assert not is_opener(text)


@given(st.lists(opener, max_size=5))
def test_openers_in_a_row_are_openers(texts: list[str]) -> None:
    assert is_opener("\n".join(texts))


@given(st.lists(opener, max_size=3), st.sampled_from(ANSWERS), st.lists(opener, max_size=3))
def test_openers_around_an_answer_hide_it_from_nobody(before: list[str], answer: str, after: list[str]) -> None:
    assert not is_opener("\n".join([*before, answer, *after]))


@given(st.text(), st.characters(categories=["Nd", "Nl", "No"]))
def test_a_text_with_a_number_is_no_opener(text: str, digit: str) -> None:
    assert not is_opener(text + digit)


def test_a_long_text_is_looked_at_no_longer_than_a_short_one() -> None:
    started = time.process_time()
    for text in ("Final answer " * 10**6, "the answer is " * 13 + "the", "\\boxed" + " " * 10**6, "-" * 10**6):
        is_opener(text)
    assert time.process_time() - started < 0.5
