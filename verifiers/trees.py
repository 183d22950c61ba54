"""Whether two parse trees mean the same: lists, tuples and sets, and in them whatever a given comparison knows.

Takes trees of our own grammar. `same` walks lists and sets and asks `leaf` about what stands in them: `plain`, which
knows fractions and names and leaves the rest, or the algebra of `symbolic.py`. Knows nothing of responses, verdicts
or SymPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from verifiers.rational import Many, Node, Operation, Symbol, Unreadable, value

MAX_PAIRS = 512

Leaf = Callable[[Node, Node], bool]


class NeedsAlgebra(Exception):
    """Fractions and names do not tell whether two trees are equal."""


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
