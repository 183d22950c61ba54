"""Comparison of what is no expression: choices, words, times of day, ratios, numbers in a base.

Takes two trees of which at least one is of that kind; gives true, false or a reason. Does not depend on text.
"""

from __future__ import annotations

from fractions import Fraction

from restem.verifiers.algebra.context import PLAIN, Context, Result, both
from restem.verifiers.algebra.nodes import (
    Based,
    Choice,
    Clock,
    Node,
    Number,
    Operation,
    Ratio,
    Relation,
    Symbol,
    Words,
    symbols,
)

_YES = {"yes": True, "no": False}
_TRUE = {"true": True, "false": False}


def choices(context: Context, reference: Node, answer: Node) -> Result:
    """Lettered choices: the letter decides."""
    if isinstance(reference, Choice):
        if isinstance(answer, Choice):
            return reference.letter == answer.letter
        if isinstance(answer, Symbol) and len(answer.name) == 1:
            return reference.letter == answer.name.upper()
        return "not_a_choice"
    assert isinstance(answer, Choice)
    if isinstance(reference, Symbol):
        if len(reference.name) == 1:
            return reference.name.upper() == answer.letter
        return False
    return context.same(reference, answer.rest) if answer.rest is not None else "choice"


def words(context: Context, reference: Node, answer: Node) -> Result:
    """Words: equal after case, articles and punctuation."""
    if isinstance(reference, Words) and isinstance(answer, Words):
        return _same_words(reference.words, answer.words)
    has_letters = bool(symbols(reference) | symbols(answer))
    letters = _as_product(reference), _as_product(answer)
    if has_letters and isinstance(letters[0], PLAIN) and isinstance(letters[1], PLAIN):
        return context.leaf(letters[0], letters[1])
    if isinstance(answer, Relation) and isinstance(reference, Words) and answer.operators[0] == "=":
        return context.same(reference, answer.sides[-1])
    if isinstance(reference, Words) and len(reference.words) <= 3 and not isinstance(answer, Relation | Symbol):
        return False
    return "words"


def times(context: Context, reference: Node, answer: Node) -> Result:
    """Times of day, of which one may lack its half."""
    first, second = _minutes(reference), _minutes(answer)
    if first is None or second is None:
        return "time"
    if isinstance(reference, Clock) and isinstance(answer, Clock):
        return first == second
    clock, ratio = (first, second) if isinstance(reference, Clock) else (second, first)
    if ratio >= 13 * 60:
        return ratio == clock
    return ratio % 720 == clock % 720  # written without its half


def ratios(context: Context, reference: Node, answer: Node) -> Result:
    """Ratios, and a ratio with a fraction where the question asks for a ratio."""
    if isinstance(reference, Ratio) and isinstance(answer, Ratio):
        return _two_ratios(context, reference, answer)
    ratio, other = (reference, answer) if isinstance(reference, Ratio) else (answer, reference)
    assert isinstance(ratio, Ratio)
    if isinstance(other, Relation) and other.operators[0] == "=":
        return context.same(reference, other.sides[-1]) if other is answer else context.same(other.sides[-1], answer)
    if len(ratio.parts) != 2 or not isinstance(other, Number | Operation) or ratio.may_be_time:
        return "ratio"
    result = context.leaf(Operation("/", ratio.parts), other)
    return result if result is not True or context.question.asks_ratio else "ratio"


def _two_ratios(context: Context, reference: Ratio, answer: Ratio) -> Result:
    if len(reference.parts) != len(answer.parts):
        return False
    if reference.may_be_time and answer.may_be_time and not context.question.asks_ratio:
        return False
    first, other = reference.parts[0], answer.parts[0]
    if Number(Fraction(0)) in (*reference.parts, *answer.parts):
        return reference.parts == answer.parts
    pairs = zip(reference.parts[1:], answer.parts[1:], strict=True)
    return both([context.leaf(_times(first, right), _times(other, left)) for left, right in pairs])


def bases(context: Context, reference: Node, answer: Node) -> Result:
    """Whole numbers in a base."""
    if isinstance(reference, Based) and isinstance(answer, Based):
        is_equal = int(reference.digits, reference.base) == int(answer.digits, answer.base)
        return is_equal and (reference.base == answer.base or "base")
    based, number = (reference, answer) if isinstance(reference, Based) else (answer, reference)
    assert isinstance(based, Based)
    if not isinstance(number, Number):
        return "base"
    if based.digits.isdigit() and Fraction(int(based.digits)) == number.value:
        return True if context.question.asks_base else "base"  # a base that only one side writes
    return "base" if number.value == int(based.digits, based.base) else False


def _same_words(expected: tuple[str, ...], given: tuple[str, ...]) -> Result:
    if expected == given:
        return True
    if len(expected) == len(given) == 1 and len(expected[0]) < 4 and sorted(expected[0]) == sorted(given[0]):
        return "words"  # ab and ba may be products
    for pair in (_YES, _TRUE):
        if expected[0] in pair and given[0] in pair:
            return "words" if expected[0] == given[0] else False
    if len(expected) == len(given) == 1 and min(len(expected[0]), len(given[0])) > 2:
        shorter, longer = sorted((expected[0], given[0]), key=len)
        return "words" if longer.startswith(shorter) else False  # an abbreviation
    if set(expected) <= set(given) or set(given) <= set(expected):
        return "words"
    return False


def _as_product(node: Node) -> Node:
    """A short word such as `ab` as a product of letters, for a comparison with an expression."""
    if isinstance(node, Words) and len(node.words) == 1 and 2 <= len(node.words[0]) <= 3:
        factors: list[Node] = [Symbol(letter) for letter in node.words[0]]
        product = factors[0]
        for factor in factors[1:]:
            product = Operation("*", (product, factor))
        return product
    return node


def _minutes(node: Node) -> int | None:
    if isinstance(node, Clock):
        return node.minutes
    if isinstance(node, Ratio) and node.may_be_time:
        hours, minutes = (int(part.value) for part in node.parts if isinstance(part, Number))
        return 60 * hours + minutes
    if isinstance(node, Number) and node.value.denominator == 1 and 1 <= node.value <= 12:
        return 60 * int(node.value)
    return None


def _times(left: Node, right: Node) -> Node:
    return Operation("*", (left, right))
