"""Whether two parse trees mean the same: lists, tuples and sets, and in them whatever a given comparison knows.

Takes trees of our own grammar. Trees that differ in nothing but the order of their terms are equal at once, however
large their powers. Else `same` walks lists and sets and asks `leaf` about what stands in them: `plain`, which
knows fractions and names and leaves the rest, or the algebra of `symbolic.py`. Knows nothing of responses, verdicts
or SymPy.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fractions import Fraction

from restem.verifiers.algebra.nodes import Many, Node, Number, Operation, Symbol, Unreadable, value

MAX_PAIRS = 512
# Why two trees that differ are not told apart.
DOUBTS = frozenset({"order", "imaginary", "letter_case"})

Leaf = Callable[[Node, Node], bool]


class NeedsAlgebra(Exception):
    """Fractions and names do not tell whether two trees are equal."""


def equality(reference: Node, answer: Node, leaf: Leaf, *, ordered: bool | None = True) -> bool | str:
    """Whether an answer means the same as the reference, or the reason why that cannot be told.

    Args:
        reference: What is right.
        answer: What is compared with it.
        leaf: What compares two single expressions.
        ordered: As in `same`; None where the question does not say whether the order counts.

    Raises:
        Unreadable: Over a limit, or without a value.
    """
    if normal(reference) == normal(answer):
        return True
    if same(reference, answer, leaf, ordered=ordered is not False):
        return True
    if ordered is None and same(reference, answer, leaf, ordered=False):
        return "order"
    mine, theirs = symbols(reference), symbols(answer)
    if "I" in mine:
        return "imaginary"  # to the algebra here it is one more letter
    if mine != theirs and {name.lower() for name in mine} == {name.lower() for name in theirs}:
        return "letter_case"
    return False


def symbols(node: Node) -> set[str]:
    """The names in a tree."""
    return {part.name for part in walk(node) if isinstance(part, Symbol)}


def normal(node: Node) -> Hashable:
    """What trees have in common that differ in the order of terms and factors, and in how a sign is written."""
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
    if isinstance(node, Operation):
        return node.operator, tuple(normal(operand) for operand in node.operands)
    return ("*", _written(node.value), ()) if isinstance(node, Number) else ("symbol", node.name)


def _written(number: Fraction) -> str:
    return f"{number.numerator:x}/{number.denominator:x}"  # hexadecimal: decimal digits have a limit in Python


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
    """Whether two trees mean the same.

    Args:
        left: The reference.
        right: The answer.
        leaf: What compares two single expressions.
        ordered: Whether a list that nothing encloses, such as `-1, 3`, is compared in order.

    Raises:
        Unreadable: Over a limit, or without a value.
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
    return len(left.items) == len(right.items) and all(same(one, other, leaf) for one, other in pairs)


def _covers(some: Sequence[Node], others: Sequence[Node], leaf: Leaf) -> bool:
    if len(some) * len(others) > MAX_PAIRS:
        raise Unreadable("too_large")
    return all(any(same(one, other, leaf) for other in others) for one in some)


def plain(left: Node, right: Node) -> bool:
    """Equality of two expressions that are numbers or bare names.

    Raises:
        NeedsAlgebra: One of them is neither.
        Unreadable: One of them has no value.
    """
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return left.name == right.name
    if any(isinstance(node, Symbol) for node in (*walk(left), *walk(right))):
        raise NeedsAlgebra
    try:
        return value(left) == value(right)
    except Unreadable as problem:
        if problem.reason != "syntax":  # what a root or a power without a rational value is to `value`
            raise
        raise NeedsAlgebra from None


def walk(node: Node) -> Iterator[Node]:
    """The node and all that it is made of."""
    yield node
    for part in node.operands if isinstance(node, Operation) else node.items if isinstance(node, Many) else ():
        yield from walk(part)
