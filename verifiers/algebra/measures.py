"""Comparison of quantities: units, money, percentages, degrees and durations.

Takes two trees of which at least one is a quantity; gives true, false or a reason. A unit that only one side has does
not count, unless the question asks for another unit of its kind. Does not depend on text.
"""

from __future__ import annotations

from fractions import Fraction

from restem.verifiers.algebra.context import Context, Result
from restem.verifiers.algebra.nodes import (
    Based,
    Constant,
    Many,
    Matrix,
    Node,
    Number,
    Operation,
    Quantity,
    Unreadable,
    value,
    walk,
)
from restem.verifiers.algebra.several import several
from restem.verifiers.algebra.units import CENT, DEGREE, PERCENT


def quantities(context: Context, reference: Node, answer: Node) -> Result:
    """A quantity and a quantity, a number, or several values."""
    if isinstance(reference, Many | Matrix) or isinstance(answer, Many | Matrix):
        has_matrix = isinstance(reference, Matrix) or isinstance(answer, Matrix)
        return "matrix" if has_matrix else several(context, reference, answer)
    if isinstance(reference, Quantity) and isinstance(answer, Quantity):
        return _two_quantities(context, reference, answer)
    if isinstance(reference, Based) or isinstance(answer, Based):
        return False
    if isinstance(answer, Quantity):
        return _against_number(context, reference, answer)
    assert isinstance(reference, Quantity)
    if reference.unit == PERCENT:
        result = context.leaf(reference.value, answer)
        return result if result is True else context.leaf(_percent(reference.value), answer)
    if reference.unit.is_compound:
        return _in_asked_unit(context, reference, answer, is_reference=True)
    if reference.unit == DEGREE and _has_pi(answer):
        return context.leaf(Operation("deg", (reference.value,)), answer)
    return context.leaf(reference.value, answer)


def _two_quantities(context: Context, reference: Quantity, answer: Quantity) -> Result:
    if reference.unit.dimension == answer.unit.dimension:
        if reference.unit.factor == answer.unit.factor:
            return context.leaf(reference.value, answer.value)
        return context.leaf(_scaled(reference), _scaled(answer))
    dimensions = {name for unit in (reference.unit, answer.unit) for name, _ in unit.dimension}
    if "percent" in dimensions or "pound" in dimensions or "degree" in dimensions:
        return "unit"
    return "unit" if context.leaf(reference.value, answer.value) is True else False


def _against_number(context: Context, reference: Node, answer: Quantity) -> Result:
    if answer.unit == PERCENT:
        result = context.leaf(reference, _percent(answer.value))
        if result is True or not (context.question.asks_percent or _is_over_one(reference)):
            return result
        return context.leaf(reference, answer.value)
    asked = context.question.unit
    if asked is not None and asked.dimension == answer.unit.dimension:
        return _in_asked_unit(context, answer, reference, is_reference=False)
    if answer.unit.is_compound or (context.question.asks_dollars and answer.unit == CENT):
        return "unit"
    if answer.unit == DEGREE and _has_pi(reference):
        return context.leaf(reference, Operation("deg", (answer.value,)))
    return context.leaf(reference, answer.value)


def _in_asked_unit(context: Context, quantity: Quantity, number: Node, *, is_reference: bool) -> Result:
    asked = context.question.unit
    if asked is None or asked.dimension != quantity.unit.dimension:
        return "unit"
    converted = Operation("*", (quantity.value, Number(quantity.unit.factor / asked.factor)))
    return context.leaf(converted, number) if is_reference else context.leaf(number, converted)


def _percent(node: Node) -> Node:
    return Operation("/", (node, Number(Fraction(100))))


def _scaled(quantity: Quantity) -> Node:
    return Operation("*", (quantity.value, Number(quantity.unit.factor)))


def _has_pi(node: Node) -> bool:
    return Constant("pi") in walk(node)


def _is_over_one(node: Node) -> bool:
    try:
        return value(node) > 1
    except Unreadable:
        return False
