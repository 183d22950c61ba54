"""A place in a list of tokens, and the brackets behind it: tuples, sets, intervals, absolute values and matrices.

Takes tokens (see `tokens.py`); gives a tree, or raises `Unreadable` with the reason. Does not depend on text.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from restem.verifiers.algebra.nodes import (
    Call,
    Constant,
    Interval,
    Many,
    Matrix,
    Node,
    Number,
    Operation,
    Region,
    Symbol,
    Unreadable,
)
from restem.verifiers.algebra.tokens import Token

MAX_OPERATORS = 128
MAX_DEPTH = 20
MAX_ITEMS = 100
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "<": ">", "floor": "floor", "ceil": "ceil"}
_END = Token("end", "")
_SINGLE = (Number, Symbol, Operation, Constant, Call, Matrix)


class Brackets:
    """A place in a list of tokens, and what stands in brackets behind it; `Formula` extends it with sums.

    Args:
        tokens: The tokens.
        letters: The letters that are variables, so that `f(x)` is a product where `f` is one of them.
    """

    def __init__(self, tokens: Sequence[Token], letters: str) -> None:
        self.tokens = [*tokens, _END]
        self.letters = letters
        self.at = self.depth = self.operators = self.bars = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def after(self, count: int = 1) -> Token:
        """The token some places behind the current one."""
        return self.tokens[min(self.at + count, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def expect(self, kind: str, text: str | None = None) -> Token:
        token = self.take()
        if token.kind != kind or (text is not None and token.text != text):
            raise Unreadable("syntax")
        return token

    def operation(self, operator: str, *operands: Node) -> Node:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise Unreadable("too_long")
        if any(not is_single(operand) for operand in operands):
            raise Unreadable("syntax")
        return Operation(operator, operands)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too_long")

    def sum(self) -> Node:
        """A sum of products; `Formula` reads it."""
        raise NotImplementedError

    # -- What stands in brackets ---------------------------------------------------------------------------------------

    def enclosed(self, opening: str) -> Node:
        """What stands in brackets, up to the closing one."""
        self.enter()
        bars, self.bars = self.bars, 0
        if opening == "\\{" and self.kind == "close":
            items: list[Node] = []
        else:
            items = self.items_inside(opening)
        closing = self.expect("close").text
        self.bars = bars
        self.depth -= 1
        pair = opening + closing
        if opening in ("floor", "ceil"):
            if closing != opening or len(items) != 1:
                raise Unreadable("syntax")
            return self.operation(opening, items[0])
        if pair in ("(]", "[)"):
            return _interval(items, opening, closing)
        if closing != _CLOSING[opening]:
            raise Unreadable("syntax")
        if pair in ("()", "[]") and len(items) == 2 and any(is_infinite(item) for item in items):
            return _interval(items, opening, closing)
        if len(items) == 1 and (opening in ("(", "{") or isinstance(items[0], Matrix | Region)):
            return items[0]
        return Many({"\\{": "{", "<": "("}.get(opening, opening), tuple(items))

    def items_inside(self, opening: str) -> list[Node]:
        """The items in brackets; `Reader` extends it with relations and units."""
        items = [self.sum()]
        while self.token[:2] == ("separator", ","):
            self.take()
            items.append(self.sum())
            if len(items) > MAX_ITEMS:
                raise Unreadable("too_large")
        return items

    def absolute(self) -> Node:
        self.enter()
        self.bars += 1
        node = self.sum()
        self.expect("bar")
        self.bars -= 1
        self.depth -= 1
        return self.operation("abs", node)

    def matrix(self, token: Token) -> Node:
        if token.text != "matrix":
            raise Unreadable("syntax")
        self.enter()
        rows: list[tuple[Node, ...]] = []
        cells: list[Node] = []
        while True:
            while self.kind == "line":
                self.take()
            if self.kind == "unmatrix" and rows and not cells:
                break  # a row break behind the last row
            cells.append(self.sum())
            while self.kind == "line":
                self.take()
            if self.kind == "cell":
                self.take()
                continue
            rows.append(tuple(cells))
            cells = []
            if self.kind != "row":
                break
            self.take()
        self.expect("unmatrix")
        self.depth -= 1
        if len({len(row) for row in rows}) != 1 or sum(map(len, rows)) > MAX_ITEMS:
            raise Unreadable("syntax")
        return Matrix(tuple(rows))

    def numbers(self) -> Node:
        """A set of numbers: `\\mathbb{R}`."""
        is_group = self.token[:2] == ("open", "{")
        if is_group:
            self.take()
        token = self.take()
        if is_group:
            self.expect("close", "}")
        if token.kind not in ("symbol", "word") or token.text not in ("R", "Z", "N", "Q", "C"):
            raise Unreadable("syntax")
        return Constant(token.text)

    def named(self, token: Token) -> Node:
        """A name of points, such as `\\angle ABC` or `\\overline{AB}`, as one symbol."""
        is_group = self.token[:2] == ("open", "{")
        if is_group:
            self.take()
        names: list[str] = []
        while self.kind in ("symbol", "word") and len(names) < 4:
            names.append(self.take().text)
        if is_group:
            self.expect("close", "}")
        if not names:
            raise Unreadable("syntax")
        if token.kind == "overline":
            return functools.reduce(lambda left, right: self.operation("*", left, right), map(Symbol, "".join(names)))
        return Symbol(f"{token.text} {''.join(names)}")


def is_single(node: Node) -> bool:
    """Whether a node may be an operand."""
    return isinstance(node, _SINGLE)


def is_infinite(node: Node) -> bool:
    """Whether a node is plus or minus infinity."""
    if isinstance(node, Operation) and node.operator == "neg":
        node = node.operands[0]
    return node == Constant("inf")


def _interval(items: Sequence[Node], opening: str, closing: str) -> Node:
    if len(items) != 2 or not all(is_single(item) for item in items):
        raise Unreadable("syntax")
    return Interval(items[0], items[1], opening == "[", closing == "]")
