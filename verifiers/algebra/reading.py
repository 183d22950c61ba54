"""The value of a whole reference or a whole answer, in LaTeX or plain text.

Takes the text of a value: what a reference holds, what stands in a box or behind "The answer is". Gives a tree, or
raises `Unreadable` with the reason. Does not depend on responses, questions or verdicts, and evaluates no text.
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction

from restem.verifiers.algebra.items import Reader
from restem.verifiers.algebra.nodes import (
    Choice,
    Clock,
    Comma,
    Node,
    Number,
    Operation,
    Quantity,
    Unreadable,
    Words,
    children,
    value,
)
from restem.verifiers.algebra.phrases import words_of, wordy
from restem.verifiers.algebra.plus_minus import expanded
from restem.verifiers.algebra.tokens import tokens_of
from restem.verifiers.algebra.typesetting import BEGIN, END, cleaned
from restem.verifiers.algebra.units import PERCENT

MAX_CHARACTERS = 4096

_SOLUTION_MARK = "####"
_NAMED_CHOICE = re.compile(r"(?:option|choice|answer) \(?([A-Ja-j])\)?", re.IGNORECASE)
_ARTICLE = re.compile(
    r"[Aa] (?!(?:and|or|plus|minus|times|over|squared|cubed|in|is|to|if|than|equals?|divided|mod)\b)[A-Za-z]{2}"
)
_OTHER_CHOICE = re.compile(r"\([A-J]\)|^(?:or|and|nor|not)\b", re.IGNORECASE)
_BARE_CHOICE = re.compile(r"(?:\\text(?:bf)?\{)?\(?([A-Ja-j])[.)]\}?")
_AND_A_PART = re.compile(r"([0-9]{1,9}) and (?:a|one) (half|third|quarter)(?![a-z])")
_RUPEES = re.compile(r"^Rs\.? ?(?=[0-9])")
_SIGNED = re.compile(r"^(?:minus|negative) (?=[0-9$])", re.IGNORECASE)
_MARKS = str.maketrans({BEGIN: " ", END: " "})
_COMMA = re.compile(r"(?P<money>[$\u20ac\u00a3]?) ?(-?)([0-9]{1,15}),([0-9]{1,15})(?P<more> ?[$\u20ac\u00a3]?)")
_RESTATED = re.compile(r"([^()]+?) \(([^()]+)\)")
_ALTERNATIVES = frozenset({"or", "not", "and", "maybe", "possibly", "if"})
_NAMED_TIMES = {"noon": 720, "12 noon": 720, "midnight": 0, "12 midnight": 0}
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
    if _ARTICLE.match(plain) and (words := words_of(plain)) is not None:
        return words  # otherwise "a cat" is the letter `a` with a noun, as every other animal
    try:
        return expanded(Reader(tokens_of(text, letters), letters).whole())
    except Unreadable as problem:
        words = words_of(plain) if problem.reason in ("syntax", "ambiguous") else None
        again = words or _restated(plain, letters)
        if again is None:
            raise
        return again


def _with_part(match: re.Match[str]) -> str:
    """`3 and a half` as a mixed number."""
    return f"{match[1]} 1/{({'half': 2, 'third': 3, 'quarter': 4})[match[2]]}"


def _clock(text: str) -> Node | None:
    """A time of day with its half."""
    if text.lower() in _NAMED_TIMES:
        return Clock(_NAMED_TIMES[text.lower()])
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
    factors = [_factor(node) if isinstance(node, Quantity) else Fraction(1) for node in (first, second)]
    try:
        is_same = value(values[0]) * factors[0] == value(values[1]) * factors[1]
    except Unreadable:
        return None
    return first if is_same else None


def _factor(quantity: Quantity) -> Fraction:
    return Fraction(1, 100) if quantity.unit == PERCENT else quantity.unit.factor


def _choice(text: str, letters: str) -> Node | None:
    """A lettered choice: `(C)`, `b.`, `(C) 46%`."""
    named = _NAMED_CHOICE.fullmatch(text)
    if named is not None:
        return Choice(named[1].upper(), None)
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
    if _OTHER_CHOICE.search(rest) or _CHOICE.fullmatch(rest):
        return None
    inner = _read_or_reason(rest, letters)
    return Choice(letter.upper(), None if isinstance(inner, str) else inner)


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
