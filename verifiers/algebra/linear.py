"""Slope and intercept of an expression in one unknown.

Takes a tree; gives two fractions. Depends on no question and no response.
"""

from __future__ import annotations

from fractions import Fraction

from restem.verifiers.algebra.nodes import Node, Number, Operation, Symbol, Unreadable, value


def linear(node: Node) -> tuple[Fraction, Fraction]:
    """Slope and intercept of an expression in one unknown.

    Raises:
        Unreadable: The expression is of another degree, or has no value.
    """
    if isinstance(node, Number):
        return Fraction(0), node.value
    if isinstance(node, Symbol):
        return Fraction(1), Fraction(0)
    if not isinstance(node, Operation):
        raise Unreadable("several")
    (slope, intercept), *rest = [linear(operand) for operand in node.operands]
    other_slope, other = rest[0] if rest else (Fraction(0), Fraction(0))
    match node.operator:
        case "neg":
            return -slope, -intercept
        case "+":
            return slope + other_slope, intercept + other
        case "-":
            return slope - other_slope, intercept - other
        case "*" if not slope or not other_slope:
            return slope * other + other_slope * intercept, intercept * other
        case "/" if not other_slope and other:
            return slope / other, intercept / other
        case "^" if not other_slope and other == 1:
            return slope, intercept
        case _ if not slope and not other_slope:  # the arithmetic of the grammar, with its limits
            operands = (Number(intercept), Number(other))[: len(node.operands)]
            return Fraction(0), value(Operation(node.operator, operands))
        case _:
            raise Unreadable("degree")
