"""Whether two expressions are equal, by their values to a hundred digits. Runs only in the killable worker.

Takes trees of `read_value`; gives true, false, or the reason why that cannot be decided. Expressions are evaluated with
mpmath at random rational points, node by node; the precision grows with the largest and smallest magnitude that occurs,
so that no cancellation is taken for equality. Does not depend on responses or verdicts, and evaluates no text.

Real values count first: roots and logarithms of negative numbers have several complex values. Expressions that agree
for positive letters alone, or for whole numbers alone, are not decided.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import mpmath

from restem.verifiers.algebra.nodes import Call, Constant, Node, Number, Operation, Symbol, Unreadable, symbols, walk

MAX_NODES = 400
MAX_PRECISION = 1500
MAX_MAGNITUDE = 500_000  # decimal digits before or behind the point of any value
SURE_DIGITS = 100
FIRST_DIGITS = 30
MAX_GAMMA = 200
SEED = 20_26

Point: TypeAlias = Mapping[str, Any]
"""The value of each letter: a fraction, or a number of mpmath."""


class _Undefined(Exception):
    """An expression has no value at a point."""


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "cot": mpmath.cot,
    "sec": mpmath.sec,
    "csc": mpmath.csc,
    "arcsin": mpmath.asin,
    "arccos": mpmath.acos,
    "arctan": mpmath.atan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "ln": mpmath.log,
    "sgn": mpmath.sign,
}
_OF_WHOLE_NUMBERS = {"gcd", "lcm", "max", "min"}
_UNSUPPORTED = {"det", "arg", "Re", "Im", "deg"}


def numerically_equal(left: Node, right: Node) -> bool | str:
    """Whether two expressions have the same values.

    Raises:
        Unreadable: An expression is too large, or has no value at any point.
    """
    result = _agree(left, right, 10)
    if result is False and any(map(_has_bare_log, (left, right))) and _agree(left, right, 0) is not False:
        return "logarithm"  # without a base it is decimal in some texts and natural in others
    return result


def _agree(left: Node, right: Node, base: int) -> bool | str:
    names = sorted(symbols(left) | symbols(right))
    agreements: dict[str, list[bool]] = {"positive": [], "any": [], "complex": []}
    reason = "undefined"
    is_counted = any(_counts(part) for tree in (left, right) for part in walk(tree))
    for kind, point in _whole_points(names) if is_counted else _points(names):
        try:
            first, second, is_equal = _compared_at(left, right, point, base)
        except _Undefined:
            continue
        except Unreadable as problem:
            if problem.reason != "too_large":
                raise
            reason = problem.reason
            continue
        is_real = not isinstance(first, mpmath.mpc) and not isinstance(second, mpmath.mpc)
        agreements[kind if is_real else "complex"].append(is_equal)
        if not names:
            break
    for kind in ("positive", "any", "complex"):
        if agreements[kind]:
            if all(agreements[kind]):
                is_everywhere = kind == "complex" or all(agreements["any"])
                return True if is_everywhere else "domain"
            return "domain" if _agree_at_whole_numbers(left, right, names, base) else False
    raise Unreadable(reason)


def _agree_at_whole_numbers(left: Node, right: Node, names: Sequence[str], base: int) -> bool:
    """Whether two expressions with letters agree wherever the letters are positive whole numbers."""
    results: list[bool] = []
    for shift in range(2, 6):
        point = {name: Fraction(shift + 2 * place) for place, name in enumerate(names)}
        try:
            results.append(_compared_at(left, right, point, base)[2])
        except (_Undefined, Unreadable):
            continue
    return bool(names) and len(results) > 2 and all(results)


def _points(names: Sequence[str]) -> list[tuple[str, Point]]:
    """Points with positive letters, small and larger, and with letters of any sign."""
    source = random.Random(SEED)

    def point(low: int, high: int) -> Point:
        return {name: Fraction(source.randint(low, high) or 1, source.choice((89, 97, 101, 103))) for name in names}

    small = [("positive", point(11, 400)) for _ in range(4)]
    large = [("positive", point(400, 6000)) for _ in range(3)]
    return [*small, *large, *(("any", point(-500, 500)) for _ in range(4))]


def _counts(node: Node) -> bool:
    """Whether a node is a factorial or a binomial coefficient of letters, which stand for whole numbers."""
    return isinstance(node, Operation) and node.operator in ("!", "binom") and bool(symbols(node))


def _whole_points(names: Sequence[str]) -> list[tuple[str, Point]]:
    source = random.Random(SEED)
    return [("positive", {name: Fraction(source.randint(5, 60)) for name in names}) for _ in range(8)]


def _compared_at(left: Node, right: Node, point: Point, base: int) -> tuple[Any, Any, bool]:
    """Both values at a point, and whether they are equal to a hundred digits."""
    magnitude, digits = 0, FIRST_DIGITS
    for _ in range(2):
        with mpmath.workdps(digits):
            evaluation = _Evaluation(point, base)
            values = evaluation.real(left), evaluation.real(right)
            if digits > FIRST_DIGITS:
                distance = mpmath.fabs(values[0] - values[1])
                size = max(mpmath.fabs(values[0]), mpmath.fabs(values[1]))
                bound = mpmath.mpf(10) ** -(SURE_DIGITS + magnitude)
                return *values, bool(distance <= max(size, 1) * bound)
            magnitude = evaluation.magnitude
            digits = SURE_DIGITS + 30 + 2 * magnitude
            if digits > MAX_PRECISION:
                raise Unreadable("too_large")
    raise AssertionError("the second pass returns")


class _Evaluation:
    """The values of the nodes of trees at a point; `magnitude` is the largest number of digits that occurred."""

    def __init__(self, point: Point, base: int) -> None:
        self.point = point
        self.base = base
        self.magnitude = 0
        self.nodes = 0

    def real(self, node: Node) -> Any:
        """The value; a complex value without imaginary part as a real number."""
        result = self.value(node)
        if isinstance(result, mpmath.mpc) and mpmath.fabs(result.imag) <= mpmath.fabs(result.real) * mpmath.eps * 2**20:
            return result.real
        return result

    def value(self, node: Node) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise Unreadable("too_large")
        try:
            result = self._value(node)
        except (ZeroDivisionError, ValueError, OverflowError):
            raise _Undefined from None
        if not mpmath.isfinite(result):
            raise _Undefined
        if result:
            digits = abs(mpmath.mag(result)) * 3 // 10
            if digits > MAX_MAGNITUDE:
                raise Unreadable("too_large")
            self.magnitude = max(self.magnitude, int(digits))
        return result

    def _value(self, node: Node) -> Any:
        match node:
            case Number():
                return mpmath.mpf(node.value.numerator) / node.value.denominator
            case Symbol():
                number = self.point[node.name]
                if not isinstance(number, Fraction):
                    return number
                return mpmath.mpf(number.numerator) / number.denominator
            case Constant():
                return self._constant(node.name)
            case Operation():
                return self._operation(node.operator, [self.value(part) for part in node.operands])
            case Call():
                return self._call(node.name, [self.value(part) for part in node.arguments])
            case _:
                raise Unreadable("syntax")

    def _constant(self, name: str) -> Any:
        if name == "i":
            return mpmath.mpc(0, 1)
        if name not in ("pi", "e"):
            raise Unreadable("syntax")
        return +mpmath.pi if name == "pi" else +mpmath.e

    def _operation(self, operator: str, values: list[Any]) -> Any:
        left, right = values[0], values[-1]
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "neg":
                return -left
            case "sqrt":
                return mpmath.sqrt(left)
            case "root":
                return _root(left, right)
            case "^":
                return _power(left, right)
            case "abs":
                return mpmath.fabs(left)
            case "floor" | "ceil":
                if isinstance(left, mpmath.mpc):
                    raise _Undefined
                return mpmath.floor(left) if operator == "floor" else mpmath.ceil(left)
            case "deg":
                return left * mpmath.pi / 180
            case "!" | "binom":
                if max(mpmath.fabs(value) for value in values) > MAX_GAMMA:
                    raise Unreadable("too_large")
                return mpmath.gamma(left + 1) if operator == "!" else mpmath.binomial(left, right)
            case _:
                raise Unreadable("syntax")

    def _call(self, name: str, values: list[Any]) -> Any:
        first = values[0]
        if name == "log":
            base = values[1] if len(values) > 1 else (mpmath.mpf(self.base) if self.base else mpmath.e)
            return mpmath.log(first) / mpmath.log(base)
        if name in _FUNCTIONS:
            if len(values) != 1:
                raise Unreadable("syntax")
            if name not in ("ln", "sgn") and mpmath.fabs(first) > 10**9:
                raise Unreadable("too_large")
            return _FUNCTIONS[name](first)
        if name in _OF_WHOLE_NUMBERS:
            return _of_whole_numbers(name, values)
        if name in _UNSUPPORTED:
            raise Unreadable("syntax")
        return _any_function(name, values)


def _power(base: Any, exponent: Any) -> Any:
    if not base:
        if isinstance(exponent, mpmath.mpc) or exponent <= 0:
            raise _Undefined
        return base
    if mpmath.fabs(exponent) * (abs(mpmath.mag(base)) + 1) > MAX_MAGNITUDE:
        raise Unreadable("too_large")
    return mpmath.power(base, exponent)


def _root(radicand: Any, index: Any) -> Any:
    if isinstance(index, mpmath.mpc) or not mpmath.isint(index) or not 1 <= index <= 1000:
        raise Unreadable("syntax")
    if not isinstance(radicand, mpmath.mpc) and radicand < 0 and int(index) % 2:
        return -mpmath.root(-radicand, int(index))
    return mpmath.root(radicand, int(index))


def _of_whole_numbers(name: str, values: list[Any]) -> Any:
    if any(isinstance(value, mpmath.mpc) for value in values):
        raise _Undefined
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    if any(not mpmath.isint(value) or mpmath.fabs(value) > 10**15 or not value for value in values):
        raise _Undefined
    numbers = [int(value) for value in values]
    return mpmath.mpf(math.gcd(*numbers) if name == "gcd" else math.lcm(*numbers))


def _any_function(name: str, values: list[Any]) -> Any:
    """A value between 1 and 2 for a function that is only a name: the same for the same arguments."""
    text = f"{name}({', '.join(str(mpmath.nstr(value, 20)) for value in values)})"
    return 1 + mpmath.mpf(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")) / 2**64


def _has_bare_log(node: Node) -> bool:
    return any(isinstance(part, Call) and part.name == "log" and len(part.arguments) == 1 for part in walk(node))


# -- Equations ---------------------------------------------------------------------------------------------------------


def same_zeros(left: Node, right: Node) -> bool | str:
    """Whether two expressions vanish at the same points: one is a multiple of the other, or both give the same root.

    Raises:
        Unreadable: An expression is too large, or has no value at any point.
    """
    names = sorted(symbols(left) | symbols(right))
    quotients: list[Any] = []
    for _, point in _points(names):
        try:
            with mpmath.workdps(SURE_DIGITS):
                evaluation = _Evaluation(point, 10)
                quotients.append(evaluation.value(left) / evaluation.value(right))
        except (_Undefined, ZeroDivisionError):
            continue
    if len(quotients) < 3:
        raise Unreadable("undefined")
    if _constant(quotients):
        return True
    for name in names:
        roots = [(_linear_root(left, name, point), _linear_root(right, name, point)) for _, point in _points(names)]
        known = [(first, second) for first, second in roots if first is not None and second is not None]
        if len(known) > 2:
            return all(_constant(pair) for pair in known)
    return _share_roots(left, right, names)


def _share_roots(left: Node, right: Node, names: Sequence[str]) -> bool | str:
    """False where one expression vanishes and the other does not; never true, because only some roots are tried."""
    for (_, point), name in itertools.product(_points(names)[:4], names):
        with mpmath.workdps(FIRST_DIGITS):
            for first, second in ((left, right), (right, left)):
                root = _root_near(first, name, point)
                if root is None:
                    continue
                try:
                    rest = _Evaluation({**point, name: root}, 10).value(second)
                except (_Undefined, Unreadable):
                    continue
                if mpmath.fabs(rest) > mpmath.mpf(10) ** -(FIRST_DIGITS // 2):
                    return False
    return "relation"


def _root_near(node: Node, name: str, point: Point) -> Any:
    def value(number: Any) -> Any:
        return _Evaluation({**point, name: number}, 10).value(node)

    try:
        return mpmath.findroot(value, mpmath.mpf(3) / 2, maxsteps=30)
    except (_Undefined, Unreadable, ValueError, ZeroDivisionError):
        return None


def _constant(values: Sequence[Any]) -> bool:
    first = values[0]
    bound = mpmath.mpf(10) ** -(SURE_DIGITS // 2) * max(mpmath.fabs(first), mpmath.mpf(10) ** -20)
    return bool(all(mpmath.fabs(value - first) <= bound for value in values))


def _linear_root(node: Node, name: str, point: Point) -> Any:
    """The value of a letter at which an expression vanishes, where the expression is linear in that letter."""
    try:
        with mpmath.workdps(SURE_DIGITS):
            values = [_Evaluation({**point, name: Fraction(place)}, 10).value(node) for place in (1, 2, 3, 4)]
            step = values[1] - values[0]
            if not step or not _constant([step, values[2] - values[1], values[3] - values[2]]):
                return None
            return 1 - values[0] / step
    except _Undefined:
        return None
