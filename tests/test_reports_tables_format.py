"""Numbers as text: what any value becomes, and that a text gives its value back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.reports.stats.estimates import Estimate
from restem.reports.tables.format import difference, estimate, interval, milliseconds, number, share, signed

UNKNOWN = Estimate(value=math.nan, low=math.nan, high=math.nan, n=0, clusters=0)


def read(text: str) -> float:
    return float(text.replace("−", "-").replace("∞", "inf"))


@given(st.floats(-1, 1))
def test_a_share_is_read_back_from_its_text(value: float) -> None:
    assert read(number(value)) == pytest.approx(100 * value, abs=0.05001)
    assert read(signed(value)) == pytest.approx(100 * value, abs=0.05001)


@given(st.floats(-1, 1))
def test_a_signed_number_has_its_sign_unless_it_shows_as_zero(value: float) -> None:
    text = signed(value)
    assert (text[0] == "+") == (read(text) > 0)
    assert (text[0] == "−") == (read(text) < 0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (number(math.nan), "–"),
        (number(math.inf), "∞"),
        (signed(-math.inf), "−∞"),
        (signed(math.nan), "–"),
        (signed(-0.0001), "0.0"),
        (signed(0.25, 2, 1), "+0.25"),
        (interval(0.1, math.inf, 2, 1), "[0.10, ∞]"),
        (interval(math.nan, math.nan), ""),
        (milliseconds(0.0000123), "0.012"),
        (milliseconds(12.3456), "12346"),
    ],
)
def test_numbers_that_are_not_plain_have_a_text(text: str, shown: str) -> None:
    assert text == shown


def test_nothing_to_estimate_is_a_dash() -> None:
    assert {cell(UNKNOWN) for cell in (estimate, difference)} == {("–", "")}
    assert difference(None) == ("–", "")
    assert share(1, 0) == ("1", "")
