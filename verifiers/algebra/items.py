"""The grammar of whole values: lists, relations, ratios, and numbers with units and nouns.

Takes tokens (see `tokens.py`); gives a tree, or raises `Unreadable` with the reason. Does not depend on questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from restem.verifiers.algebra.brackets import MAX_ITEMS, is_single
from restem.verifiers.algebra.formulas import Formula
from restem.verifiers.algebra.nodes import (
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
    value,
)
from restem.verifiers.algebra.number_words import MULTIPLES
from restem.verifiers.algebra.phrases import counted, is_noun, words_of
from restem.verifiers.algebra.regions import joined, related, united
from restem.verifiers.algebra.tokens import Token
from restem.verifiers.algebra.units import DEGREE, PERCENT, unit_of

_CURRENCY_WORDS = frozenset({"rs", "usd", "inr", "eur", "gbp"})


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
        is_set = opening in ("{", "\\{")
        if is_set and self.kind == "symbol" and self.after().kind in ("bar", ":"):
            return [self._builder(Symbol(self.take().text))]
        items, _ = self.items()
        if is_set and self.kind in ("bar", ":") and len(items) == 1:
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
        if self.kind == ":" and not money and isinstance(node, Number | Operation | Symbol):
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
        are_numbers = len(parts) == 2 and all(isinstance(part, Number) for part in parts)
        is_time = are_numbers and all(text.isdigit() and len(text) <= 2 for text in texts) and len(texts[1]) == 2
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
