"""Parse trees of expressions (numbers, symbols, operations, several values), and their exact values.

Takes trees; gives a `Fraction`, or raises `Unreadable` with the reason. The size of every power is checked before it is
computed. Does not depend on text.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from fractions import Fraction

MAX_BITS = 4096  # of a numerator or denominator that may be computed


class Unreadable(ValueError):
    """The text is outside the grammar, or has no value.

    `reason` is one of syntax, ambiguous, too_long, too_large, zero_division, symbol, several.
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
    """An operation: `operator` is one of `+ - * / ^ neg sqrt`; the last two have one operand."""

    operator: str
    operands: tuple[Node, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Many:
    """Several values: `kind` is `(` for a tuple, `{` for a set, `[` for a list, and "" without any brackets."""

    kind: str
    items: tuple[Node, ...]


Node = Number | Symbol | Operation | Many


def walk(node: Node) -> Iterator[Node]:
    """The node and all of its descendants, parents first."""
    yield node
    for part in node.operands if isinstance(node, Operation) else node.items if isinstance(node, Many) else ():
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
        raise Unreadable("symbol" if isinstance(node, Symbol) else "several")
    left, *rest = [value(operand) for operand in node.operands]
    match node.operator:
        case "neg":
            return -left
        case "sqrt":
            return _root(left)
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
