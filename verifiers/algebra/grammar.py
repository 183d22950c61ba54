"""A bounded grammar from a text to a parse tree and its exact value.

Takes a short text: the final answer alone. Gives a tree or an exact `Fraction`, or raises `Unreadable` with the reason.
Does not depend on responses, sentences or verdicts, and evaluates no text: the size of every number, power and nesting
is checked before anything is computed.

    list    = sum ("," sum)*                      7, 8
    sum     = product (("+" | "-") product)*
    product = unary (("*" | "/") unary | power)*  `power` is an implicit product: 3x, (x + 1)(x + 2)
    unary   = ("+" | "-")* power
    power   = primary (("^" | "**") unary)?
    primary = number | symbol | root | fraction | "(" list ")" | "{" list "}" | "[" list "]"
    words   = sign? numeral                       negative twelve, -1 million

Which implicit products are accepted depends on what is expected. Where a number is expected, only a symbol, and
parentheses behind an expression with a symbol, may follow without a sign: `2(3)` is not accepted. Where the letters of
an expression are known, `2xy`, `x(x + 1)` and `2\\sqrt{3}` are products too, of these letters alone, so that no English
word is read as a product.
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from typing import TypeAlias

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.nodes import Many, Node, Number, Operation, Symbol, Unreadable, divided, value
from restem.verifiers.algebra.number_words import NUMBER_WORDS, SCALES, SIGNS, numeral

MAX_CHARACTERS = 4096
MAX_DIGITS = 4000  # one number may fill the text; Python refuses to convert more than 4,300 digits
MAX_TOKENS = 200
MAX_OPERATORS = 64
MAX_DEPTH = 20
MAX_TEN_EXPONENT = 60


_PLAIN = re.compile(r"[+-]?[0-9]{1,18}")
_QUOTIENT = re.compile(r"([+-]?[0-9]{1,18}) ?/ ?([+-]?[0-9]{1,18})")
_LITERAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")


def is_literal(text: str) -> bool:
    """Whether the text is one decimal or whole number, with nothing left to compute."""
    return _LITERAL.fullmatch(text.strip()) is not None


def exact_value(text: str) -> Fraction:
    """The exact value of a text.

    Raises:
        Unreadable: The text is outside the grammar, too large, holds a symbol, or has no single value.
    """
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return Fraction(int(text))
    quotient = _QUOTIENT.fullmatch(text)
    if quotient and int(quotient[2]):
        return Fraction(int(quotient[1]), int(quotient[2]))
    return value(parse(text))


def fraction(text: str) -> Fraction | None:
    """The exact value of a text, or None where `exact_value` raises."""
    return _remembered(text) if len(text) <= 80 else _or_none(text)


def _or_none(text: str) -> Fraction | None:
    try:
        return exact_value(text)
    except Unreadable:
        return None


# The samples of a problem share few answers, and the value of one answer is needed several times.
_remembered = functools.lru_cache(maxsize=4096)(_or_none)


_TOKEN = re.compile(
    r"""
      (?P<space>[ \n\u2009]+ | \\[,;:!\ ] | \\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z]))
    | (?P<number>
        (?: (?P<whole> [1-9][0-9]{0,2} (?P<comma> ,(?:\\!)? | \{,\} | \\, | _ | ' | [\u2009\ ] ) [0-9]{3}
                   (?: (?P=comma)[0-9]{3} )* (?![0-9])
                 | [0-9]+ )
        (?: \. (?P<part> [0-9]* ) )?
        | \. (?P<only> [0-9]+ )
        ) (?: [eE] (?P<ten> [+-]?[0-9]{1,12} ) )? (?![0-9_'.])
      )
    | (?P<short> \\[dtc]?frac\ ?(?P<over>[0-9])\ ?(?P<under>[0-9]) )
    | (?P<frac> \\[dtc]?frac(?![A-Za-z]) )
    | (?P<root> \\sqrt(?![A-Za-z\[ ]) | sqrt(?=\() | \u221a )
    | (?P<wrap> \\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|boxed|fbox|operatorname
            |underline|boldsymbol|bm)(?=\{) | \\(?:color|textcolor)\{[a-z]{1,12}\} )
    | (?P<raised> [\u207a\u207b]? [\u00b9\u00b2\u00b3\u2070\u2074-\u2079]{1,4} )
    | (?P<power> \*\* | \^ )
    | (?P<times> \* | \\(?:cdot|times|ast)(?![A-Za-z]) )
    | (?P<over_sign> / | \\div(?![A-Za-z]) )
    | (?P<sign> [+-] | &minus;|&\#8722; )
    | (?P<open> [(\[{] | \\[{] ) | (?P<close> [)\]}] | \\[}] )
    | (?P<separator> , )
    | (?P<symbol> (?<![A-Za-z0-9_]) [A-Za-z] (?![A-Za-z0-9_(]) | (?<=[0-9]) [A-Za-z] (?![A-Za-z0-9_(]) )
    """,
    re.VERBOSE,
)
_RUN = re.compile(r"(?<![A-Za-z_\\])[A-Za-z]{1,12}(?![A-Za-z0-9_])")
_RAISED = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b", "0123456789+-")
_NAMES = {"short": "number", "over_sign": "/", "times": "*", "power": "^", "frac": "frac", "root": "sqrt"}


_Token: TypeAlias = tuple[str, str, Fraction | None]
"""Kind, text, and the value of a number."""


def _number(match: re.Match[str]) -> Fraction:
    if match["short"]:
        return divided(Fraction(int(match["over"])), Fraction(int(match["under"])))
    separator = match["comma"]
    whole = match["whole"] or "0"
    whole = (whole.replace(separator, "") if separator else whole).lstrip("0")
    part = (match["only"] or match["part"] or "").rstrip("0")
    ten = int(match["ten"] or 0)
    if len(whole) + len(part) > MAX_DIGITS or abs(ten) > MAX_TEN_EXPONENT:
        raise Unreadable("too_large")
    digits = Fraction(int(whole + part or "0"))
    shift = ten - len(part)
    return digits * 10**shift if shift >= 0 else digits / 10**-shift


def _tokens(text: str, letters: str | None) -> list[_Token]:
    """The tokens of a text; `letters` as in `parse`."""
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        if len(tokens) > MAX_TOKENS:
            raise Unreadable("too_long")
        match = _TOKEN.match(text, position)
        if letters and (match is None or match.lastgroup == "symbol"):
            run = _RUN.match(text, position)
            if run and set(run[0]) <= set(letters):
                tokens += [("symbol", letter, None) for letter in run[0]]
                position = run.end()
                continue
        if match is None:
            raise Unreadable("syntax")
        position = match.end()
        kind = match.lastgroup or ""  # the group that closes last, which is the outer alternative
        if kind in ("space", "wrap"):
            continue
        if kind == "raised":
            raised = Fraction(int(match[0].translate(_RAISED)))
            tokens += [("^", "^", None), ("number", match[0], raised)]
            continue
        name = _NAMES.get(kind, kind)
        text_ = "-" if match[kind][0] == "&" else match[kind].lstrip("\\")
        tokens.append((name, text_, _number(match) if name == "number" else None))
    return tokens


_CLOSING = {"(": ")", "[": "]", "{": "}"}


class _Parser:
    """Recursive descent over the tokens; each rule of the grammar is a method that gives its node."""

    def __init__(self, tokens: list[_Token], strict: bool) -> None:
        self.tokens = [*tokens, ("end", "", None)]
        self.strict = strict
        self.at = self.depth = self.operators = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def text(self) -> str:
        return self.tokens[self.at][1]

    def take(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def operation(self, operator: str, *operands: Node) -> Operation:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise Unreadable("too_long")
        return Operation(operator, operands)

    def whole(self) -> Node:
        node = self.items("")
        if self.kind != "end":
            raise Unreadable("syntax")
        return node

    def items(self, kind: str) -> Node:
        items = [self.sum()]
        while self.kind == "separator":
            self.take()
            items.append(self.sum())
        # One item in parentheses or braces is the item itself; one item in brackets stays a list.
        return items[0] if len(items) == 1 and kind != "[" else Many(kind, tuple(items))

    def sum(self) -> Node:
        node = self.product()
        while self.kind == "sign":
            node = self.operation(self.take()[1], node, self.product())
        return node

    def product(self) -> Node:
        node = self.unary()
        divided = False
        while True:
            if self.kind in "*/":
                divided = self.kind == "/"
                node = self.operation(self.take()[0], node, self.unary())
            elif self.kind == "symbol" or self.opens_factor(node):
                node = self.factor(node, divided)
            else:
                return node

    def opens_factor(self, node: Node) -> bool:
        if self.strict:
            return self.text == "(" and _has_symbol(node)
        return self.text == "(" or self.kind == "sqrt"

    def factor(self, node: Node, divided: bool) -> Node:
        """The implicit product of a node and the power that follows it."""
        if divided:
            raise Unreadable("ambiguous")  # 1/2x can mean x/2 or 1/(2x)
        power = self.power()
        if isinstance(node, Many) or isinstance(power, Many) or not (_is_algebra(node) or _is_algebra(power)):
            raise Unreadable("syntax")  # 2(3), or a pair behind a letter
        return self.operation("*", node, power)

    def unary(self) -> Node:
        signs = ""
        while self.kind == "sign":
            signs += self.take()[1]
            if len(signs) > MAX_DEPTH:
                raise Unreadable("too_long")
        node = self.power()
        return self.operation("neg", node) if signs.count("-") % 2 else node

    def power(self) -> Node:
        base = self.primary()
        if self.kind != "^":
            return base
        self.take()
        self.enter()
        node = self.operation("^", base, self.unary())
        self.depth -= 1
        return node

    def primary(self) -> Node:
        kind, text, number = self.take()
        if number is not None:
            return Number(number)
        if kind == "symbol":
            return Symbol(text)
        if kind == "open":
            return self.enclosed(text)
        if kind == "sqrt":
            self.enter()
            bare = self.kind != "open"
            node = self.operation("sqrt", self.primary())
            self.depth -= 1
            if bare and (self.kind == "symbol" or self.text == "("):
                raise Unreadable("ambiguous")  # √2x can mean √2 times x, or the root of 2x
            return node
        if kind == "frac":
            return self.operation("/", self.argument(), self.argument())
        raise Unreadable("syntax")

    def argument(self) -> Node:
        if self.kind != "open" or self.text != "{":
            raise Unreadable("syntax")
        return self.enclosed(self.take()[1])

    def enclosed(self, opening: str) -> Node:
        self.enter()
        node = self.items(opening)
        if self.take()[:2] != ("close", _CLOSING[opening]):
            raise Unreadable("syntax")
        self.depth -= 1
        return node

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too_long")


def _has_symbol(node: Node) -> bool:
    """Whether an expression holds a symbol: a parenthesis behind it is a factor even where a number is expected."""
    if isinstance(node, Operation):
        return any(_has_symbol(operand) for operand in node.operands)
    return isinstance(node, Symbol)


def _is_algebra(node: Node) -> bool:
    """Whether an expression holds a symbol or a root."""
    if isinstance(node, Operation):
        return node.operator == "sqrt" or any(_is_algebra(operand) for operand in node.operands)
    return isinstance(node, Symbol)


def parse(text: str, letters: str | None = None) -> Node:
    """The parse tree of a text; symbols are single letters.

    Args:
        text: The answer or reference alone.
        letters: The letters that may form implicit products with each other and with parentheses, where an expression
            is expected; None where a number is expected.

    Raises:
        Unreadable: The text is outside the grammar or exceeds a limit.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable("too_long")
    text = canonical(text).strip()
    if len(text) > 1 and text[0] == text[-1] == "$":
        text = text.strip("$").strip()
    spelled = _spelled(text)
    if spelled is not None:
        return Number(spelled)
    return _Parser(_tokens(text, letters), strict=letters is None).whole()


_WORD = re.compile(r"(?<![\\&])\b[A-Za-z]{3,}\b")
_SCALED = re.compile(r"(.{1,60}?)[ \n\u2009-]?(hundred|thousand|million|billion|trillion)", re.IGNORECASE)


def _spelled(text: str) -> Fraction | None:
    """The value of a number in words, or None for a text without number words.

    Raises:
        Unreadable: The text holds number words but is no numeral.
    """
    if len(text) > 120 or not any(word.lower() in NUMBER_WORDS for word in _WORD.findall(text)):
        return None
    first, _, rest = text.partition(" ")
    sign = SIGNS.get(first.lower())
    if sign is None and first[:1] == "-":
        sign, rest = -1, text[1:]
    if sign is not None:
        rest = rest.strip()
        if not rest or rest[0] in "+-" or rest.partition(" ")[0].lower() in SIGNS:
            raise Unreadable("syntax")
        return sign * exact_value(rest)
    scaled = _SCALED.fullmatch(text)
    if scaled and _LITERAL.fullmatch(scaled[1].replace(",", "")):
        return exact_value(scaled[1]) * SCALES[scaled[2].lower()]
    number = numeral(text.lower().replace("-", " ").replace(",", " ").split())
    if number is None:
        raise Unreadable("syntax")
    return Fraction(number)
