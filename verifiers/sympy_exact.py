"""`sympy` and `exact`: the final answer compared with the reference, by value or by text.

Takes attempts; gives verdicts. Numbers are compared as fractions and never reach SymPy; a symbolic reference is
compared with SymPy polynomials over the rationals, built node by node from our own parse tree and checked for size
before each step. Knows nothing of models, and runs no text.

A response that commits to no one value (two answers, a hedge, a retraction, none at all) is wrong, with the reason;
one whose answer cannot be read is undecided.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from verifiers.answer import Answer, asked_variable, find
from verifiers.rational import Many, Node, Number, Operation, Symbol, Unreadable, canonical, fraction, parse, value
from verifiers.verdict import Attempt, Outcome, Verdict, fingerprint

VERSION = 1
MAX_TERMS = 512
MAX_DEGREE = 32
MAX_SYMBOLS = 6

# Reasons for which no reference could make the response right or wrong: the verifier cannot tell.
_CANNOT_TELL = frozenset({"not_found", "too_long", "unread"})


class Exact:
    """The final answer equals the reference as text, after spaces, signs and digits are made plain."""

    name = "exact"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [_timed(attempt, self._compare) for attempt in attempts]

    def _compare(self, reference: str, answer: str) -> tuple[Outcome, str | None]:
        same = normal(reference) == normal(answer)
        return (Outcome.CORRECT if same else Outcome.WRONG), None


class Sympy:
    """The final answer equals the reference by value."""

    name = "sympy"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [_timed(attempt, _compare_values) for attempt in attempts]


def _timed(attempt: Attempt, compare: Any) -> Verdict:
    began = time.perf_counter()
    problem = attempt.problem
    reference = problem.reference
    if reference is None or not reference.strip():
        return Verdict(outcome=Outcome.UNDECIDED, reason="no_reference", seconds=time.perf_counter() - began)
    found = find(attempt.response, asked_variable(problem.question))
    if found.text is None or found.reason is not None:
        outcome, reason = without_answer(found)
    else:
        outcome, reason = compare(reference, found.text)
    return Verdict(
        outcome=outcome,
        score=SCORES[outcome],
        answer=found.text,
        span=found.span,
        rule=found.rule,
        reason=reason,
        seconds=time.perf_counter() - began,
    )


SCORES = {Outcome.CORRECT: 1.0, Outcome.WRONG: 0.0, Outcome.UNDECIDED: None}


def without_answer(found: Answer) -> tuple[Outcome, str | None]:
    """What follows where no answer was found: wrong, or undecided where nobody could tell; and the reason."""
    return (Outcome.UNDECIDED if found.reason in _CANNOT_TELL else Outcome.WRONG), found.reason


def normal(text: str) -> str:
    """An answer as plain text: signs and digits made plain, without spaces and end marks."""
    text = "".join(canonical(text).split()).replace("$", "").replace("\u2009", "")
    return text.rstrip(".").removeprefix("+")


# -- By value ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _reference(text: str) -> tuple[Fraction | None, Node | None, str | None]:
    """The reference's value, or its tree where it is symbolic, or why neither can be had."""
    try:
        node = parse(text)
    except Unreadable as problem:
        return None, None, problem.reason
    number = fraction(text)
    if number is None and not _is_symbolic(node):
        return None, None, "no value"
    return number, node, None


def _is_symbolic(node: Node) -> bool:
    if isinstance(node, Number):
        return False
    if isinstance(node, Operation):
        return any(_is_symbolic(operand) for operand in node.operands)
    return True


def _compare_values(reference: str, answer: str) -> tuple[Outcome, str | None]:
    number, node, unreadable = _reference(reference)
    if unreadable is not None or node is None:
        return Outcome.UNDECIDED, f"unread_reference: {unreadable}"
    found = fraction(answer)
    if number is not None and found is not None:
        return (Outcome.CORRECT if number == found else Outcome.WRONG), None
    try:
        tree = parse(answer)
        if number is not None:
            return _number_or_several(number, tree)
        return (Outcome.CORRECT if _equal(node, tree) else Outcome.WRONG), None
    except Unreadable as problem:
        return Outcome.UNDECIDED, f"unparsed: {problem.reason}"


def _number_or_several(number: Fraction, tree: Node) -> tuple[Outcome, str | None]:
    """A number was asked and the answer is not one: several values are wrong, anything else is not for us to say."""
    if not isinstance(tree, Many) or tree.kind == "[":
        raise Unreadable("several" if isinstance(tree, Many) else "symbol")
    values = {value(item) for item in tree.items}
    if values == {number} and tree.kind in ("", "{"):
        return Outcome.CORRECT, None
    return Outcome.WRONG, "two_answers"


# -- Symbolic references -----------------------------------------------------------------------------------------------


def _equal(left: Node, right: Node) -> bool:
    """Whether two trees mean the same: tuples in order, sets in any order, expressions as rational functions."""
    if isinstance(left, Many) and isinstance(right, Many):
        if left.kind and right.kind and left.kind != right.kind:
            return False
        if "{" in (left.kind, right.kind):
            return _covers(left.items, right.items) and _covers(right.items, left.items)
        return len(left.items) == len(right.items) and all(map(_equal, left.items, right.items))
    if isinstance(left, Many) or isinstance(right, Many):
        return False
    names = sorted(_symbols(left) | _symbols(right))
    if len(names) > MAX_SYMBOLS:
        raise Unreadable("too_large")
    if not names:
        return value(left) == value(right)
    over, under = _ratio(left, names)
    other_over, other_under = _ratio(right, names)
    return bool((_times(over, other_under) - _times(other_over, under)).is_zero)


def _covers(some: Sequence[Node], others: Sequence[Node]) -> bool:
    if len(some) * len(others) > MAX_TERMS:
        raise Unreadable("too_large")
    return all(any(_equal(one, other) for other in others) for one in some)


def _symbols(node: Node) -> frozenset[str]:
    if isinstance(node, Symbol):
        return frozenset({node.name})
    if isinstance(node, Operation):
        return frozenset[str]().union(*map(_symbols, node.operands))
    if isinstance(node, Many):
        raise Unreadable("syntax")
    return frozenset()


def _polynomial(node: Number | Symbol, names: Sequence[str]) -> Any:
    import sympy  # late: it takes a second to load, and no numeric reference needs it

    symbols = [sympy.Symbol(name) for name in names]
    if isinstance(node, Symbol):
        return sympy.Poly(sympy.Symbol(node.name), *symbols, domain=sympy.QQ)
    number = sympy.Rational(node.value.numerator, node.value.denominator)
    return sympy.Poly(number, *symbols, domain=sympy.QQ)


def _ratio(node: Node, names: Sequence[str]) -> tuple[Any, Any]:
    """Numerator and denominator, as polynomials over the rationals."""
    one = Number(Fraction(1))
    if isinstance(node, Number | Symbol):
        return _polynomial(node, names), _polynomial(one, names)
    if isinstance(node, Many):
        raise Unreadable("syntax")
    if node.operator == "^":
        return _raised(node, names)
    over, under = _ratio(node.operands[0], names)
    if node.operator == "neg":
        return -over, under
    if node.operator == "sqrt":
        return _polynomial(Number(value(node)), names), _polynomial(one, names)
    other_over, other_under = _ratio(node.operands[1], names)
    if node.operator == "*":
        return _times(over, other_over), _times(under, other_under)
    if node.operator == "/":
        if other_over.is_zero:
            raise Unreadable("zero_division")
        return _times(over, other_under), _times(under, other_over)
    left, right = _times(over, other_under), _times(other_over, under)
    return (left + right if node.operator == "+" else left - right), _times(under, other_under)


def _raised(node: Operation, names: Sequence[str]) -> tuple[Any, Any]:
    exponent = value(node.operands[1])
    if exponent.denominator != 1 or abs(exponent) > MAX_DEGREE:
        raise Unreadable("too_large")
    base, under = _ratio(node.operands[0], names)
    if exponent < 0:
        base, under = under, base
    if under.is_zero or (base.is_zero and exponent <= 0):
        raise Unreadable("zero_division")
    one = _polynomial(Number(Fraction(1)), names)
    over, below = one, one
    for _ in range(abs(int(exponent))):
        over, below = _times(over, base), _times(below, under)
    return over, below


def _times(left: Any, right: Any) -> Any:
    """The product, refused before it is computed where it would be large."""
    terms = len(left.terms()) * len(right.terms())
    if terms > MAX_TERMS or left.total_degree() + right.total_degree() > MAX_DEGREE:
        raise Unreadable("too_large")
    if max(left.max_norm().p.bit_length(), right.max_norm().p.bit_length()) > 4096:
        raise Unreadable("too_large")
    return left * right
