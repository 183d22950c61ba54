"""The grammar: exact values of numbers in any notation, implicit products, limits, and texts that it refuses."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.grammar import exact_value, fraction, is_literal, parse
from restem.verifiers.algebra.nodes import Many, Unreadable, symbols

READABLE = {
    "7": 7,
    "-0": 0,
    "+7": 7,
    "007": 7,
    "7.": 7,
    ".5": Fraction(1, 2),
    "-142.0": -142,
    "14/2": 7,
    "6/-2": -3,
    "426/(-3)": -142,
    "-(3)": -3,
    "--7": 7,
    "-3^{-1}": Fraction(-1, 3),
    "-3^2": -9,
    "2^3^2": 512,
    "2**3 - 1": 7,
    "(23 - 2)/3": 7,
    "1 - 2 - 3": -4,
    "1,234": 1234,
    "1 234": 1234,
    "-1 000 000": -1000000,
    "2,\\!469": 2469,
    "2\u00b3": 8,
    "10\u207b\u00b2": Fraction(1, 100),
    "&minus;5": -5,
    "\\underline{70}": 70,
    "{\\color{blue}{8}}": 8,
    "9" * 400 + "/" + "9" * 400: 1,
    "-1,000,000": -1000000,
    "1{,}234": 1234,
    "1\\,234": 1234,
    "1_234": 1234,
    "1\u202f234": 1234,
    "1,234.50": Fraction(2469, 2),
    "1.234e3": 1234,
    "70e-1": 7,
    "1.234 \\times 10^3": 1234,
    "\\frac{14}{2}": 7,
    "-\\dfrac{426}{3}": -142,
    "\\tfrac12": Fraction(1, 2),
    "\\left(7\\right)": 7,
    "3 \\cdot 2 + 1": 7,
    "14 \\div 2": 7,
    "\\text{-15}": -15,
    "$7$": 7,
    "{7}": 7,
    "\\{7\\}": 7,
    "\\sqrt{49}": 7,
    "\u22127": -7,
    "\uff0d\uff17": -7,
    "\u0667": 7,
    "\u22126\u20442": -3,
    "\u22123\u00f71": -3,
    "-1 million": -1000000,
    "1.5 million": 1500000,
    "seven": 7,
    "negative twelve": -12,
    "Minus three": -3,
    "twenty-one": 21,
    "one hundred and five": 105,
    "one thousand two hundred thirty-four": 1234,
    "a hundred": 100,
}
UNREADABLE = (
    *("", " ", "-", "5-", "7!", "7%", "7:00", "7th", "7..", "1.2.3", "2(3)", "(7", "7)", "(7, 8]", "()", "{}", "7 8"),
    *("1 2345", "1/0", "0^-1", "0^0", "0x7", "\u2466", "\u00bd", "inf", "nan", "\\infty", "True", "None"),
    *("a dozen", "twelfth", "seven seven", "seven and a half", "minus minus twelve", "twenty eleven", "dozen"),
    *("2(3)(4)", "(2)(3)", "2\\sqrt{4}", "\\sqrt{4}(3)", "3(\\sqrt{4})", "cm", "7km", "7mod", "2is"),
    *("7 or 8", "x = 7", "f(7)", "7.__class__", "7\x00", "2^0.5", "\\sqrt{2}", "\\frac{7}{", "\\int_0^7 1"),
)
SEVERAL = ("1, 234", "5,8", "12,34", "1,2,3,4", "0,234", "(7, 8)", "{7, 8}", "[7]")
TOO_LARGE = (
    *("9**9**9**9", "9^{9^{9^{9}}}", "2**(2**(2**(2**64)))", "10**100000000", "1e999999999", "-1e999999999"),
    *("0e1000000000", "1e61", "9" * 4001, "1" * 5000, "(" * 5000 + "7" + ")" * 5000, "((" * 20 + "7" + "))" * 20),
    *("-" * 1000 + "7", "+".join("1" * 80), "1," * 4000, "\\frac" * 900, "{" * 2000, "7" + " " * 5000 + "x"),
)


@pytest.mark.parametrize(("text", "expected"), READABLE.items())
def test_a_number_in_any_notation_has_its_exact_value(text: str, expected: Fraction) -> None:
    assert exact_value(text) == expected


@pytest.mark.parametrize("text", UNREADABLE)
def test_anything_else_has_no_value(text: str) -> None:
    assert fraction(text) is None


@pytest.mark.parametrize("text", SEVERAL)
def test_several_numbers_are_not_one(text: str) -> None:
    assert isinstance(parse(text), Many)
    assert fraction(text) is None


@pytest.mark.parametrize("text", TOO_LARGE, ids=lambda text: text[:24])
def test_a_too_large_text_is_refused_before_it_is_computed(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(Unreadable):
        exact_value(text)
    assert time.perf_counter() - began < 0.5


def test_leading_and_trailing_zeros_do_not_count_as_digits() -> None:
    assert exact_value("7." + "0" * 3000) == 7
    assert exact_value("0" * 3000 + "7") == 7


def test_a_digit_far_behind_the_point_counts() -> None:
    assert exact_value("7." + "0" * 300 + "1") != 7


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("2xy", "2*x*y"),
        ("xy^2", "x*(y^2)"),
        ("xy\u00b2", "x*(y^2)"),
        ("ab - c", "a*b - c"),
        ("2(x+1)", "2*(x+1)"),
        ("-2x(x-3)", "-2*x*(x-3)"),
        ("3(y-1)^2", "3*((y-1)^2)"),
        ("2(x+1)(x+2)", "2*(x+1)*(x+2)"),
        ("2\\left(x+1\\right)", "2*(x+1)"),
        ("1 + 2\u221a2", "1 + 2*sqrt(2)"),
        ("2\\sqrt{2}x", "2*sqrt(2)*x"),
        ("3x/2", "3*x/2"),
        ("\\frac{1}{2}x", "(1/2)*x"),
    ],
)
def test_known_letters_form_implicit_products(text: str, product: str) -> None:
    assert parse(text, "abcxy") == parse(product)


@pytest.mark.parametrize(
    "text",
    [
        *("2xz", "cm", "is", "2mod", "x2", "x_1", "sin(x)", "f(x)", "x(1, 2)", "(1, 2)x", "2(3)", "(2)(3)", "2 3"),
        *("1/2x", "1/2(x+1)", "x/ab", "\u221a2x", "2\\frac{1}{2}", "x(", "xy(", "x.y", "x(x)x)"),
    ],
)
def test_a_word_a_call_and_an_ambiguous_text_are_no_product(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text, "abcxy")


@given(st.text(alphabet="0123xyab+-*/^(){}[], \u221a\\frac", max_size=80))
def test_known_letters_cause_no_other_exception_and_change_no_number(text: str) -> None:
    try:
        node = parse(text, "abxy")
    except Unreadable:
        return
    try:
        assert parse(text) == node
    except Unreadable:
        assert "\u221a" in text or symbols(node)


@given(st.fractions(max_denominator=10**6))
def test_a_written_fraction_reads_back(number: Fraction) -> None:
    assert exact_value(str(number)) == number
    assert exact_value(f"\\frac{{{number.numerator}}}{{{number.denominator}}}") == number


@given(st.integers(-(10**17), 10**17))
def test_separators_change_no_value(number: int) -> None:
    assert exact_value(f"{number:,}") == exact_value(f"{number:_}") == exact_value(f"{number}.0") == number


@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        max_leaves=12,
    )
)
def test_arithmetic_agrees_with_a_second_opinion(text: str) -> None:
    assert exact_value(text) == second_opinion(text)


def second_opinion(text: str) -> int:
    """The value of a fully parenthesised text, computed with a stack."""
    stack: list[int | str] = []
    for token in text.replace("(", "( ").replace(")", " )").split():
        if token != ")":
            stack.append(int(token) if token.isdigit() else token)
            continue
        right, sign, left, _ = stack.pop(), stack.pop(), stack.pop(), stack.pop()
        assert isinstance(left, int)
        assert isinstance(right, int)
        stack.append(left + right if sign == "+" else left - right if sign == "-" else left * right)
    assert isinstance(stack[0], int)
    return stack[0]


@given(st.text(max_size=200))
def test_no_text_raises_or_changes_its_length(text: str) -> None:
    assert len(canonical(text)) == len(text)
    value = fraction(text)
    assert value is None or isinstance(value, Fraction)


@given(st.text(alphabet="0123456789+-*/^().,eE{}\\ ", max_size=60))
def test_no_arithmetic_raises_or_takes_long(text: str) -> None:
    began = time.perf_counter()
    fraction(text)
    assert time.perf_counter() - began < 0.5


def test_only_a_written_out_number_is_a_literal() -> None:
    assert [is_literal(text) for text in ("7", "-7.5", "14/2", "x", "")] == [True, True, False, False, False]
