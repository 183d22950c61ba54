"""Numbers in words: the grammar reads back what the probes write, and nothing that is no single numeral."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.probes import equivalents
from restem.verifiers.algebra.grammar import exact_value
from restem.verifiers.algebra.number_words import numeral
from tests.conftest import problem


@given(st.integers(-999_999, 999_999))
def test_a_number_that_the_probes_write_in_words_reads_back(number: int) -> None:
    words = equivalents(problem(f"Solve x + 1 = {number + 1} for x.", str(number)))["words"]
    assert exact_value(words) == number


@pytest.mark.parametrize(
    "words",
    ["", "a dozen", "seven seven", "twenty eleven", "hundred", "one thousand one million", "ten and", "and one"],
)
def test_anything_but_one_numeral_is_none(words: str) -> None:
    assert numeral(words.split()) is None
