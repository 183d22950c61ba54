"""Whether an answer's value equals a reference's, as the question asks for it.

Takes two trees of `read_value` and a question; gives true, false, or the reason why that cannot be decided. Single
expressions are compared by a function `leaf`: `plain_leaf`, which compares fractions and names, or the algebra of
`symbolic.py` in the worker. Does not depend on responses or verdicts.

What only one side writes (a unit, a degree sign, a currency, the left side of an assignment) does not count, unless the
question asks for it.
"""

from __future__ import annotations

from restem.verifiers.algebra.brackets import is_infinite
from restem.verifiers.algebra.context import Context, Leaf, Result
from restem.verifiers.algebra.equality import equal_without_algebra, normal
from restem.verifiers.algebra.left_sides import assignments, is_assigned, relations, unchained
from restem.verifiers.algebra.measures import quantities
from restem.verifiers.algebra.nodes import (
    Based,
    Choice,
    Clock,
    Comma,
    Constant,
    Interval,
    Many,
    Matrix,
    Node,
    Number,
    Quantity,
    Ratio,
    Region,
    Relation,
    Symbol,
    Union,
    Words,
    symbols,
)
from restem.verifiers.algebra.questions import Question, facts_of
from restem.verifiers.algebra.several import matrices, regions, several, without_comma
from restem.verifiers.algebra.wording import bases, choices, ratios, times, words


def same_value(reference: Node, answer: Node, question: str) -> Result:
    """Whether an answer equals the reference: true, false, or the reason why that cannot be decided.

    Args:
        reference: The tree of the reference.
        answer: The tree of the answer.
        question: The question, which decides about units, order and left sides.

    Raises:
        NeedsAlgebra: Only exact algebra can tell; see `symbolic.equal_values`.
        Unreadable: A tree exceeds a limit or has no value.
    """
    return compared(reference, answer, facts_of(question), plain_leaf)


def plain_leaf(left: Node, right: Node) -> Result:
    """The comparison of two single expressions by their normal forms and fractions.

    Raises:
        NeedsAlgebra: Neither decides.
        Unreadable: An expression exceeds a limit or divides by zero.
    """
    if normal(left) == normal(right):
        return True
    if is_infinite(left) or is_infinite(right):
        return False
    if isinstance(left, Symbol | Constant) and isinstance(right, Symbol | Constant) and left.name == right.name:
        return True  # the letter e as text, and as mathematics
    if isinstance(left, Symbol | Number) and isinstance(right, Symbol | Number) and type(left) is not type(right):
        return False
    return equal_without_algebra(left, right)


def compared(reference: Node, answer: Node, question: Question, leaf: Leaf) -> Result:
    """As `same_value`, with a given comparison of single expressions."""
    if normal(reference) == normal(answer):
        return True

    def same(left: Node, right: Node) -> Result:
        return _same(Context(question, leaf, same), left, right)

    return same(unchained(reference), unchained(answer))


# Two values are compared by the first of these kinds that fits one of them.
_BEFORE_RELATIONS = ((Choice, choices), (Words, words), (Clock, times), (Ratio, ratios))
_BEHIND_RELATIONS = (
    (Region | Interval | Union, regions),
    (Relation, relations),
    (Quantity, quantities),
    (Based, bases),
    (Matrix, matrices),
    (Many, several),
)


def _same(context: Context, reference: Node, answer: Node) -> Result:
    if normal(reference) == normal(answer):
        return True
    pair = (reference, answer)
    if any(isinstance(node, Comma) for node in pair):
        return context.same(without_comma(reference, answer), without_comma(answer, reference))
    for kind, compare in _BEFORE_RELATIONS:
        if any(isinstance(node, kind) for node in pair):
            return compare(context, reference, answer)
    assigned = [is_assigned(node) for node in pair]
    if all(assigned) or (any(assigned) and not all(isinstance(node, Relation) for node in pair)):
        return assignments(context, reference, answer)
    for kind, compare in _BEHIND_RELATIONS:
        if any(isinstance(node, kind) for node in pair):
            return compare(context, reference, answer)
    result = context.leaf(reference, answer)
    return "letter_case" if result is False and _differ_in_case(reference, answer) else result


def _differ_in_case(reference: Node, answer: Node) -> bool:
    names, others = symbols(reference), symbols(answer)
    return names != others and {name.lower() for name in names} == {name.lower() for name in others}
