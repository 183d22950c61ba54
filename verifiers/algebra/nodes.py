"""Parse trees of values (expressions, several values, intervals, relations, words, ...), and their exact values.

Takes trees; gives a `Fraction`, or raises `Unreadable` with the reason. The size of every power is checked before it is
computed. Does not depend on text.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from fractions import Fraction

MAX_BITS = 4096  # of a numerator or denominator that may be computed
MAX_FACTORIAL = 200


class Unreadable(ValueError):
    """The text is outside the grammar, or has no value.

    `reason` is one of syntax, ambiguous, too_long, too_large, zero_division, symbol, several, contradiction.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: Fraction


@dataclasses.dataclass(frozen=True, slots=True)
class Symbol:
    """A variable: one letter."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """An operation: `operator` is one of `+ - * / ^` with two operands, or `neg`, `sqrt`.

    Trees of `read_value` also hold `root` (radicand and index), `binom`, and with one operand `!`, `abs`, `floor`,
    `ceil`, `deg` (a number of degrees), `pm` and `mp` (plus-minus and minus-plus, before they are expanded).
    """

    operator: str
    operands: tuple[Node, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Many:
    """Several values: `kind` is `(` for a tuple, `{` for a set, `[` for a list, and "" without any brackets."""

    kind: str
    items: tuple[Node, ...]


# -- What only `read_value` gives --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """A constant: `pi`, `e`, `i`, `inf`, or a set of numbers: `R`, `Z`, `N`, `Q`, `C`."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A function of arguments: `sin`, `ln`, `log` (with its base as a second argument), or a name such as `f`."""

    name: str
    arguments: tuple[Node, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measurement.

    Attributes:
        dimension: Pairs of a base dimension and its power, sorted; `(("length", 1), ("time", -1))` for a speed.
        factor: How many base units one unit is.
        is_compound: Whether the value was written in several units, such as 2 hours 25 minutes.
    """

    dimension: tuple[tuple[str, int], ...]
    factor: Fraction
    is_compound: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Quantity:
    """A value in a unit."""

    value: Node
    unit: Unit


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """An interval of real numbers."""

    low: Node
    high: Node
    has_low: bool
    has_high: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Union:
    """A union of intervals and sets."""

    parts: tuple[Node, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """The values of a letter that satisfy inequalities, as an interval or a union."""

    letter: Node
    values: Node


@dataclasses.dataclass(frozen=True, slots=True)
class Relation:
    """A chain of equations or inequalities: `operators[i]` stands between `sides[i]` and `sides[i + 1]`.

    The operators are `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `~` (approximately).
    """

    operators: tuple[str, ...]
    sides: tuple[Node, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix, by rows."""

    rows: tuple[tuple[Node, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio such as `3:4`; `may_be_time` where it also is a time of day without its half, such as `9:05`."""

    parts: tuple[Node, ...]
    may_be_time: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """A time of day with its half, in minutes since midnight."""

    minutes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Based:
    """A whole number written in a base."""

    digits: str
    base: int


@dataclasses.dataclass(frozen=True, slots=True)
class Comma:
    """Digits on both sides of a comma without a space: a decimal number, or two whole numbers."""

    decimal: Fraction
    whole: tuple[Fraction, Fraction]


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """Words in lower case without articles and punctuation."""

    words: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A lettered choice, in upper case, with the value that stands behind the letter."""

    letter: str
    rest: Node | None


Node = (
    Number
    | Symbol
    | Operation
    | Many
    | Constant
    | Call
    | Quantity
    | Interval
    | Union
    | Region
    | Relation
    | Matrix
    | Ratio
    | Clock
    | Based
    | Comma
    | Words
    | Choice
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly under a node."""
    match node:
        case Operation():
            return node.operands
        case Many():
            return node.items
        case Call():
            return node.arguments
        case Quantity():
            return (node.value,)
        case Interval():
            return (node.low, node.high)
        case Union() | Ratio():
            return node.parts
        case Region():
            return (node.letter, node.values)
        case Relation():
            return node.sides
        case Matrix():
            return tuple(cell for row in node.rows for cell in row)
        case Choice():
            return (node.rest,) if node.rest is not None else ()
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all of its descendants, parents first."""
    yield node
    for part in children(node):
        yield from walk(part)


def symbols(node: Node) -> set[str]:
    """The names of the symbols in a tree."""
    return {part.name for part in walk(node) if isinstance(part, Symbol)}


def is_constant(node: Node) -> bool:
    """Whether a tree holds neither a symbol nor several values."""
    return not any(isinstance(part, Symbol | Many) for part in walk(node))


def value(node: Node) -> Fraction:
    """The exact value of a tree without symbols.

    Raises:
        Unreadable: The tree holds a symbol or several values, divides by zero, or exceeds a limit.
    """
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Operation):
        irrational = isinstance(node, Constant | Call)
        raise Unreadable("syntax" if irrational else "symbol" if isinstance(node, Symbol) else "several")
    left, *rest = [value(operand) for operand in node.operands]
    match node.operator:
        case "neg":
            return -left
        case "sqrt":
            return _root(left)
        case "abs":
            return abs(left)
        case "floor":
            return Fraction(math.floor(left))
        case "ceil":
            return Fraction(math.ceil(left))
        case "!" | "binom":
            return Fraction(_count(left, *rest))
        case "root" | "deg" | "pm" | "mp":
            raise Unreadable("syntax")
        case "+":
            return left + rest[0]
        case "-":
            return left - rest[0]
        case "*":
            return left * rest[0]
        case "/":
            return divided(left, rest[0])
        case _:
            return _power(left, rest[0])


def divided(over: Fraction, under: Fraction) -> Fraction:
    """The quotient.

    Raises:
        Unreadable: The divisor is zero.
    """
    if not under:
        raise Unreadable("zero_division")
    return over / under


def _count(whole: Fraction, chosen: Fraction | None = None) -> int:
    """The factorial, or the binomial coefficient, of whole numbers that are not negative."""
    numbers = [whole] if chosen is None else [whole, chosen]
    if any(number.denominator != 1 or number < 0 for number in numbers):
        raise Unreadable("syntax")
    if whole > MAX_FACTORIAL:
        raise Unreadable("too_large")
    return math.factorial(int(whole)) if chosen is None else math.comb(int(whole), int(chosen))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1:
        raise Unreadable("syntax")
    if not base and exponent <= 0:
        raise Unreadable("zero_division")
    if abs(exponent.numerator) > MAX_BITS or bits * abs(exponent.numerator) > MAX_BITS:
        raise Unreadable("too_large")
    return Fraction(base ** int(exponent))


def _root(square: Fraction) -> Fraction:
    if square < 0:
        raise Unreadable("syntax")
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root != square:
        raise Unreadable("syntax")
    return root
