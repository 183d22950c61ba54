"""Comparison of several values: tuples, sets, lists, intervals, unions and matrices.

Takes two trees of which at least one is of that kind; gives true, false or a reason. The question decides whether the
order of a list without brackets counts. Does not depend on text.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from restem.verifiers.algebra.context import Context, Result, both
from restem.verifiers.algebra.equality import MAX_PAIRS, NeedsAlgebra, normal
from restem.verifiers.algebra.nodes import (
    Comma,
    Interval,
    Many,
    Matrix,
    Node,
    Number,
    Operation,
    Quantity,
    Region,
    Relation,
    Symbol,
    Union,
    Unreadable,
)
from restem.verifiers.algebra.regions import as_set


def several(context: Context, reference: Node, answer: Node) -> Result:
    """Tuples, sets and lists."""
    if not isinstance(reference, Many) or not isinstance(answer, Many):
        return _one_and_several(context, reference, answer)
    kinds = reference.kind, answer.kind
    if not reference.items or not answer.items:
        return False
    if "{" in kinds and ("(" in kinds or "[" in kinds) and min(len(reference.items), len(answer.items)) > 1:
        return False
    if set(kinds) == {"(", "["} and len(reference.items) == 2:
        return False  # an open and a closed interval
    if "{" in kinds:
        return unordered(context, reference.items, answer.items)
    are_points = all(isinstance(item, Many) and item.kind == "(" for item in reference.items)
    is_ordered = context.question.is_ordered or (context.question.is_ordered is None and not are_points)
    if kinds[0] == kinds[1] == "" and not is_ordered:
        return unordered(context, reference.items, answer.items)
    if len(reference.items) != len(answer.items):
        return False
    pairs = zip(reference.items, answer.items, strict=True)
    result = both([context.same(left, right) for left, right in pairs])
    if result is not False or reference.kind or answer.kind == "(" or context.question.is_ordered:
        return result
    again = unordered(context, reference.items, answer.items)
    return "order" if again is True else again


def _one_and_several(context: Context, reference: Node, answer: Node) -> Result:
    """A single value and several: equal only where all of the several are that value."""
    listed, single = (reference, answer) if isinstance(reference, Many) else (answer, reference)
    assert isinstance(listed, Many)
    if not listed.items or (listed.kind in ("(", "[") and len(listed.items) > 1):
        return False
    if listed.kind == "[":
        return "several"
    pairs = [(item, single) if listed is reference else (single, item) for item in listed.items]
    return both([context.same(left, right) for left, right in pairs])


def unordered(context: Context, expected: Sequence[Node], given: Sequence[Node]) -> Result:
    """Whether two sets are equal: each item of one is among those of the other."""
    if len(expected) * len(given) > MAX_PAIRS:
        raise Unreadable("too_large")
    if len(expected) != len(given) and len({normal(item) for item in expected}) < len(expected):
        return False  # 3, 3, 5 is not 3, 5
    return both(
        [_among(context, item, given) for item in expected] + [_among(context, item, expected, True) for item in given]
    )


def _among(context: Context, item: Node, others: Sequence[Node], is_given: bool = False) -> Result:
    reason: Result = False
    needs = False
    for other in others:
        try:
            result = context.same(other, item) if is_given else context.same(item, other)
        except NeedsAlgebra:
            needs = True
            continue
        if result is True:
            return True
        reason = result or reason
    if needs:
        raise NeedsAlgebra
    return reason


def regions(context: Context, reference: Node, answer: Node) -> Result:
    """Intervals, unions, and the inequalities that describe them."""
    if isinstance(reference, Region) and isinstance(answer, Region):
        letters = normal(reference.letter), normal(answer.letter)
        if letters[0] != letters[1]:
            return False if _region(context, reference.values, answer.values) is not True else "left_side"
    if isinstance(reference, Relation) or isinstance(answer, Relation):
        return "relation"
    if reference == Many("{", ()) or answer == Many("{", ()):
        return False
    left = reference.values if isinstance(reference, Region) else as_set(reference)
    right = answer.values if isinstance(answer, Region) else as_set(answer)
    if left is None or right is None:
        return "interval"
    return _region(context, left, right)


def _region(context: Context, left: Node, right: Node) -> Result:
    parts, others = _set_parts(left), _set_parts(right)
    if len(parts) != len(others):
        return False if all(isinstance(part, Interval) for part in (*parts, *others)) else "interval"
    if len(parts) > 1:
        return unordered(context, parts, others)
    first, second = parts[0], others[0]
    if not isinstance(first, Interval) or not isinstance(second, Interval):
        return context.same(first, second)
    if (first.has_low, first.has_high) != (second.has_low, second.has_high):
        return False
    return both([context.same(first.low, second.low), context.same(first.high, second.high)])


def _set_parts(node: Node) -> Sequence[Node]:
    return node.parts if isinstance(node, Union) else (node,)


def matrices(context: Context, reference: Node, answer: Node) -> Result:
    """Matrices, and vectors written as tuples."""
    first, second = _rows(reference), _rows(answer)
    if first is None or second is None:
        is_plain = any(isinstance(node, Number | Symbol) for node in (reference, answer))
        return False if is_plain else "matrix"
    is_vector = not (isinstance(reference, Matrix) and isinstance(answer, Matrix))
    if is_vector and any(len(rows) > 1 and len(rows[0]) > 1 for rows in (first, second)):
        return False
    if is_vector:
        first, second = [list(itertools.chain(*first))], [list(itertools.chain(*second))]
    if [len(row) for row in first] != [len(row) for row in second]:
        return False
    pairs = zip(itertools.chain(*first), itertools.chain(*second), strict=True)
    return both([context.same(left, right) for left, right in pairs])


def _rows(node: Node) -> Sequence[Sequence[Node]] | None:
    """The rows of a matrix, or of a tuple as a row; a vector is a matrix of one row or column."""
    if isinstance(node, Matrix):
        return node.rows
    return [node.items] if isinstance(node, Many) and node.kind in ("(", "[", "") else None


def without_comma(node: Node, other: Node) -> Node:
    """Digits around a comma as a decimal number, where a single value stands on the other side; else as a list."""
    if not isinstance(node, Comma):
        return node
    if isinstance(other, Comma | Number | Operation | Quantity):
        return Number(node.decimal)
    return Many("", tuple(Number(number) for number in node.whole))
