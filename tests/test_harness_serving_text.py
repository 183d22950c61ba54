"""Growing texts: however the tokens come, the text is that of all of them, cut at the first text that ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.model.architecture import ASSETS
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.serving.text import GrowingText
from tests.strategies import hostile_texts

PATH = ASSETS / "tiny" / "tokenizer.model"
TOKENIZERS = [Tokenizer(path=PATH), Tokenizer(path=PATH, little_endian=True)]


def grown(tokenizer: Tokenizer, ids: list[int], steps: list[int], stops: list[str]) -> tuple[GrowingText, int]:
    """The text after ids that come in steps of these lengths, and how many of them belong to it."""
    text, count, start = GrowingText(tokenizer, stops), 0, 0
    sent = ""
    for step in [*steps, len(ids)]:
        count += text.add(ids[start : start + step])
        start += step
        assert text.text[: text.sendable()].startswith(sent)
        sent = text.text[: text.sendable()]
        if text.ended:
            break
    text.finish()
    assert text.text.startswith(sent)
    return text, count


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(hostile_texts, st.lists(st.integers(1, 5), max_size=40))
def test_without_stops_it_is_the_text_of_all_ids(tokenizer: Tokenizer, text: str, steps: list[int]) -> None:
    ids = tokenizer.encode(text)
    result, count = grown(tokenizer, ids, steps, [])
    assert (result.text, count, result.ended) == (tokenizer.decode(ids), len(ids), False)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(hostile_texts, st.lists(st.integers(1, 5), max_size=40), st.data())
def test_a_stop_cuts_it_where_it_first_stands(
    tokenizer: Tokenizer, text: str, steps: list[int], data: st.DataObject
) -> None:
    ids = tokenizer.encode(text)
    whole = tokenizer.decode(ids)
    start = data.draw(st.integers(0, max(0, len(whole) - 1)))
    stop = whole[start : start + data.draw(st.integers(1, 4))] or "x"
    result, _ = grown(tokenizer, ids, steps, [stop, "never here"])
    assert (result.text, result.ended) == (whole.partition(stop)[0], stop in whole)


def test_the_token_that_ends_it_is_the_last_one_counted() -> None:
    tokenizer = TOKENIZERS[0]
    ids = tokenizer.encode("x = 12; y")
    assert grown(tokenizer, ids, [], ["; "])[1] == len(tokenizer.encode("x = 12; "))


def test_the_beginning_of_a_stop_waits() -> None:
    text = GrowingText(TOKENIZERS[0], ["###"])
    text.add(TOKENIZERS[0].encode("abc##"))
    assert text.text[: text.sendable()] == "abc"
