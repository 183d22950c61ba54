"""Whether two parse trees are equal: lists, tuples and sets, with a given comparison of the expressions in them.

Takes trees of our grammar. Trees that differ only in the order of terms and factors are equal without further work,
whatever the size of their powers. Otherwise `same` walks lists and sets and compares single expressions with a function
`leaf`: `equal_without_algebra`, which compares fractions and names, or `algebraic` of `symbolic.py`. Does not depend on
responses, verdicts or SymPy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fractions import Fraction

from restem.verifiers.algebra.nodes import (
    Many,
    Matrix,
    Node,
    Number,
    Operation,
    Symbol,
    Unreadable,
    children,
    symbols,
    value,
)

MAX_PAIRS = 512
# Reasons why two trees that differ are neither equal nor unequal.
DOUBTS = frozenset({"order", "imaginary", "letter_case"})
_MARKS = frozenset({"name", "unit", "has_low", "has_high", "operators", "letter"})  # fields that hold no parts

Leaf = Callable[[Node, Node], bool]


class NeedsAlgebra(Exception):
    """Fractions and names alone do not decide whether two trees are equal."""


def equality(reference: Node, answer: Node, leaf: Leaf, *, ordered: bool | None = True) -> bool | str:
    """Whether an answer equals the reference, or the reason why that cannot be decided.

    Args:
        reference: The tree of the reference.
        answer: The tree that is compared with it.
        leaf: Compares two single expressions.
        ordered: As in `same`; None where the question does not say whether the order counts.

    Raises:
        Unreadable: A tree exceeds a limit or has no value.
    """
    if normal(reference) == normal(answer):
        return True
    if same(reference, answer, leaf, ordered=ordered is not False):
        return True
    if ordered is None and same(reference, answer, leaf, ordered=False):
        return "order"
    expected, given = symbols(reference), symbols(answer)
    if "I" in expected:
        return "imaginary"  # this algebra treats `I` as any other letter
    if expected != given and {name.lower() for name in expected} == {name.lower() for name in given}:
        return "letter_case"
    return False


def normal(node: Node) -> Hashable:
    """A normal form: equal for trees that differ only in the order of terms and factors and in the writing of signs."""
    if isinstance(node, Many):
        return "many", node.kind, tuple(normal(item) for item in node.items)
    if isinstance(node, Operation) and node.operator in ("+", "-"):
        return "+", _sorted(normal(term) for term in _terms(node))
    if isinstance(node, Operation) and node.operator in ("*", "neg"):
        coefficient, factors = Fraction(1), list[Hashable]()
        for factor in _factors(node):
            if isinstance(factor, Number):
                coefficient *= factor.value
            else:
                factors.append(normal(factor))
        return "*", _written(coefficient), _sorted(factors)
    if isinstance(node, Number):
        return "*", _written(node.value), ()
    if isinstance(node, Symbol):
        return "symbol", node.name
    if isinstance(node, Matrix):
        return "matrix", tuple(tuple(normal(cell) for cell in row) for row in node.rows)
    parts = children(node)
    if isinstance(node, Operation):
        return node.operator, tuple(normal(part) for part in parts)
    # Of the other nodes only the parts have several forms; what else they hold stays beside the forms of the parts.
    rest = tuple(getattr(node, field.name) for field in dataclasses.fields(node) if not parts or field.name in _MARKS)
    return type(node).__name__, repr(rest), tuple(normal(part) for part in parts)


def _written(number: Fraction) -> str:
    return f"{number.numerator:x}/{number.denominator:x}"  # hexadecimal: Python limits the number of decimal digits


def _sorted(parts: Iterable[Hashable]) -> Hashable:
    return tuple(sorted(parts, key=repr))


def _terms(node: Node) -> Iterator[Node]:
    if isinstance(node, Operation) and node.operator in ("+", "-"):
        yield from _terms(node.operands[0])
        last = node.operands[1]
        yield from _terms(last) if node.operator == "+" else (Operation("neg", (term,)) for term in _terms(last))
    else:
        yield node


def _factors(node: Node) -> Iterator[Node]:
    if isinstance(node, Operation) and node.operator in ("*", "neg"):
        yield from (Number(Fraction(-1)),) if node.operator == "neg" else _factors(node.operands[1])
        yield from _factors(node.operands[0])
    else:
        yield node


def same(left: Node, right: Node, leaf: Leaf, *, ordered: bool = True) -> bool:
    """Whether two trees are equal.

    Args:
        left: The reference.
        right: The answer.
        leaf: Compares two single expressions.
        ordered: Whether a list without brackets, such as `-1, 3`, is compared in order.

    Raises:
        Unreadable: A tree exceeds a limit or has no value.
    """
    if not isinstance(left, Many) and not isinstance(right, Many):
        return leaf(left, right)
    if not isinstance(left, Many) or not isinstance(right, Many):
        return False
    if left.kind and right.kind and left.kind != right.kind:
        return False
    if "{" in (left.kind, right.kind) or not (ordered or left.kind):
        return _covers(left.items, right.items, leaf) and _covers(right.items, left.items, leaf)
    pairs = zip(left.items, right.items, strict=False)
    return len(left.items) == len(right.items) and all(same(item, other, leaf) for item, other in pairs)


def _covers(items: Sequence[Node], others: Sequence[Node], leaf: Leaf) -> bool:
    """Whether every item is equal to one of the others."""
    if len(items) * len(others) > MAX_PAIRS:
        raise Unreadable("too_large")
    return all(any(same(item, other, leaf) for other in others) for item in items)


def equal_without_algebra(left: Node, right: Node) -> bool:
    """Whether two expressions that are numbers or single symbols are equal.

    Raises:
        NeedsAlgebra: An expression is neither.
        Unreadable: An expression has no value.
    """
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return left.name == right.name
    if symbols(left) or symbols(right):
        raise NeedsAlgebra
    try:
        return value(left) == value(right)
    except Unreadable as problem:
        if problem.reason != "syntax":  # the reason of `value` for a root or a power without a rational value
            raise
        raise NeedsAlgebra from None
