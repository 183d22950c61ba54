"""Whether an answer's value equals a reference's, as the question asks for it.

Takes two trees of `read_value` and a question; gives true, false, or the reason why that cannot be decided. Single
expressions are compared by a function `leaf`: `plain_leaf`, which compares fractions and names, or the algebra of
`symbolic.py` in the worker. Does not depend on responses or verdicts.

What only one side writes (a unit, a degree sign, a currency, the left side of an assignment) does not count, unless the
question asks for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from restem.verifiers.algebra.equality import MAX_PAIRS, NeedsAlgebra, equal_without_algebra, normal
from restem.verifiers.algebra.formulas import is_infinite
from restem.verifiers.algebra.nodes import (
    Based,
    Call,
    Choice,
    Clock,
    Comma,
    Constant,
    Interval,
    Many,
    Matrix,
    Node,
    Number,
    Operation,
    Quantity,
    Ratio,
    Region,
    Relation,
    Symbol,
    Union,
    Unreadable,
    Words,
    symbols,
    value,
    walk,
)
from restem.verifiers.algebra.questions import Question, facts_of
from restem.verifiers.algebra.regions import as_set
from restem.verifiers.algebra.units import DEGREE, PERCENT

Result: TypeAlias = bool | str
Leaf: TypeAlias = Callable[[Node, Node], Result]
_Assigned: TypeAlias = list[tuple[Node, Node]]
"""Pairs of a left side, which is a name, and its right side."""

_YES = {"yes": True, "no": False}
_TRUE = {"true": True, "false": False}
_PLAIN = (Number, Symbol, Operation, Constant, Call)


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
    return _Comparison(question, leaf).top(reference, answer)


def _both(results: Sequence[Result]) -> Result:
    """Whether all hold: false where one is false, else the first reason."""
    if any(result is False for result in results):
        return False
    return next((result for result in results if result is not True), True)


class _Comparison:
    """Comparison by the kinds of the two trees, the rarest kinds first."""

    def __init__(self, question: Question, leaf: Leaf) -> None:
        self.question = question
        self.leaf = leaf

    def top(self, reference: Node, answer: Node) -> Result:
        """The comparison of the whole reference with the whole answer."""
        if normal(reference) == normal(answer):
            return True
        answer = _unchained(answer)
        reference = _unchained(reference)
        return self.same(reference, answer)

    def same(self, reference: Node, answer: Node) -> Result:
        if normal(reference) == normal(answer):
            return True
        if isinstance(reference, Comma) or isinstance(answer, Comma):
            return self.same(_without_comma(reference, answer), _without_comma(answer, reference))
        kinds = (reference, answer)
        for kind, method in (
            (Choice, self.choices),
            (Words, self.words),
            (Clock, self.times),
            (Ratio, self.ratios),
        ):
            if any(isinstance(node, kind) for node in kinds):
                return method(reference, answer)
        assigned = [_is_assigned(node) for node in kinds]
        if all(assigned) or (any(assigned) and not all(isinstance(node, Relation) for node in kinds)):
            return self.assignments(reference, answer)
        if any(isinstance(node, Region | Interval | Union) for node in kinds):
            return self.regions(reference, answer)
        if any(isinstance(node, Relation) for node in kinds):
            return self.relations(reference, answer)
        if any(isinstance(node, Quantity) for node in kinds):
            return self.quantities(reference, answer)
        if any(isinstance(node, Based) for node in kinds):
            return self.bases(reference, answer)
        if any(isinstance(node, Matrix) for node in kinds):
            return self.matrices(reference, answer)
        if any(isinstance(node, Many) for node in kinds):
            return self.several(reference, answer)
        result = self.leaf(reference, answer)
        return "letter_case" if result is False and _differ_in_case(reference, answer) else result

    # -- Words ---------------------------------------------------------------------------------------------------------

    def choices(self, reference: Node, answer: Node) -> Result:
        if isinstance(reference, Choice):
            if isinstance(answer, Choice):
                return reference.letter == answer.letter
            if isinstance(answer, Symbol) and len(answer.name) == 1:
                return reference.letter == answer.name.upper()
            return "not_a_choice"
        assert isinstance(answer, Choice)
        if isinstance(reference, Symbol):
            if len(reference.name) == 1:
                return reference.name.upper() == answer.letter
            return False
        return self.same(reference, answer.rest) if answer.rest is not None else "choice"

    def words(self, reference: Node, answer: Node) -> Result:
        if isinstance(reference, Words) and isinstance(answer, Words):
            return _same_words(reference.words, answer.words)
        letters = _as_product(reference), _as_product(answer)
        if isinstance(letters[0], _PLAIN) and isinstance(letters[1], _PLAIN):
            return self.leaf(letters[0], letters[1])
        if isinstance(answer, Relation) and isinstance(reference, Words) and answer.operators[0] == "=":
            return self.same(reference, answer.sides[-1])
        if isinstance(reference, Words) and len(reference.words) <= 3 and not isinstance(answer, Relation | Symbol):
            return False
        return "words"

    # -- Times and ratios ----------------------------------------------------------------------------------------------

    def times(self, reference: Node, answer: Node) -> Result:
        first, second = _minutes(reference), _minutes(answer)
        if first is None or second is None:
            return "time"
        if isinstance(reference, Clock) and isinstance(answer, Clock):
            return first == second
        clock, ratio = (first, second) if isinstance(reference, Clock) else (second, first)
        if ratio >= 13 * 60:
            return ratio == clock
        return ratio % 720 == clock % 720  # written without its half

    def ratios(self, reference: Node, answer: Node) -> Result:
        if isinstance(reference, Ratio) and isinstance(answer, Ratio):
            return self._two_ratios(reference, answer)
        ratio, other = (reference, answer) if isinstance(reference, Ratio) else (answer, reference)
        assert isinstance(ratio, Ratio)
        if isinstance(other, Relation) and other.operators[0] == "=":
            return self.same(reference, other.sides[-1]) if other is answer else self.same(other.sides[-1], answer)
        if len(ratio.parts) != 2 or not isinstance(other, Number | Operation) or ratio.may_be_time:
            return "ratio"
        result = self.leaf(Operation("/", ratio.parts), other)
        return result if result is not True or self.question.asks_ratio else "ratio"

    def _two_ratios(self, reference: Ratio, answer: Ratio) -> Result:
        if len(reference.parts) != len(answer.parts):
            return False
        if reference.may_be_time and answer.may_be_time and not self.question.asks_ratio:
            return False
        first, other = reference.parts[0], answer.parts[0]
        pairs = zip(reference.parts[1:], answer.parts[1:], strict=True)
        return _both([self.leaf(_times(first, right), _times(other, left)) for left, right in pairs])

    # -- Units ---------------------------------------------------------------------------------------------------------

    def quantities(self, reference: Node, answer: Node) -> Result:
        if isinstance(reference, Many | Matrix) or isinstance(answer, Many | Matrix):
            has_matrix = isinstance(reference, Matrix) or isinstance(answer, Matrix)
            return "matrix" if has_matrix else self.several(reference, answer)
        if isinstance(reference, Quantity) and isinstance(answer, Quantity):
            return self._two_quantities(reference, answer)
        if isinstance(reference, Based) or isinstance(answer, Based):
            return False
        if isinstance(answer, Quantity):
            return self._against_number(reference, answer)
        assert isinstance(reference, Quantity)
        if reference.unit == PERCENT:
            result = self.leaf(reference.value, answer)
            return result if result is True else self.leaf(_percent(reference.value), answer)
        if reference.unit.is_compound:
            return self._in_asked_unit(reference, answer, is_reference=True)
        if reference.unit == DEGREE and _has_pi(answer):
            return self.leaf(Operation("deg", (reference.value,)), answer)
        return self.leaf(reference.value, answer)

    def _two_quantities(self, reference: Quantity, answer: Quantity) -> Result:
        if reference.unit.dimension == answer.unit.dimension:
            if reference.unit.factor == answer.unit.factor:
                return self.leaf(reference.value, answer.value)
            return self.leaf(_scaled(reference), _scaled(answer))
        dimensions = {name for unit in (reference.unit, answer.unit) for name, _ in unit.dimension}
        if "percent" in dimensions or "pound" in dimensions or "degree" in dimensions:
            return "unit"
        return "unit" if self.leaf(reference.value, answer.value) is True else False

    def _against_number(self, reference: Node, answer: Quantity) -> Result:
        if answer.unit == PERCENT:
            result = self.leaf(reference, _percent(answer.value))
            if result is True or not (self.question.asks_percent or _is_over_one(reference)):
                return result
            return self.leaf(reference, answer.value)
        asked = self.question.unit
        if asked is not None and asked.dimension == answer.unit.dimension:
            return self._in_asked_unit(answer, reference, is_reference=False)
        if answer.unit.is_compound:
            return "unit"
        if answer.unit == DEGREE and _has_pi(reference):
            return self.leaf(reference, Operation("deg", (answer.value,)))
        return self.leaf(reference, answer.value)

    def _in_asked_unit(self, quantity: Quantity, number: Node, *, is_reference: bool) -> Result:
        asked = self.question.unit
        if asked is None or asked.dimension != quantity.unit.dimension:
            return "unit"
        converted = Operation("*", (quantity.value, Number(quantity.unit.factor / asked.factor)))
        return self.leaf(converted, number) if is_reference else self.leaf(number, converted)

    # -- Left sides ----------------------------------------------------------------------------------------------------

    def assignments(self, reference: Node, answer: Node) -> Result:
        """Equations, or lists of them, of which at least one has a left side that only names its right side."""
        expected, given = _assigned(reference), _assigned(answer)
        points = [_grouped(pairs) if pairs else None for pairs in (expected, given)]
        if any(isinstance(group, Many) for group in points):
            nodes = zip(points, (reference, answer), strict=True)
            return self.same(*(group if isinstance(group, Many) else node for group, node in nodes))
        if expected is not None and given is not None:
            return self._two_lists(expected, given)
        if expected is None:
            return self._answer_assigned(reference, given or [], answer)
        return self._reference_assigned(expected, reference, answer)

    def _two_lists(self, expected: _Assigned, given: _Assigned) -> Result:
        if len(expected) == 1 and len(given) == 1:
            return self._two_equations(expected[0], given[0])
        if len({normal(left) for left, _ in expected}) == 1 and len({normal(left) for left, _ in given}) == 1:
            if normal(expected[0][0]) != normal(given[0][0]):
                return False
            return self.unordered([right for _, right in expected], [right for _, right in given])
        if len(expected) != len(given):
            return False
        names = {normal(left): right for left, right in given}
        if len(names) == len(given) and all(normal(left) in names for left, _ in expected):
            return _both([self.same(right, names[normal(left)]) for left, right in expected])
        if _bare_names(expected) == _bare_names(given):
            return self.unordered([right for _, right in expected], [right for _, right in given])
        return "left_side"

    def _two_equations(self, expected: tuple[Node, Node], given: tuple[Node, Node]) -> Result:
        (left, right), (other_left, other_right) = expected, given
        if normal(left) == normal(other_left):
            return self.same(right, other_right)
        renamed = _renamed(left, other_left)
        if renamed is not None:
            return self.same(right, _with_name(other_right, *renamed))
        constant = not symbols(right) and not symbols(other_right)
        if isinstance(left, Symbol) and isinstance(other_left, Symbol) and constant:
            return False
        if isinstance(left, Words) or isinstance(other_left, Words):
            return self.same(right, other_right) if constant else "left_side"
        if isinstance(left, Call) or isinstance(other_left, Call):
            result = self.same(right, other_right)
            return "left_side" if result is True else result
        if not all(isinstance(side, _PLAIN) for side in (*expected, *given)):
            return "left_side"
        return self.equations(Operation("-", expected), Operation("-", given))

    def equations(self, expected: Node, given: Node) -> Result:
        """Whether one difference of sides is a constant multiple of the other; only the worker's leaf can tell."""
        if normal(expected) == normal(given) or normal(expected) == normal(Operation("neg", (given,))):
            return True
        if symbols(expected) != symbols(given):
            return False
        proportional = getattr(self.leaf, "proportional", None)
        if proportional is None:
            raise NeedsAlgebra
        return proportional(expected, given)

    def _answer_assigned(self, reference: Node, given: _Assigned, answer: Node) -> Result:
        """A reference without a left side, and an answer with one or several."""
        lefts = [left for left, _ in given]
        rights = [right for _, right in given]
        if len(given) == 1:
            result = self.same(reference, rights[0])
            return self._left_counts(lefts[0]) if result is True else result
        if isinstance(reference, Many):
            if len({normal(left) for left in lefts}) == 1:
                return self.several(reference, Many("{" if reference.kind != "(" else "", tuple(rights)))
            return self._in_order_of_names(reference, given)
        if len({normal(left) for left in lefts}) == 1:
            return self.several(reference, Many("", tuple(rights)))
        asked = [right for left, right in given if self._left_counts(left) is True and self._is_target(left)]
        return self.same(reference, asked[0]) if len(asked) == 1 else False

    def _in_order_of_names(self, reference: Many, given: _Assigned) -> Result:
        """`x = 3, y = 5` for `(3, 5)`: by the letters of the question, or in the order of the alphabet."""
        names = [left.name if isinstance(left, Symbol) else "" for left, _ in given]
        order = self.question.unknowns if set(self.question.unknowns) == set(names) else tuple(sorted(names))
        if "" in names or len(set(names)) < len(names):
            return self.several(reference, Many("", tuple(right for _, right in given)))
        values = {name: right for name, (_, right) in zip(names, given, strict=True)}
        return self.several(reference, Many(reference.kind, tuple(values[name] for name in order)))

    def _is_target(self, left: Node) -> bool:
        target = self.question.target
        return target is not None and normal(target) == normal(left)

    def _left_counts(self, left: Node) -> Result:
        """Whether the left side of an answer is what the question asks for."""
        target = self.question.target
        if target is None or normal(target) == normal(left):
            return True
        if isinstance(left, Symbol) and isinstance(target, Symbol) and len(left.name) == 1:
            return False  # y = 2 where x is asked for
        if isinstance(left, Symbol) and isinstance(target, Symbol) and left.name.startswith(f"{target.name}_"):
            return True
        if (isinstance(left, Call) and isinstance(target, Symbol | Call)) or isinstance(left, Words):
            return True
        return "left_side"  # x = 3 where x + y is asked for

    def _reference_assigned(self, expected: _Assigned, reference: Node, answer: Node) -> Result:
        """A reference with left sides, and an answer without one."""
        rights = [right for _, right in expected]
        if len(expected) > 1:
            if len({normal(left) for left, _ in expected}) == 1:
                return self.several(Many("{", tuple(rights)), answer)
            result = self.several(Many("", tuple(rights)), answer)
            return "order" if result is False and isinstance(answer, Many) and answer.kind != "{" else result
        left = expected[0][0]
        result = self.same(rights[0], answer)
        if result is not True:
            return result
        return "right_side" if self.question.asks_equation and not isinstance(left, Call | Words) else True

    # -- Relations and sets of real numbers ----------------------------------------------------------------------------

    def relations(self, reference: Node, answer: Node) -> Result:
        if not isinstance(reference, Relation) or not isinstance(answer, Relation):
            equation = reference if isinstance(reference, Relation) else answer
            assert isinstance(equation, Relation)
            if equation is answer and set(equation.operators) == {"="}:
                result = self.same(reference, equation.sides[-1])
                return self._left_counts(equation.sides[0]) if result is True else result
            if equation.operators[-1:] == ("~",) and equation is answer:
                results = [self.same(reference, side) for side in equation.sides[-2:]]
                return True if results[0] is True else "rounded" if results[1] is True else results[0]
            if equation is reference and set(equation.operators) == {"="}:
                result = self.same(equation.sides[-1], answer)
                return "right_side" if result is True else result
            return "relation"
        if len(reference.operators) != 1 or len(answer.operators) != 1:
            return "relation"
        (operator, sides), (other, other_sides) = _upward(reference), _upward(answer)
        if operator != other:
            return False
        results = [self._plain(left, right) for left, right in zip(sides, other_sides, strict=True)]
        if all(result is True for result in results):
            return True
        if operator in ("=", "!=") and all(isinstance(side, _PLAIN) for side in (*sides, *other_sides)):
            return self.equations(Operation("-", sides), Operation("-", other_sides))
        return "relation"

    def _plain(self, left: Node, right: Node) -> Result:
        try:
            return self.same(left, right)
        except NeedsAlgebra:
            return "algebra"

    def regions(self, reference: Node, answer: Node) -> Result:
        if isinstance(reference, Region) and isinstance(answer, Region):
            letters = normal(reference.letter), normal(answer.letter)
            if letters[0] != letters[1]:
                return False if self._region(reference.values, answer.values) is not True else "left_side"
        if isinstance(reference, Relation) or isinstance(answer, Relation):
            return "relation"
        if reference == Many("{", ()) or answer == Many("{", ()):
            return False
        left = reference.values if isinstance(reference, Region) else as_set(reference)
        right = answer.values if isinstance(answer, Region) else as_set(answer)
        if left is None or right is None:
            return "interval"
        return self._region(left, right)

    def _region(self, left: Node, right: Node) -> Result:
        parts, others = _set_parts(left), _set_parts(right)
        if len(parts) != len(others):
            return False if all(isinstance(part, Interval) for part in (*parts, *others)) else "interval"
        if len(parts) > 1:
            return self.unordered(parts, others)
        first, second = parts[0], others[0]
        if not isinstance(first, Interval) or not isinstance(second, Interval):
            return self.same(first, second)
        if (first.has_low, first.has_high) != (second.has_low, second.has_high):
            return False
        return _both([self.same(first.low, second.low), self.same(first.high, second.high)])

    # -- Bases and matrices --------------------------------------------------------------------------------------------

    def bases(self, reference: Node, answer: Node) -> Result:
        if isinstance(reference, Based) and isinstance(answer, Based):
            is_equal = int(reference.digits, reference.base) == int(answer.digits, answer.base)
            return is_equal and (reference.base == answer.base or "base")
        based, number = (reference, answer) if isinstance(reference, Based) else (answer, reference)
        assert isinstance(based, Based)
        if not isinstance(number, Number):
            return "base"
        if based.digits.isdigit() and Fraction(int(based.digits)) == number.value:
            return True if self.question.asks_base else "base"  # a base that only one side writes
        return "base" if number.value == int(based.digits, based.base) else False

    def matrices(self, reference: Node, answer: Node) -> Result:
        first, second = _rows(reference), _rows(answer)
        if first is None or second is None:
            is_plain = any(isinstance(node, Number | Symbol) for node in (reference, answer))
            return False if is_plain else "matrix"
        is_vector = not (isinstance(reference, Matrix) and isinstance(answer, Matrix))
        if is_vector:
            first, second = [list(itertools.chain(*first))], [list(itertools.chain(*second))]
        if [len(row) for row in first] != [len(row) for row in second]:
            return False
        pairs = zip(itertools.chain(*first), itertools.chain(*second), strict=True)
        return _both([self.same(left, right) for left, right in pairs])

    # -- Several values ------------------------------------------------------------------------------------------------

    def several(self, reference: Node, answer: Node) -> Result:
        """Tuples, sets and lists."""
        if not isinstance(reference, Many) or not isinstance(answer, Many):
            return self._one_and_several(reference, answer)
        kinds = reference.kind, answer.kind
        if not reference.items or not answer.items:
            return False
        if "{" in kinds and ("(" in kinds or "[" in kinds) and min(len(reference.items), len(answer.items)) > 1:
            return False
        if set(kinds) == {"(", "["} and len(reference.items) == 2:
            return False  # an open and a closed interval
        if "{" in kinds:
            return self.unordered(reference.items, answer.items)
        are_points = all(isinstance(item, Many) and item.kind == "(" for item in reference.items)
        is_ordered = self.question.is_ordered or (self.question.is_ordered is None and not are_points)
        if kinds[0] == kinds[1] == "" and not is_ordered:
            return self.unordered(reference.items, answer.items)
        if len(reference.items) != len(answer.items):
            return False
        pairs = zip(reference.items, answer.items, strict=True)
        result = _both([self.same(left, right) for left, right in pairs])
        if result is not False or reference.kind or answer.kind == "(" or self.question.is_ordered:
            return result
        again = self.unordered(reference.items, answer.items)
        return "order" if again is True else again

    def _one_and_several(self, reference: Node, answer: Node) -> Result:
        several, single = (reference, answer) if isinstance(reference, Many) else (answer, reference)
        assert isinstance(several, Many)
        if not several.items:
            return False
        if several is reference:
            if several.kind in ("(", "["):
                return False
            return _both([self.same(item, single) for item in several.items])
        if several.kind in ("(", "[") and len(several.items) > 1:
            return False
        return _both([self.same(single, item) for item in several.items])

    def unordered(self, expected: Sequence[Node], given: Sequence[Node]) -> Result:
        """Whether two sets are equal: each item of one is among those of the other."""
        if len(expected) * len(given) > MAX_PAIRS:
            raise Unreadable("too_large")
        if len(expected) != len(given) and len({normal(item) for item in expected}) < len(expected):
            return False  # 3, 3, 5 is not 3, 5
        return _both(
            [self._among(item, given) for item in expected] + [self._among(item, expected, True) for item in given]
        )

    def _among(self, item: Node, others: Sequence[Node], is_given: bool = False) -> Result:
        reason: Result = False
        needs = False
        for other in others:
            try:
                result = self.same(other, item) if is_given else self.same(item, other)
            except NeedsAlgebra:
                needs = True
                continue
            if result is True:
                return True
            reason = result or reason
        if needs:
            raise NeedsAlgebra
        return reason


# -- Trees -------------------------------------------------------------------------------------------------------------


def _unchained(node: Node) -> Node:
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


def _is_assigned(node: Node) -> bool:
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


def _same_words(expected: tuple[str, ...], given: tuple[str, ...]) -> Result:
    if expected == given:
        return True
    if len(expected) == len(given) == 1 and len(expected[0]) < 4 and sorted(expected[0]) == sorted(given[0]):
        return "words"  # ab and ba may be products
    for pair in (_YES, _TRUE):
        if expected[0] in pair and given[0] in pair:
            return "words" if expected[0] == given[0] else False
    if set(expected) <= set(given) or set(given) <= set(expected):
        return "words"
    return False


def _as_product(node: Node) -> Node:
    """A short word such as `ab` as a product of letters, for a comparison with an expression."""
    if isinstance(node, Words) and len(node.words) == 1 and 2 <= len(node.words[0]) <= 3:
        factors: list[Node] = [Symbol(letter) for letter in node.words[0]]
        product = factors[0]
        for factor in factors[1:]:
            product = Operation("*", (product, factor))
        return product
    return node


def _minutes(node: Node) -> int | None:
    if isinstance(node, Clock):
        return node.minutes
    if isinstance(node, Ratio) and node.may_be_time:
        hours, minutes = (int(part.value) for part in node.parts if isinstance(part, Number))
        return 60 * hours + minutes
    if isinstance(node, Number) and node.value.denominator == 1 and 1 <= node.value <= 12:
        return 60 * int(node.value)
    return None


def _times(left: Node, right: Node) -> Node:
    return Operation("*", (left, right))


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


def _upward(relation: Relation) -> tuple[str, tuple[Node, ...]]:
    """Operator and sides with `<` in place of `>`."""
    operator = relation.operators[0]
    if operator in (">", ">="):
        return operator.replace(">", "<"), relation.sides[::-1]
    return operator, relation.sides


def _set_parts(node: Node) -> Sequence[Node]:
    return node.parts if isinstance(node, Union) else (node,)


def _rows(node: Node) -> Sequence[Sequence[Node]] | None:
    """The rows of a matrix, or of a tuple as a row; a vector is a matrix of one row or column."""
    if isinstance(node, Matrix):
        return node.rows
    return [node.items] if isinstance(node, Many) and node.kind in ("(", "[", "") else None


def _without_comma(node: Node, other: Node) -> Node:
    """Digits around a comma as a decimal number, where a single value stands on the other side; else as a list."""
    if not isinstance(node, Comma):
        return node
    if isinstance(other, Comma | Number | Operation | Quantity):
        return Number(node.decimal)
    return Many("", tuple(Number(number) for number in node.whole))


def _differ_in_case(reference: Node, answer: Node) -> bool:
    names, others = symbols(reference), symbols(answer)
    return names != others and {name.lower() for name in names} == {name.lower() for name in others}
