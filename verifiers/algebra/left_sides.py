"""Comparison of equations, assignments and other relations.

Takes two trees of which at least one is a relation, or a list of equations; gives true, false or a reason. The question
decides whether a left side counts: an equation that is asked for is more than its right side. Does not depend on text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from restem.verifiers.algebra.context import PLAIN, Context, Result, both
from restem.verifiers.algebra.equality import NeedsAlgebra, normal
from restem.verifiers.algebra.nodes import (
    Call,
    Many,
    Node,
    Number,
    Operation,
    Quantity,
    Relation,
    Symbol,
    Unreadable,
    Words,
    symbols,
    value,
    walk,
)
from restem.verifiers.algebra.several import several, unordered

_Assigned: TypeAlias = list[tuple[Node, Node]]
"""Pairs of a left side, which is a name, and its right side."""


def assignments(context: Context, reference: Node, answer: Node) -> Result:
    """Equations, or lists of them, of which at least one has a left side that only names its right side."""
    expected, given = _assigned(reference), _assigned(answer)
    points = [_grouped(pairs) if pairs else None for pairs in (expected, given)]
    if any(isinstance(group, Many) for group in points):
        nodes = zip(points, (reference, answer), strict=True)
        return context.same(*(group if isinstance(group, Many) else node for group, node in nodes))
    if expected is not None and given is not None:
        return _two_lists(context, expected, given)
    if expected is None:
        return _answer_assigned(context, reference, given or [], answer)
    return _reference_assigned(context, expected, reference, answer)


def _two_lists(context: Context, expected: _Assigned, given: _Assigned) -> Result:
    if len(expected) == 1 and len(given) == 1:
        return _two_equations(context, expected[0], given[0])
    if len({normal(left) for left, _ in expected}) == 1 and len({normal(left) for left, _ in given}) == 1:
        if normal(expected[0][0]) != normal(given[0][0]):
            return False
        return unordered(context, [right for _, right in expected], [right for _, right in given])
    if len(expected) != len(given):
        return False
    names = {normal(left): right for left, right in given}
    if len(names) == len(given) and all(normal(left) in names for left, _ in expected):
        return both([context.same(right, names[normal(left)]) for left, right in expected])
    if _bare_names(expected) == _bare_names(given):
        return unordered(context, [right for _, right in expected], [right for _, right in given])
    return "left_side"


def _two_equations(context: Context, expected: tuple[Node, Node], given: tuple[Node, Node]) -> Result:
    (left, right), (other_left, other_right) = expected, given
    if normal(left) == normal(other_left):
        return context.same(right, other_right)
    renamed = _renamed(left, other_left)
    if renamed is not None:
        return context.same(right, _with_name(other_right, *renamed))
    constant = not symbols(right) and not symbols(other_right)
    if isinstance(left, Symbol) and isinstance(other_left, Symbol) and constant:
        return False
    if isinstance(left, Words) or isinstance(other_left, Words):
        return context.same(right, other_right) if constant else "left_side"
    if isinstance(left, Call) or isinstance(other_left, Call):
        result = context.same(right, other_right)
        is_graph = Symbol("y") in (left, other_left)  # y = 2x for f(x) = 2x
        return "left_side" if result is True and not is_graph else result
    if not all(isinstance(side, PLAIN) for side in (*expected, *given)):
        return "left_side"
    return equations(context, Operation("-", expected), Operation("-", given))


def equations(context: Context, expected: Node, given: Node) -> Result:
    """Whether one difference of sides is a constant multiple of the other; only the worker's leaf can tell."""
    if normal(expected) == normal(given) or normal(expected) == normal(Operation("neg", (given,))):
        return True
    if symbols(expected) != symbols(given):
        return False
    proportional = getattr(context.leaf, "proportional", None)
    if proportional is None:
        raise NeedsAlgebra
    return proportional(expected, given)


def _answer_assigned(context: Context, reference: Node, given: _Assigned, answer: Node) -> Result:
    """A reference without a left side, and an answer with one or several."""
    lefts = [left for left, _ in given]
    rights = [right for _, right in given]
    if len(given) == 1:
        result = context.same(reference, rights[0])
        return _left_counts(context, lefts[0]) if result is True else result
    if isinstance(reference, Many):
        if len({normal(left) for left in lefts}) == 1:
            return several(context, reference, Many("{" if reference.kind != "(" else "", tuple(rights)))
        return _in_order_of_names(context, reference, given)
    if len({normal(left) for left in lefts}) == 1:
        return several(context, reference, Many("", tuple(rights)))
    asked = [right for left, right in given if _left_counts(context, left) is True and _is_target(context, left)]
    return context.same(reference, asked[0]) if len(asked) == 1 else False


def _in_order_of_names(context: Context, reference: Many, given: _Assigned) -> Result:
    """`x = 3, y = 5` for `(3, 5)`: by the letters of the question, or in the order of the alphabet."""
    names = [left.name if isinstance(left, Symbol) else "" for left, _ in given]
    order = context.question.unknowns if set(context.question.unknowns) == set(names) else tuple(sorted(names))
    if "" in names or len(set(names)) < len(names):
        return several(context, reference, Many("", tuple(right for _, right in given)))
    values = {name: right for name, (_, right) in zip(names, given, strict=True)}
    return several(context, reference, Many(reference.kind, tuple(values[name] for name in order)))


def _is_target(context: Context, left: Node) -> bool:
    target = context.question.target
    return target is not None and normal(target) == normal(left)


def _left_counts(context: Context, left: Node) -> Result:
    """Whether the left side of an answer is what the question asks for."""
    target = context.question.target
    if target is None or normal(target) == normal(left):
        return True
    if isinstance(target, Words):
        return "left_side" if isinstance(left, Symbol) and len(left.name) == 1 else True
    if isinstance(left, Symbol) and isinstance(target, Symbol) and len(left.name) == 1:
        return False  # y = 2 where x is asked for
    if isinstance(left, Symbol) and isinstance(target, Symbol) and left.name.startswith(f"{target.name}_"):
        return True
    if (isinstance(left, Call) and isinstance(target, Symbol | Call)) or isinstance(left, Words):
        return True
    return "left_side"  # x = 3 where x + y is asked for


def _reference_assigned(context: Context, expected: _Assigned, reference: Node, answer: Node) -> Result:
    """A reference with left sides, and an answer without one."""
    rights = [right for _, right in expected]
    if len(expected) > 1:
        if len({normal(left) for left, _ in expected}) == 1:
            return several(context, Many("{", tuple(rights)), answer)
        result = several(context, Many("", tuple(rights)), answer)
        return "order" if result is False and isinstance(answer, Many) and answer.kind != "{" else result
    left = expected[0][0]
    result = context.same(rights[0], answer)
    if result is not True:
        return result
    return "right_side" if context.question.asks_equation and not isinstance(left, Call | Words) else True


def relations(context: Context, reference: Node, answer: Node) -> Result:
    """Equations and inequalities whose sides are expressions."""
    if not isinstance(reference, Relation) or not isinstance(answer, Relation):
        equation = reference if isinstance(reference, Relation) else answer
        assert isinstance(equation, Relation)
        if equation is answer and set(equation.operators) == {"="}:
            result = context.same(reference, equation.sides[-1])
            return _left_counts(context, equation.sides[0]) if result is True else result
        if equation.operators[-1:] == ("~",) and equation is answer:
            results = [context.same(reference, side) for side in equation.sides[-2:]]
            return True if results[0] is True else "rounded" if results[1] is True else results[0]
        if equation is reference and set(equation.operators) == {"="}:
            result = context.same(equation.sides[-1], answer)
            return "right_side" if result is True else result
        return "relation"
    if len(reference.operators) != 1 or len(answer.operators) != 1:
        return "relation"
    (operator, sides), (other, other_sides) = _upward(reference), _upward(answer)
    if operator != other:
        return False
    results = [_plain(context, left, right) for left, right in zip(sides, other_sides, strict=True)]
    if all(result is True for result in results):
        return True
    if operator in ("=", "!=") and all(isinstance(side, PLAIN) for side in (*sides, *other_sides)):
        return equations(context, Operation("-", sides), Operation("-", other_sides))
    return "relation"


def _plain(context: Context, left: Node, right: Node) -> Result:
    try:
        return context.same(left, right)
    except NeedsAlgebra:
        return "algebra"


def unchained(node: Node) -> Node:
    """`8 * 3 = 24` as its last side, and a chain `x = 2 + 3 = 5` as the equation of its first and last side.

    Raises:
        Unreadable: Two sides that are numbers differ.
    """
    if isinstance(node, Relation) and len(node.operators) > 1 and node.operators[-1] == "~":
        node = Relation(node.operators[:-1], node.sides[:-1])  # the rounded value behind an exact one
    if not isinstance(node, Relation) or set(node.operators) != {"="}:
        return node
    first, last = node.sides[0], node.sides[-1]
    if _is_constant(first) and (_is_constant(last) or isinstance(last, Quantity)):
        inner = last.value if isinstance(last, Quantity) else last
        try:
            if value(first) != value(inner) and not isinstance(last, Quantity):
                raise Unreadable("contradiction")
        except Unreadable as problem:
            if problem.reason == "contradiction":
                raise
        return last
    return Relation(("=",), (first, last)) if len(node.sides) > 2 else node


def _is_constant(node: Node) -> bool:
    return isinstance(node, Number | Operation) and not symbols(node)


def is_assigned(node: Node) -> bool:
    """Whether a tree is an equation, or several, with names as left sides."""
    return _assigned(node) is not None


def _assigned(node: Node) -> _Assigned | None:
    """Left and right sides of equations whose left side is a name; None for any other tree."""
    if isinstance(node, Relation):
        pair = _as_assignment(node)
        return [(pair[0], part) for part in _set_items(pair[1])] if pair else None
    if isinstance(node, Many) and node.items:
        pairs = [_as_assignment(item) if isinstance(item, Relation) else None for item in node.items]
        flat = [pair for pair in pairs if pair is not None]
        if len(flat) == len(pairs):
            return [(left, part) for left, right in flat for part in _set_items(right)]
    return None


def _set_items(node: Node) -> Sequence[Node]:
    return node.items if isinstance(node, Many) and node.kind == "{" and node.items else (node,)


def _as_assignment(node: Relation) -> tuple[Node, Node] | None:
    if set(node.operators) != {"="}:
        return None
    left, right = node.sides[0], node.sides[-1]
    if isinstance(right, Symbol) and isinstance(left, Number):
        left, right = right, left
    if (
        isinstance(left, Symbol | Call | Words)
        or _is_measure(left)
        or (isinstance(left, Many) and all(isinstance(i, Symbol) for i in left.items))
    ):
        return left, right
    return None


def _is_measure(node: Node) -> bool:
    """Whether a left side names lengths of points: `|AB|`, `AB`, `\\frac{AB}{CD}`, `A:B`."""
    names = symbols(node)
    operators = {part.operator for part in walk(node) if isinstance(part, Operation)}
    is_named = bool(names) and all(name.split(" ")[-1].isupper() for name in names)
    return is_named and operators <= {"*", "/", "abs"} and not any(isinstance(part, Number) for part in walk(node))


def _grouped(pairs: _Assigned) -> _Assigned | Many:
    """`p = 5, q = 2, p = 7, q = 2` as the points (5, 2) and (7, 2); other pairs as they are."""
    names = [repr(normal(left)) for left, _ in pairs]
    period = len(set(names))
    if not 1 < period < len(names) or len(names) % period or names != names[:period] * (len(names) // period):
        return pairs
    rights = [right for _, right in pairs]
    return Many("{", tuple(Many("(", tuple(rights[at : at + period])) for at in range(0, len(rights), period)))


def _bare_names(pairs: _Assigned) -> list[str]:
    """The left sides without subscripts: `x_1` and `x_2` are both `x`."""
    return sorted(left.name.partition("_")[0] if isinstance(left, Symbol) else repr(normal(left)) for left, _ in pairs)


def _renamed(left: Node, other: Node) -> tuple[str, str] | None:
    """The letters of `f(x)` and `f(n)`, where only the letter differs."""
    if not isinstance(left, Call) or not isinstance(other, Call) or left.name != other.name:
        return None
    if len(left.arguments) != 1 or len(other.arguments) != 1:
        return None
    first, second = left.arguments[0], other.arguments[0]
    return (first.name, second.name) if isinstance(first, Symbol) and isinstance(second, Symbol) else None


def _with_name(node: Node, new: str, old: str) -> Node:
    if isinstance(node, Symbol):
        return Symbol(new) if node.name == old else node
    if isinstance(node, Operation):
        return Operation(node.operator, tuple(_with_name(part, new, old) for part in node.operands))
    if isinstance(node, Call):
        return Call(node.name, tuple(_with_name(part, new, old) for part in node.arguments))
    return node


def _upward(relation: Relation) -> tuple[str, tuple[Node, ...]]:
    """Operator and sides with `<` in place of `>`."""
    operator = relation.operators[0]
    if operator in (">", ">="):
        return operator.replace(">", "<"), relation.sides[::-1]
    return operator, relation.sides
