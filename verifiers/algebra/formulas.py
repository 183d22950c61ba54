"""A bounded grammar from the tokens of a value to its tree.

Takes tokens (see `tokens.py`); gives a tree, or raises `Unreadable` with the reason. Does not depend on text.

    items    = item (("," | "and" | "or") item)*
    item     = side (relation side)*
    side     = words | money? sum (union sum)* (":" sum)* scale? unit?
    sum      = product (("+" | "-" | plus-minus) product)*
    product  = unary (("*" | "/") unary | power)*      `power` is an implicit product
    power    = primary ("!" | degree | "'" | "^" exponent)*
    primary  = number | mixed number | letter | constant | function | root | fraction | matrix | items in brackets
"""

from __future__ import annotations

from fractions import Fraction

from restem.verifiers.algebra.brackets import MAX_DEPTH, Brackets, is_single
from restem.verifiers.algebra.nodes import (
    Based,
    Call,
    Constant,
    Many,
    Node,
    Number,
    Operation,
    Symbol,
    Unreadable,
)
from restem.verifiers.algebra.tokens import Token

_OPENS_FACTOR = frozenset({"symbol", "constant", "function", "frac", "root", "cube root", "binom", "overline", "name"})
_FUNCTION_LETTERS = frozenset("fghpqABCDFGHLMPQRSTVW")
_SYNONYMS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "ceiling": "ceil", "lg": "log"}
_INVERSE = [("^", "^"), ("open", "{"), ("sign", "-"), ("number", "1"), ("close", "}"), ("open", "(")]


class Formula(Brackets):
    """Recursive descent over tokens, up to sums; `items.Reader` adds units, relations and lists."""

    def sum(self) -> Node:
        node = self.product()
        while self.kind in ("sign", "pm"):
            sign = self.take()
            right = self.product()
            if sign.kind == "pm":
                right = self.operation(sign.text, right)
            node = self.operation("-" if sign.text == "-" else "+", node, right)
        return node

    def product(self) -> Node:
        node = self.unary()
        is_quotient = False
        while True:
            if self.kind in ("*", "/"):
                is_quotient = self.kind == "/"
                node = self.operation(self.take().text, node, self.unary())
            elif self.opens_factor():
                if is_quotient and not self._is_fraction(node):
                    raise Unreadable("ambiguous")  # 1/2x can mean x/2 or 1/(2x)
                node = self.operation("*", node, self.power())
            else:
                return node

    def opens_factor(self) -> bool:
        token = self.token
        if token.kind == "bar":
            return not self.bars
        return token.kind in _OPENS_FACTOR or (token.kind == "open" and token.text in ("(", "{", "floor", "ceil"))

    def _is_fraction(self, node: Node) -> bool:
        """Whether a quotient before an implicit factor is a fraction of numbers, as in `3/4 x` and `3/4\\pi`."""
        parts = node.operands if isinstance(node, Operation) else ()
        signless = [
            part.operands[0] if isinstance(part, Operation) and part.operator == "neg" else part for part in parts
        ]
        is_plain = bool(signless) and all(isinstance(part, Number) for part in signless)
        return is_plain and (self.token.spaced or self.kind in ("constant", "root"))

    def unary(self) -> Node:
        signs = 0
        is_negative = False
        while self.kind == "sign":
            is_negative ^= self.take().text == "-"
            signs += 1
            if signs > MAX_DEPTH:
                raise Unreadable("too_long")
        if self.kind == "pm":
            operator = self.take().text
            node = self.operation(operator, self.power_product())
        else:
            node = self.power()
        return self.operation("neg", node) if is_negative else node

    def power_product(self) -> Node:
        """A product without signs and divisions: `2\\sqrt3`."""
        node = self.power()
        while self.opens_factor():
            node = self.operation("*", node, self.power())
        return node

    def power(self) -> Node:
        node = self.primary()
        while True:
            if self.kind == "!":
                self.take()
                node = self.operation("!", node)
            elif self.kind == "degree":
                self.take()
                node = self.operation("deg", node)
            elif self.kind == "prime" and isinstance(node, Symbol):
                self.take()
                node = Symbol(node.name + "'")
                node = self.call(node) or node
            elif self.kind == "^":
                node = self.raised(node)
            else:
                return node

    def raised(self, base: Node) -> Node:
        self.take()
        if self.kind == "degree":
            return base  # the loop of `power` takes the degree sign
        if self.token[:2] == ("open", "{") and self.after().kind in ("degree", "prime"):
            self.take()
            sign = self.take()
            self.expect("close", "}")
            if sign.kind == "prime":
                return Symbol(f"{base.name}'") if isinstance(base, Symbol) else base
            return self.operation("deg", base)
        self.enter()
        node = self.operation("^", base, self.exponent())
        self.depth -= 1
        return node

    def exponent(self) -> Node:
        is_negative = False
        while self.kind == "sign":
            is_negative ^= self.take().text == "-"
        node = self.plain()
        if self.kind == "^":
            node = self.raised(node)
        return self.operation("neg", node) if is_negative else node

    # -- Primaries -----------------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        token = self.take()
        match token.kind:
            case "number":
                return self.number(token)
            case "based":
                return _based(token.text)
            case "symbol":
                return self.symbol(token)
            case "constant":
                return Constant(token.text)
            case "function":
                return self.function(token)
            case "frac":
                return self.operation("/", self.argument(), self.argument())
            case "binom":
                return self.operation("binom", self.argument(), self.argument())
            case "root":
                return self.root(token)
            case "cube root":
                return self.operation("root", self.argument(), Number(Fraction(3)))
            case "open":
                return self.enclosed(token.text)
            case "bar":
                return self.absolute()
            case "matrix":
                return self.matrix(token)
            case "empty":
                return Many("{", ())
            case "numbers":
                return self.numbers()
            case "overline" | "name":
                return self.named(token)
            case _:
                raise Unreadable("syntax")

    def plain(self) -> Node:
        """A primary that is no mixed number: the exponent of `x^2\\frac{1}{2}` is 2."""
        if self.kind == "number":
            number = self.take().number
            assert number is not None
            return Number(number)
        return self.primary()

    def number(self, token: Token) -> Node:
        assert token.number is not None
        whole = Number(token.number)
        if not token.text.isdigit():
            return whole
        part: tuple[Fraction, Fraction] | None = None
        count = 0
        if self.kind == "frac":
            part, count = self._plain_fraction(), 7
        elif self.kind == "number" and self.token.spaced and self.after().kind == "/":
            part, count = _digits(self.token, self.after(2)), 3
        if part is None:
            return whole
        over, under = part
        if not 0 < over < under or not token.number:
            raise Unreadable("ambiguous")
        self.at += count
        return Number(token.number + over / under)

    def _plain_fraction(self) -> tuple[Fraction, Fraction] | None:
        """The parts of `\\frac{3}{4}` where both are plain whole numbers."""
        kinds = [self.after(place).kind for place in range(1, 7)]
        if kinds != ["open", "number", "close"] * 2:
            return None
        return _digits(self.after(2), self.after(5))

    def symbol(self, token: Token) -> Node:
        if self.kind == "_":
            self.take()
            name = f"{token.text}_{self.subscript()}"
            return self.call(Symbol(name)) or Symbol(name)
        if token.text in ("i", "e") and token.text not in self.letters:
            return Constant(token.text)
        symbol = Symbol(token.text)
        return self.call(symbol) or symbol

    def call(self, symbol: Symbol) -> Node | None:
        """The function with its arguments where a letter such as `f` stands before parentheses; None elsewhere."""
        if symbol.name[0] not in _FUNCTION_LETTERS:
            return None
        kinds = [(self.after(place).kind, self.after(place).text) for place in range(6)]
        if kinds == _INVERSE:
            self.at += 5
            symbol = Symbol(f"{symbol.name}^-1")
        if self.token[:2] != ("open", "("):
            return None
        inside, behind = self.after(), self.after(2)
        is_plain = inside.kind in ("symbol", "number") and behind.text in (")", ",")
        if not is_plain and symbol.name[0] in f"{self.letters}hpqABCDHLMPQRSTVW":
            return None  # h(a + b)/2
        arguments = self.enclosed(self.take().text)
        return Call(symbol.name, arguments.items if isinstance(arguments, Many) else (arguments,))

    def subscript(self) -> str:
        """The text of a subscript."""
        token = self.take()
        if token.kind in ("number", "symbol", "word"):
            return token.text
        if token[:2] != ("open", "{"):
            raise Unreadable("syntax")
        texts: list[str] = []
        while self.kind != "close":
            if self.kind in ("end", "open") or len(texts) > MAX_DEPTH:
                raise Unreadable("syntax")
            texts.append(self.take().text)
        self.expect("close", "}")
        return "".join(texts)

    def function(self, token: Token) -> Node:
        """A function with its argument: what is in parentheses, or a product up to the next function."""
        self.enter()
        name = _SYNONYMS.get(token.text, token.text)
        power, base = None, None
        for _ in range(2):
            if self.kind == "^" and power is None:
                self.take()
                power = self.exponent()
            elif self.kind == "_" and base is None:
                self.take()
                base = self.base()
        if self.token[:2] == ("open", "("):
            argument = self.enclosed(self.take().text)
            arguments = argument.items if isinstance(argument, Many) and argument.kind == "(" else (argument,)
        else:
            sign = self.kind == "sign" and self.take().text == "-"
            argument = self.power()
            while self.opens_factor() and self.kind != "function":
                argument = self.operation("*", argument, self.power())
            if self.kind == "/" and self.after().kind == "number" and not self.token.spaced:
                argument = self.operation(self.take().text, argument, self.power())  # \sin \pi/6
            arguments = (self.operation("neg", argument) if sign else argument,)
        self.depth -= 1
        if not all(is_single(part) for part in arguments):
            raise Unreadable("syntax")
        return self._called(name, arguments, power, base)

    def _called(self, name: str, arguments: tuple[Node, ...], power: Node | None, base: Node | None) -> Node:
        if base is not None:
            if name != "log" or len(arguments) != 1:
                raise Unreadable("syntax")
            arguments = (*arguments, base)
        if name in ("floor", "ceil", "abs", "sqrt", "binom"):
            if len(arguments) != (2 if name == "binom" else 1):
                raise Unreadable("syntax")
            node: Node = self.operation(name, *arguments)
        elif name == "exp":
            node = self.operation("^", Constant("e"), *arguments)
        elif power == Operation("neg", (Number(Fraction(1)),)) and name in ("sin", "cos", "tan"):
            return Call(f"arc{name}", arguments)
        else:
            node = Call(name, arguments)
        return node if power is None else self.operation("^", node, power)

    def base(self) -> Node:
        """The base of a logarithm; of `\\log_23` it is 2, as LaTeX sets it."""
        token = self.token
        if token.kind == "number" and len(token.text) > 1 and token.text.isdigit() and token.text[0] not in "01":
            self.tokens[self.at] = Token("number", token.text[1:], Fraction(int(token.text[1:])))
            return Number(Fraction(int(token.text[0])))
        return self.plain()

    def root(self, token: Token) -> Node:
        self.enter()
        if token.text == "\\" and self.token[:2] == ("open", "["):
            self.take()
            index = self.sum()
            self.expect("close", "]")
            node = self.operation("root", self.argument(), index)
        elif token.text == "\\":
            node = self.operation("sqrt", self.argument())
        else:
            is_bare = self.kind != "open"
            node = self.operation("sqrt", self.primary())
            if is_bare and (self.kind == "symbol" or self.token[:2] == ("open", "(")):
                raise Unreadable("ambiguous")  # the root of 2x, or of 2
        self.depth -= 1
        return node

    def argument(self) -> Node:
        """What a LaTeX command applies to: a group, or one digit, letter or command."""
        token = self.take()
        if token.kind == "open" and token.text in ("{", "("):
            return self.enclosed(token.text)
        if token.kind == "number":
            if len(token.text) > 1:
                raise Unreadable("ambiguous")  # \sqrt12: LaTeX sets the root of 1
            assert token.number is not None
            return Number(token.number)
        if token.kind in ("symbol", "constant", "frac", "root"):
            self.at -= 1
            self.enter()
            node = self.primary()
            self.depth -= 1
            return node
        raise Unreadable("syntax")


def _digits(over: Token, under: Token) -> tuple[Fraction, Fraction] | None:
    plain = over.text.isdigit() and under.text.isdigit()
    return (
        (Fraction(int(over.text)), Fraction(int(under.text)))
        if plain and max(len(over.text), len(under.text)) < 19
        else None
    )


def _based(text: str) -> Node:
    digits, _, base = text.partition("_")
    if int(base) < 2 or int(base) > 36 or any(int(digit, 36) >= int(base) for digit in digits):
        raise Unreadable("syntax")
    return Based(digits.lstrip("0") or "0", int(base))
