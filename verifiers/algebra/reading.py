"""The value of a whole reference or a whole answer, in LaTeX or plain text.

Takes the text of a value: what a reference holds, what stands in a box or behind "The answer is". Gives a tree, or
raises `Unreadable` with the reason. Does not depend on responses, questions or verdicts, and evaluates no text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from restem.verifiers.algebra.formulas import MAX_ITEMS, Formula, is_single
from restem.verifiers.algebra.nodes import (
    Choice,
    Clock,
    Comma,
    Many,
    Node,
    Number,
    Operation,
    Quantity,
    Ratio,
    Region,
    Relation,
    Symbol,
    Unit,
    Unreadable,
    Words,
    children,
    value,
)
from restem.verifiers.algebra.number_words import MULTIPLES
from restem.verifiers.algebra.phrases import counted, is_noun, words_of, wordy
from restem.verifiers.algebra.regions import joined, related, united
from restem.verifiers.algebra.tokens import Token, tokens_of
from restem.verifiers.algebra.typesetting import BEGIN, END, cleaned
from restem.verifiers.algebra.units import DEGREE, PERCENT, unit_of

MAX_CHARACTERS = 4096
MAX_SIGNS = 16  # values of one expression with several plus-minus signs

_CURRENCY_WORDS = frozenset({"rs", "usd", "inr", "eur", "gbp"})
_SOLUTION_MARK = "####"
_BARE_CHOICE = re.compile(r"(?:\\text(?:bf)?\{)?\(?([A-Ja-j])[.)]\}?")
_AND_A_PART = re.compile(r"([0-9]{1,9}) and (?:a|one) (half|third|quarter)(?![a-z])")
_RUPEES = re.compile(r"^Rs\.? ?(?=[0-9])")
_SIGNED = re.compile(r"^(?:minus|negative) (?=[0-9$])", re.IGNORECASE)
_MARKS = str.maketrans({BEGIN: " ", END: " "})
_COMMA = re.compile(r"(?P<money>[$\u20ac\u00a3]?) ?(-?)([0-9]{1,15}),([0-9]{1,15})(?P<more> ?[$\u20ac\u00a3]?)")
_RESTATED = re.compile(r"([^()]+?) \(([^()]+)\)")
_ALTERNATIVES = frozenset({"or", "not", "and", "maybe", "possibly", "if"})
_CLOCK = re.compile(r"(?:at )?([0-9]{1,2})(?:[:.]([0-5][0-9]))? ?([AaPp])\.? ?[Mm]\.?")
_CHOICE = re.compile(r"(?:\(([A-Ja-j])\)|([A-Ja-j])(?:[).]|:(?=\s)))\s*(.*)", re.DOTALL)


def read_value(text: str, letters: str = "") -> Node:
    """The tree of a value.

    Args:
        text: A whole reference or a whole answer.
        letters: The letters that question or reference use as variables; a run of them is a product in plain text too.

    Raises:
        Unreadable: The text is no value, has several readings, or exceeds a limit.
    """
    result = _remembered(text, letters) if len(text) <= 200 else _read_or_reason(text, letters)
    if isinstance(result, str):
        raise Unreadable(result)
    return result


def _read_or_reason(text: str, letters: str) -> Node | str:
    try:
        return _read(text, letters)
    except Unreadable as problem:
        return problem.reason


# The samples of a problem share few answers, and each is read again for every claim.
_remembered = functools.lru_cache(maxsize=4096)(_read_or_reason)


def _read(text: str, letters: str) -> Node:
    if _SOLUTION_MARK in text:
        text = text.rpartition(_SOLUTION_MARK)[2]
    if len(text) > MAX_CHARACTERS:
        raise Unreadable("too_long")
    bare = _BARE_CHOICE.fullmatch(text.strip(" $*\n"))
    if bare is not None:
        return Choice(bare[1].upper(), None)
    text = _RUPEES.sub("\u20b9", _SIGNED.sub("-", cleaned(text)))
    text = _AND_A_PART.sub(_with_part, text)
    plain = " ".join(text.translate(_MARKS).split())
    if not plain:
        raise Unreadable("syntax")
    special = _clock(plain) or _comma(plain) or _choice(plain, letters) or wordy(plain)
    if special is not None:
        return special
    try:
        return _expanded(Reader(tokens_of(text, letters), letters).whole())
    except Unreadable as problem:
        words = words_of(plain) if problem.reason in ("syntax", "ambiguous") else None
        again = words or _restated(text, letters)
        if again is None:
            raise
        return again


def _with_part(match: re.Match[str]) -> str:
    """`3 and a half` as a mixed number."""
    return f"{match[1]} 1/{({'half': 2, 'third': 3, 'quarter': 4})[match[2]]}"


def _clock(text: str) -> Node | None:
    """A time of day with its half."""
    match = _CLOCK.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= 12:
        return None
    hours = int(match[1]) % 12 + (12 if match[3] in "pP" else 0)
    return Clock(60 * hours + int(match[2] or 0))


def _comma(text: str) -> Node | None:
    """Digits around a comma that separates no thousands: `2,74`."""
    match = _COMMA.fullmatch(text)
    if match is None or (len(match[4]) == 3 and match[3][0] != "0" and len(match[3]) < 4):
        return None
    sign = -1 if match[2] else 1
    decimal = Fraction(sign * int(match[3] + match[4]), 10 ** len(match[4]))
    return Comma(decimal, (Fraction(sign * int(match[3])), Fraction(int(match[4]))))


def _restated(text: str, letters: str) -> Node | None:
    """A value with a note or the same value in parentheses behind it: `2 hours 25 minutes (145 minutes)`."""
    match = _RESTATED.fullmatch(text)
    if match is None:
        return None
    first, second = (_read_or_reason(part, letters) for part in match.groups())
    if isinstance(first, str) or isinstance(second, str):
        return None
    if isinstance(second, Words):
        is_note = _ALTERNATIVES.isdisjoint(second.words) and not any(map(str.isdigit, match[2]))
        return first if is_note else None
    values = [node.value if isinstance(node, Quantity) else node for node in (first, second)]
    factors = [node.unit.factor if isinstance(node, Quantity) else Fraction(1) for node in (first, second)]
    try:
        is_same = value(values[0]) * factors[0] == value(values[1]) * factors[1]
    except Unreadable:
        return None
    return first if is_same else None


def _choice(text: str, letters: str) -> Node | None:
    """A lettered choice: `(C)`, `b.`, `(C) 46%`."""
    match = _CHOICE.fullmatch(text)
    if match is None:
        return None
    letter, rest = match[1] or match[2], match[3].strip()
    if match[2] and text[1:2] == ":" and not rest:
        return None
    if rest[:1] in tuple("+-*/^=<>_,") or (rest and match[1] is None and text[1] == ":" and rest[0].isdigit()):
        return None  # (a) + 1, and the ratio A:2
    if rest and match[1] and not text[3:4].isspace():
        return None  # (a)(b)
    if not rest:
        return Choice(letter.upper(), None)
    inner = _read_or_reason(rest, letters)
    return Choice(letter.upper(), None if isinstance(inner, str) else inner)


class Reader(Formula):
    """The grammar of `Formula` with lists, relations, units and words."""

    def whole(self) -> Node:
        items, words = self.items()
        if self.kind != "end":
            raise Unreadable("syntax")
        return _listed("", items, words)

    def items(self) -> tuple[list[Node], list[str]]:
        """Items and the words between them."""
        items, words = [self.item()], list[str]()
        while True:
            word = ""
            while self.kind == "separator" or (self.kind == "line" and self.after().kind not in ("end", "line")):
                token = self.take()
                word = token.text if token.text not in ("", ",") or not word else word
                word = word or ","
            if not word:
                return items, words
            if self.kind in ("end", "close"):
                raise Unreadable("syntax")
            words.append(word)
            items.append(self.item())
            if len(items) > MAX_ITEMS:
                raise Unreadable("too_large")

    def items_inside(self, opening: str) -> list[Node]:
        items, _ = self.items()
        if opening == "\\{" and self.kind in ("bar", ":") and len(items) == 1:
            return [self._builder(items[0])]
        if len(items) == 1:
            return items
        return [part for item in items for part in _members(item)] if opening == "\\{" else items

    def _builder(self, letter: Node) -> Node:
        """`\\{x \\mid x > 3\\}` as the region of its letter."""
        self.take()
        items, words = self.items()
        region = _listed("", items, words)
        if isinstance(letter, Region):
            letter = letter.letter
        if not isinstance(region, Region) or region.letter != letter:
            raise Unreadable("syntax")
        return region

    def item(self) -> Node:
        sides, operators = [self.side()], list[str]()
        while self.kind == "relation" or (self.kind == ":" and isinstance(sides[0], Words) and not operators):
            token = self.take()
            operators.append("=" if token.kind == ":" else token.text)
            sides.append(self.side())
        if not operators:
            return sides[0]
        return related(operators, sides)

    def side(self) -> Node:
        if self.kind == "word" and self.token.text.lower() in _CURRENCY_WORDS and self.after().kind == "number":
            self.tokens[self.at] = Token("money", self.token.text)
        if self.kind == "word":
            return self._words()
        if self.kind == "relation":
            raise Unreadable("syntax")
        negative = self.kind == "sign" and self.after().kind == "money"
        if negative:
            negative = self.take().text == "-"
        money = self.take().text if self.kind == "money" else ""
        node = self._united()
        if self.kind == ":" and not money:
            return self._ratio(node)
        if self.kind == "word" and (self.after().kind == "number" or self.after().text == "of"):
            node = self._odds(node)
        node = self._measured(self.operation("neg", node) if negative else node, money)
        return node

    def _words(self) -> Node:
        """Words before a relation or a colon, such as `\\text{Area} = 5`, or words alone."""
        texts: list[str] = []
        while self.kind in ("word", "symbol", "sign"):
            texts.append(self.take().text)
        if len(texts) == 1 and len(texts[0]) == 1:
            return Symbol(texts[0])
        node = counted(texts)
        words = node if node is not None else words_of(" ".join(texts))
        if words is None:
            raise Unreadable("syntax")
        return words

    def _united(self) -> Node:
        parts, operators = [self.sum()], list[str]()
        while self.kind == "union":
            operators.append(self.take().text)
            parts.append(self.sum())
        return united(parts, operators) if operators else parts[0]

    def _odds(self, node: Node) -> Node:
        """`5 out of 36` and `1 in 6` as fractions, `3 to 4` as a ratio."""
        texts = (self.token.text, self.after().text)
        if texts == ("out", "of") and self.after(2).kind == "number":
            self.at += 2
            return self.operation("/", node, self.sum())
        if self.after().kind == "number" and texts[0] in ("in", "to"):
            self.take()
            other = self.sum()
            return Ratio((node, other), may_be_time=False) if texts[0] == "to" else self.operation("/", node, other)
        return node

    def _ratio(self, node: Node) -> Node:
        parts = [node]
        texts = [self.tokens[self.at - 1].text]
        while self.kind == ":":
            self.take()
            parts.append(self.sum())
            texts.append(self.tokens[self.at - 1].text)
        if not all(is_single(part) for part in parts) or len(parts) > MAX_ITEMS:
            raise Unreadable("syntax")
        is_time = len(parts) == 2 and all(text.isdigit() and len(text) <= 2 for text in texts) and len(texts[1]) == 2
        return Ratio(tuple(parts), is_time and int(texts[0]) < 25 and int(texts[1]) < 60)

    # -- Units ---------------------------------------------------------------------------------------------------------

    def _measured(self, node: Node, money: str) -> Node:
        """A value with the scale, the unit and the noun behind it."""
        is_degree = _has_degree(node)
        if is_degree:
            node = _without_degree(node)
        while self.kind == "word" and self.token.text.lower() in MULTIPLES and isinstance(node, Number | Operation):
            node = self.operation("*", node, Number(Fraction(MULTIPLES[self.take().text.lower()])))
            node = _computed(node)
        if self.kind == "percent":
            self.take()
            unit: Unit | None = PERCENT
            self._phrase()
        else:
            phrase = self._phrase()
            if is_degree:
                unit = unit_of("\u00b0 " + phrase[0]) if phrase else DEGREE
            elif money:
                unit = unit_of(money)
            else:
                unit = unit_of(" ".join(phrase)) if phrase else None
        if unit is None:
            return node
        if not is_single(node):
            return node
        quantity = Quantity(node, unit)
        return self._compound(quantity) if self._continues() else quantity

    def _phrase(self) -> list[str]:
        """The words behind a number."""
        texts: list[str] = []
        if self.kind == "money":
            return [self.take().text]
        while self.kind == "word" or (texts and self.kind in ("symbol", "/", "^", "*", "sign", "open", "close")):
            token = self.take()
            if token.kind in ("open", "close"):
                self._aside(token.text)
                continue
            texts.append(token.text)
            if token.kind == "^":
                texts.append(self.expect("number").text)
        if self.kind == "/" and self.after().kind == "word" and not texts:
            texts = [self.take().text, *self._phrase()]
        if texts and not is_noun(texts):
            raise Unreadable("syntax")
        return texts

    def _aside(self, opening: str) -> None:
        """Words in parentheses behind a unit: `5 (m)`."""
        if opening != "(":
            raise Unreadable("syntax")
        while self.kind in ("word", "symbol"):
            self.take()
        self.expect("close", ")")

    def _continues(self) -> bool:
        """Whether another number with a unit follows, as in `2 hours 25 minutes` and `2 hours and 25 minutes`."""
        place = 1 if self.kind == "separator" else 0
        number, word = self.after(place), self.after(place + 1)
        return number.kind == "number" and word.kind == "word" and unit_of(word.text) is not None

    def _compound(self, first: Quantity) -> Node:
        at = self.at
        if self.kind == "separator":
            self.take()
        number = self.sum()
        unit = unit_of(self.take().text)
        same = unit is not None and unit.dimension == first.unit.dimension and unit.factor < first.unit.factor
        if unit is None or not same:
            self.at = at
            return first
        try:
            total = value(first.value) * first.unit.factor + value(number) * unit.factor
        except Unreadable:
            self.at = at
            return first
        compound = Quantity(Number(total / unit.factor), Unit(unit.dimension, unit.factor, is_compound=True))
        return self._compound(compound) if self._continues() else compound


def _computed(node: Node) -> Node:
    try:
        return Number(value(node))
    except Unreadable:
        return node


def _has_degree(node: Node) -> bool:
    """Whether a tree holds degrees outside of functions."""
    if isinstance(node, Operation):
        return node.operator == "deg" or any(_has_degree(part) for part in node.operands)
    return False


def _without_degree(node: Node) -> Node:
    if not isinstance(node, Operation):
        return node
    if node.operator == "deg":
        return _without_degree(node.operands[0])
    return Operation(node.operator, tuple(_without_degree(part) for part in node.operands))


# -- Lists -------------------------------------------------------------------------------------------------------------


def _listed(kind: str, items: Sequence[Node], words: Sequence[str]) -> Node:
    """Several items as one tree: regions of one letter joined, values of one letter gathered."""
    if len(items) == 1:
        return items[0]
    regions = [item for item in items if isinstance(item, Region)]
    if len(regions) == len(items):
        region = joined(regions, words)
        return region if region is not None else Many(kind, tuple(items))
    return Many(kind, tuple(_gathered(items)))


def _gathered(items: Sequence[Node]) -> Sequence[Node]:
    """`n = 4, 5, 6` as one equation for each value."""
    first = items[0]
    if not isinstance(first, Relation) or first.operators != ("=",) or not isinstance(first.sides[0], Symbol):
        return items
    if any(isinstance(item, Relation | Region | Words) for item in items[1:]):
        return items
    return [first, *(Relation(("=",), (first.sides[0], item)) for item in items[1:])]


def _members(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Many) and node.kind == "" else (node,)


# -- Plus-minus --------------------------------------------------------------------------------------------------------


def _expanded(node: Node) -> Node:
    """A tree in which plus-minus signs have become sets of values."""
    if not _has_sign(node):
        return node
    if isinstance(node, Relation) and node.operators == ("=",):
        return Relation(node.operators, (node.sides[0], _expanded(node.sides[1])))
    if isinstance(node, Many) and node.kind in ("", "{"):
        values = [part for item in node.items for part in _parts(_expanded(item))]
        if all(isinstance(part, Relation) for part in values):
            return Many(node.kind, tuple(values))
        return Many("{", tuple(values))
    if isinstance(node, Quantity):
        inner = _expanded(node.value)
        return Many("{", tuple(Quantity(part, node.unit) for part in _parts(inner)))
    if not isinstance(node, Operation | Many):
        raise Unreadable("syntax")
    signs = _signs(node)
    has_opposite = "mp" in signs
    count = 1 if has_opposite else len(signs)
    if 2**count > MAX_SIGNS:
        raise Unreadable("too_large")
    values = []
    for choice in range(2**count):
        bits = [bool(choice >> place & 1) for place in range(count)] * (len(signs) if has_opposite else 1)
        values.append(_signed(node, iter(bits)))
    return Many("{", tuple(values))


def _parts(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Many) and node.kind == "{" else (node,)


def _has_sign(node: Node) -> bool:
    return (isinstance(node, Operation) and node.operator in ("pm", "mp")) or any(map(_has_sign, children(node)))


def _signs(node: Node) -> list[str]:
    here = [node.operator] if isinstance(node, Operation) and node.operator in ("pm", "mp") else []
    return here + [sign for part in children(node) for sign in _signs(part)]


def _signed(node: Node, bits: Iterator[bool]) -> Node:
    """The tree with one sign for each plus-minus."""
    if isinstance(node, Operation):
        if node.operator in ("pm", "mp"):
            negative = next(bits) ^ (node.operator == "mp")
            inner = _signed(node.operands[0], bits)
            return Operation("neg", (inner,)) if negative else inner
        return Operation(node.operator, tuple(_signed(part, bits) for part in node.operands))
    if isinstance(node, Many):
        return Many(node.kind, tuple(_signed(part, bits) for part in node.items))
    if _has_sign(node):
        raise Unreadable("syntax")
    return node


def is_evaluated(node: Node) -> bool:
    """Whether a value has nothing left to compute: false for an operation between plain numbers, as in `3 + 4`.

    A fraction counts as evaluated only in lowest terms, and a power or a root of numbers only where it is irrational.
    """
    if not isinstance(node, Operation) or node.operator in ("neg", "deg"):
        return all(is_evaluated(part) for part in children(node))
    numbers = [part.value for part in map(_unsigned, node.operands) if isinstance(part, Number)]
    if len(numbers) < len(node.operands):
        return all(is_evaluated(part) for part in node.operands)
    if node.operator == "/" and numbers[1]:
        return numbers[0].denominator == numbers[1].denominator == 1 and Fraction(*numbers).denominator == numbers[1]
    return _is_irrational(node)


def _unsigned(node: Node) -> Node:
    return node.operands[0] if isinstance(node, Operation) and node.operator == "neg" else node


def _is_irrational(node: Node) -> bool:
    try:
        value(node)
    except Unreadable as problem:
        return problem.reason == "syntax"
    return False
