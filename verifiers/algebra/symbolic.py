"""Exact algebra: whether a reference and an answer are equal. Runs only in the killable worker, and loads SymPy.

Takes two texts and parses them with our grammar; gives true, false, or the reason why that cannot be decided. Does not
depend on responses or verdicts, and passes no text to SymPy.

An expression is a quotient of two SymPy polynomials over the rationals, built node by node; its size is checked before
each step. The square root of a prime is an additional variable whose square is that prime: square roots of different
primes are linearly independent over the rationals, so an expression is zero exactly when its normal form is zero.
Fractional powers of symbols are compared as products of powers: a symbol counts as positive only where the reference
has no real value otherwise.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, TypeGuard

import sympy
from sympy.polys.rings import PolyRing

from restem.verifiers.algebra.comparison import compared, plain_leaf
from restem.verifiers.algebra.equality import NeedsAlgebra, equality, normal
from restem.verifiers.algebra.grammar import parse
from restem.verifiers.algebra.nodes import (
    MAX_BITS,
    Many,
    Node,
    Number,
    Operation,
    Symbol,
    Unreadable,
    is_constant,
    symbols,
    value,
    walk,
)
from restem.verifiers.algebra.numeric import numerically_equal, same_zeros
from restem.verifiers.algebra.questions import facts_of
from restem.verifiers.algebra.reading import read_value

MAX_TERMS = 512
MAX_DEGREE = 32
MAX_SYMBOLS = 6
MAX_ROOTS = 4
MAX_ROOT_BITS = 128  # of a number that is factored into primes


def compare(task: Sequence[Any]) -> bool | str:
    """The result of `equal` for a task that begins with `strict`, or of `equal_values` for one with `values`."""
    grammar, *pair = task
    return equal_values(pair) if grammar == "values" else equal(pair)


def equal(pair: Sequence[Any]) -> bool | str:
    """Whether a reference and an answer are equal, or the reason why that cannot be decided.

    Args:
        pair: Reference, answer, `ordered` as in `equality`, and `letters` as in `parse`.
    """
    reference, answer, ordered, letters = pair
    try:
        return equality(parse(reference), parse(answer, letters), algebraic, ordered=ordered)
    except Unreadable as problem:
        return problem.reason


def equal_values(task: Sequence[Any]) -> bool | str:
    """Whether the value of an answer equals that of a reference, or the reason why that cannot be decided.

    Args:
        task: The texts of reference and answer, the question, and `letters` as in `read_value`.
    """
    reference, answer, question, letters = task
    try:
        return compared(read_value(reference, letters), read_value(answer, letters), facts_of(question), ExactLeaf())
    except Unreadable as problem:
        return problem.reason


class ExactLeaf:
    """The comparison of two single expressions: by polynomials where they decide, else by their values."""

    def __call__(self, left: Node, right: Node) -> bool | str:
        """Whether two expressions are equal, or the reason why that cannot be decided.

        Raises:
            Unreadable: An expression exceeds a limit, or is undefined.
        """
        try:
            return plain_leaf(left, right)
        except NeedsAlgebra:
            pass
        names: dict[Hashable, str] = {}
        try:
            polynomial = algebraic(_with_atoms(left, names), _with_atoms(right, names))
        except Unreadable:
            polynomial = None
        if polynomial is True or (polynomial is False and not names):
            return polynomial
        return numerically_equal(left, right)

    def proportional(self, left: Node, right: Node) -> bool | str:
        """Whether two equations, each given as the difference of its sides, have the same solutions."""
        return same_zeros(left, right)


def _with_atoms(node: Node, names: dict[Hashable, str]) -> Node:
    """The tree with a symbol in place of each constant, function and root that polynomials cannot represent.

    Equality as polynomials in these symbols implies equality; the reverse does not hold.
    """
    if isinstance(node, Operation) and node.operator in ("+", "-", "*", "/", "^", "neg", "sqrt"):
        return Operation(node.operator, tuple(_with_atoms(part, names) for part in node.operands))
    if isinstance(node, Number | Symbol | Many):
        return node
    return Symbol(names.setdefault(normal(node), f"atom {len(names)}"))


def algebraic(left: Node, right: Node) -> bool:
    """Whether two expressions are equal, by exact algebra.

    Raises:
        Unreadable: An expression exceeds a limit, is undefined, or has no normal form here.
    """
    try:
        monomial, other = _monomial(left), _monomial(right)
    except Unreadable:
        pass  # for example a sum; the ring below refuses what it cannot represent
    else:
        _check_signs(monomial, left, right)
        return monomial == other
    ring = _Ring([*walk(left), *walk(right)])
    over, under = ring.ratio(left)
    other_over, other_under = ring.ratio(right)
    return ring.times(over, other_under) == ring.times(other_over, under)


class _Ring:
    """Polynomials over the rationals, in the symbols and the square roots of primes that occur in some trees."""

    def __init__(self, parts: Sequence[Node]) -> None:
        names = sorted({part.name for part in parts if isinstance(part, Symbol)})
        radicands = {radicand for part in parts if (radicand := _radicand(part)) is not None}
        self.factors = {radicand: self._factors(radicand) for radicand in radicands}
        self.primes = sorted({p for factors in self.factors.values() for p, count in factors.items() if count % 2})
        if len(names) > MAX_SYMBOLS or len(self.primes) > MAX_ROOTS:
            raise Unreadable("too_large")
        # A symbol's name is one letter, so it never equals a root's name. A ring needs at least one generator.
        names = [*names, *(f"root {prime}" for prime in self.primes)] or ["none"]
        self.ring = PolyRing([sympy.Symbol(name) for name in names], sympy.QQ, sympy.lex)
        self.generators = dict(zip(names, self.ring.gens, strict=True))

    def _factors(self, radicand: Fraction) -> dict[int, int]:
        """Prime -> exponent in numerator times denominator: the square root of p/q is that of p*q, divided by q."""
        whole = radicand.numerator * radicand.denominator
        if whole.bit_length() > MAX_ROOT_BITS:
            raise Unreadable("too_large")
        return {int(p): int(count) for p, count in sympy.factorint(whole).items()} if whole else {}

    def number(self, number: Fraction) -> Any:
        """A constant polynomial."""
        return self.ring.ground_new(sympy.QQ(number.numerator, number.denominator))

    def ratio(self, node: Node) -> tuple[Any, Any]:
        """Numerator and denominator of an expression."""
        if isinstance(node, Number):
            return self.number(node.value), self.number(Fraction(1))
        if isinstance(node, Symbol):
            return self.generators[node.name], self.number(Fraction(1))
        if not isinstance(node, Operation):
            raise Unreadable("syntax")
        radicand = _radicand(node)
        if radicand is not None:
            power = 1 if node.operator == "sqrt" else int(2 * value(node.operands[1]))
            return self.raised(self.root(radicand), power)
        base = self.ratio(node.operands[0])
        if node.operator == "neg":
            return -base[0], base[1]
        if node.operator == "sqrt":
            raise Unreadable("syntax")
        if node.operator == "^":
            exponent = value(node.operands[1])
            if exponent.denominator != 1:
                raise Unreadable("syntax")
            return self.raised(base, exponent.numerator)
        return self.joined(node.operator, base, self.ratio(node.operands[1]))

    def joined(self, operator: str, left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
        """The sum, difference, product or quotient of two quotients."""
        (over, under), (other_over, other_under) = left, right
        if operator == "*":
            return self.times(over, other_over), self.times(under, other_under)
        if operator == "/":
            if not other_over:
                raise Unreadable("zero_division")
            return self.times(over, other_under), self.times(under, other_over)
        over, other_over = self.times(over, other_under), self.times(other_over, under)
        return (over + other_over if operator == "+" else over - other_over), self.times(under, other_under)

    def root(self, radicand: Fraction) -> tuple[Any, Any]:
        """The square root of a number, as a quotient."""
        rational, odd = Fraction(1, radicand.denominator if radicand else 1), self.number(Fraction(1))
        for prime, count in self.factors[radicand].items():
            rational *= prime ** (count // 2)
            if count % 2:
                odd *= self.generators[f"root {prime}"]
        return odd * self.number(rational if radicand else Fraction(0)), self.number(Fraction(1))

    def raised(self, base: tuple[Any, Any], exponent: int) -> tuple[Any, Any]:
        """A whole power of a quotient."""
        if abs(exponent) > MAX_DEGREE:
            raise Unreadable("too_large")
        over, under = base if exponent >= 0 else base[::-1]
        if not under or (not over and exponent <= 0):
            raise Unreadable("zero_division")
        powers = self.number(Fraction(1)), self.number(Fraction(1))
        for _ in range(abs(exponent)):
            powers = self.times(powers[0], over), self.times(powers[1], under)
        return powers

    def times(self, left: Any, right: Any) -> Any:
        """The product in normal form; a product that would be too large is refused before it is computed."""
        if len(left) * len(right) > MAX_TERMS or _degree(left) + _degree(right) > MAX_DEGREE:
            raise Unreadable("too_large")
        if max(_bits(left), _bits(right)) > MAX_BITS:
            raise Unreadable("too_large")
        return self._reduced(left * right) if self.primes else left * right

    def _reduced(self, polynomial: Any) -> Any:
        """The polynomial with the square of each root replaced by its prime."""
        reduced = self.ring.zero
        first = len(self.generators) - len(self.primes)
        for powers, coefficient in polynomial.terms():
            for prime, power in zip(self.primes, powers[first:], strict=True):
                coefficient *= prime ** (power // 2)
            reduced += self.ring.term_new((*powers[:first], *(power % 2 for power in powers[first:])), coefficient)
        return reduced


def _degree(polynomial: Any) -> int:
    return max(map(sum, polynomial.monoms()), default=0)


def _bits(polynomial: Any) -> int:
    parts = (part for number in polynomial.coeffs() for part in (number.numerator, number.denominator))
    return max((int(part).bit_length() for part in parts), default=0)


def _radicand(node: Node) -> Fraction | None:
    """The number under the square root in `sqrt(12)` or `12^(3/2)`; None for any other node."""
    if not isinstance(node, Operation) or node.operator not in ("sqrt", "^") or not is_constant(node):
        return None
    if node.operator == "^" and value(node.operands[1]).denominator != 2:
        return None
    radicand = value(node.operands[0])
    if radicand < 0:
        raise Unreadable("syntax")
    return radicand


# -- Fractional powers of symbols --------------------------------------------------------------------------------------


def _is_power_of_symbol(node: Node) -> TypeGuard[Operation]:
    """Whether a node is a root or a fractional power of an expression with a symbol: `n^(26/3)`, `sqrt(x)`."""
    if not isinstance(node, Operation) or is_constant(node.operands[0]):
        return False
    return node.operator == "sqrt" or (node.operator == "^" and value(node.operands[1]).denominator != 1)


_Monomial: TypeAlias = tuple[Fraction, dict[str, Fraction]]


def _check_signs(reference: _Monomial, *trees: Node) -> None:
    """Refuses a root of a symbol that may be negative: `sqrt(x^2)` is not `x`, but `x^(1/2)` implies a positive `x`.

    Raises:
        Unreadable: A root contains a symbol of which the reference has a whole power.
    """
    _, exponents = reference
    rooted = [part.operands[0] for tree in trees for part in walk(tree) if _is_power_of_symbol(part)]
    if any(exponents.get(name, Fraction(0)).denominator == 1 for base in rooted for name in symbols(base)):
        raise Unreadable("syntax")


def _monomial(node: Node) -> _Monomial:
    """Coefficient and exponents of a product of powers, for positive symbols."""
    if is_constant(node):
        return value(node), {}
    if isinstance(node, Symbol):
        return Fraction(1), {node.name: Fraction(1)}
    if not isinstance(node, Operation) or node.operator in ("+", "-"):
        raise Unreadable("syntax")
    coefficient, exponents = _monomial(node.operands[0])
    if not coefficient:
        raise Unreadable("syntax")  # a product that is zero has no exponents
    if node.operator == "neg":
        return -coefficient, exponents
    if node.operator in ("^", "sqrt"):
        exponent = value(node.operands[1]) if node.operator == "^" else Fraction(1, 2)
        powers = {name: power * exponent for name, power in exponents.items()}
        return _exact_power(coefficient, exponent), {name: power for name, power in powers.items() if power}
    other, others = _monomial(node.operands[1])
    sign = 1 if node.operator == "*" else -1
    joined = {name: exponents.get(name, 0) + sign * others.get(name, 0) for name in exponents | others}
    product = value(Operation(node.operator, (Number(coefficient), Number(other))))
    if not product:
        raise Unreadable("syntax")
    return product, {name: Fraction(power) for name, power in joined.items() if power}


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    """The rational value of a power; Unreadable where it has none."""
    if exponent.denominator != 1:
        if base < 0 or exponent.denominator > MAX_BITS:
            raise Unreadable("syntax")
        roots = [sympy.integer_nthroot(part, exponent.denominator) for part in (base.numerator, base.denominator)]
        if not all(exact for _, exact in roots):
            raise Unreadable("syntax")
        base = Fraction(int(roots[0][0]), int(roots[1][0]))
    return value(Operation("^", (Number(base), Number(Fraction(exponent.numerator)))))
