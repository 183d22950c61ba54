"""Inequalities, intervals and unions: the values of a letter that satisfy them.

Takes trees; gives trees. Does not depend on text or on questions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from restem.verifiers.algebra.linear import linear
from restem.verifiers.algebra.nodes import (
    Call,
    Constant,
    Interval,
    Many,
    Node,
    Number,
    Operation,
    Region,
    Relation,
    Symbol,
    Union,
    Unreadable,
    symbols,
    value,
)

_INFINITY = Constant("inf")
_MINUS_INFINITY = Operation("neg", (_INFINITY,))
REALS = Interval(_MINUS_INFINITY, _INFINITY, False, False)
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!="}


def related(operators: Sequence[str], sides: Sequence[Node]) -> Node:
    """A chain of relations; inequalities that bound one letter by numbers become a region."""
    if list(operators) == ["in"]:
        members = as_set(sides[1])
        if members is not None and is_letter(sides[0]):
            return Region(sides[0], members)
        if isinstance(sides[1], Many) and sides[1].kind == "{":
            return Relation(("=",), (sides[0], sides[1]))
    if all(operator in _FLIPPED for operator in operators):
        region = _bounded(operators, sides)
        if region is not None:
            return region
    return Relation(tuple(operators), tuple(sides))


def is_letter(node: Node) -> bool:
    """Whether inequalities can bound a node as they bound a letter: a letter, or a function of letters."""
    return isinstance(node, Symbol) or (isinstance(node, Call) and bool(symbols(node)))


def _bounded(operators: Sequence[str], sides: Sequence[Node]) -> Node | None:
    if len(sides) == 2 and not any(map(is_letter, sides)):
        operators, sides = _solved(operators[0], sides)
    if len(sides) == 2 and not is_letter(sides[0]) and is_letter(sides[1]):
        operators, sides = [_FLIPPED[operators[0]]], (sides[1], sides[0])
    if len(sides) == 2 and is_letter(sides[0]) and _is_bound(sides[1]):
        letter, (operator, bound) = sides[0], (operators[0], sides[1])
        if operator == "!=":
            return Region(letter, without(bound))
        if operator[0] == "<":
            return Region(letter, Interval(_MINUS_INFINITY, bound, False, operator == "<="))
        return Region(letter, Interval(bound, _INFINITY, operator == ">=", False))
    if len(sides) == 3 and is_letter(sides[1]) and _is_bound(sides[0]) and _is_bound(sides[2]):
        if operators[0][0] == operators[1][0] == ">":
            operators, sides = [_FLIPPED[operators[1]], _FLIPPED[operators[0]]], sides[::-1]
        if operators[0][0] == operators[1][0] == "<":
            return Region(sides[1], Interval(sides[0], sides[2], operators[0] == "<=", operators[1] == "<="))
    return None


def _solved(operator: str, sides: Sequence[Node]) -> tuple[list[str], Sequence[Node]]:
    """A linear inequality of one letter with rational coefficients, solved for the letter; any other as it is."""
    names = symbols(sides[0]) | symbols(sides[1])
    lines = [_line(side) for side in sides]
    if len(names) != 1 or lines[0] is None or lines[1] is None:
        return [operator], sides
    slope, height = lines[0][0] - lines[1][0], lines[1][1] - lines[0][1]
    if not slope:
        return [operator], sides
    return [operator if slope > 0 else _FLIPPED[operator]], (Symbol(*names), Number(height / slope))


def _line(node: Node) -> tuple[Fraction, Fraction] | None:
    """Slope and intercept of a linear expression; None for any other."""
    try:
        return linear(node)
    except Unreadable:
        return None


def _is_bound(node: Node) -> bool:
    return not isinstance(node, Many | Region | Interval | Union) and not symbols(node)


def without(point: Node) -> Node:
    """All real numbers but one."""
    low, high = Interval(_MINUS_INFINITY, point, False, False), Interval(point, _INFINITY, False, False)
    return Union((low, high))


def as_set(node: Node) -> Node | None:
    """A tree as a set of real numbers, where it can be read as one; a pair in brackets is an interval."""
    if isinstance(node, Interval | Union):
        return node
    if node == Constant("R"):
        return REALS
    if isinstance(node, Many) and node.kind in ("(", "[") and len(node.items) == 2:
        is_closed = node.kind == "["
        return Interval(node.items[0], node.items[1], is_closed, is_closed)
    return None


def united(parts: Sequence[Node], operators: Sequence[str]) -> Node:
    """Sets joined by `|` (union) or `-` (difference, of the reals and single numbers only).

    Raises:
        Unreadable: The sets cannot be joined here.
    """
    if set(operators) == {"|"}:
        members = [as_set(part) or part for part in parts]
        if all(isinstance(member, Interval | Union | Many) for member in members):
            return Union(
                tuple(flat for member in members for flat in (member.parts if isinstance(member, Union) else (member,)))
            )
    if list(operators) == ["-"] and parts[0] == Constant("R") and isinstance(parts[1], Many) and parts[1].kind == "{":
        points = _ascending(parts[1].items)
        if points is not None:
            bounds = [_MINUS_INFINITY, *points, _INFINITY]
            return Union(tuple(Interval(low, high, False, False) for low, high in itertools.pairwise(bounds)))
    raise Unreadable("syntax")


def _ascending(points: Sequence[Node]) -> list[Node] | None:
    """The points in ascending order; None for several that are not all rational."""
    try:
        return sorted(points, key=value) if len(points) > 1 else list(points)
    except Unreadable:
        return None


def joined(regions: Sequence[Region], words: Sequence[str]) -> Node | None:
    """One region for several of one letter, joined by `or`, `and` or commas; None where that is not clear."""
    bounds = [region for region in regions if region.values != REALS]
    regions = bounds if bounds and "or" not in words else regions  # x > 3, x a real number
    if len(regions) == 1:
        return regions[0]
    letters = {region.letter for region in regions}
    if len(letters) != 1:
        return None
    if "or" in words and "and" not in words:
        return Region(regions[0].letter, Union(tuple(part for region in regions for part in _parts(region.values))))
    intervals = [region.values for region in regions if isinstance(region.values, Interval)]
    if len(regions) != 2 or len(intervals) != 2:
        return None
    first, second = intervals
    if second.high == _INFINITY:
        first, second = second, first
    if first.high != _INFINITY or second.low != _MINUS_INFINITY:
        return None
    try:
        overlap = value(first.low) < value(second.high)
    except Unreadable:
        return None
    if overlap:
        return Region(regions[0].letter, Interval(first.low, second.high, first.has_low, second.has_high))
    return Region(regions[0].letter, Union((second, first))) if "and" not in words else None


def _parts(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, Union) else (node,)
