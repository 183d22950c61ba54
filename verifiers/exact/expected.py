"""What the final answer has to equal: an accepted reference, read once.

Takes a text; gives an `ExpectedAnswer`. A reference may be a whole worked solution as GSM8K and MATH have it: its
answer is what stands behind `####` or in the last box. Depends on no response.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from fractions import Fraction

from restem.benchmarks.problem import Problem
from restem.verifiers.algebra import Node, Number, Unreadable, parse, read_value, value
from restem.verifiers.algebra.dates import Date, date_of
from restem.verifiers.algebra.nodes import Choice, Clock, Many, Operation, Quantity, Ratio, Symbol, Words, is_constant
from restem.verifiers.algebra.typesetting import unescaped
from restem.verifiers.answers.general import read_solution
from restem.verifiers.answers.words import WordKind, kind_of
from restem.verifiers.exact.references import accepted_texts

MAX_REFERENCE = 20_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnswer:
    """What the final answer has to equal: a number, an expression, several values, or a word.

    Attributes:
        text: Its text.
        side: Its text without a left side such as `y =`, for the worker.
        number: Its value, if it is a plain number.
        node: Its tree, if it is in the strict grammar of `parse`.
        value: Its tree as `read_value` gives it.
        date: The date that it is, if it is one.
        kind: The kind of word, if it is `True`, a time or a numeral in another base.
        letters: The letters that it uses as variables.
        variable: The asked variable, if it is known from anything but the wording of the question.
        unreadable: Why its value is not known; only an equal text is then correct.
    """

    text: str = ""
    side: str = ""
    number: Fraction | None = None
    node: Node | None = None
    value: Node | None = None
    date: Date | None = None
    kind: WordKind | None = None
    letters: str = ""
    variable: str | None = None
    unreadable: str | None = None

    @property
    def is_wordy(self) -> bool:
        """Whether the answer is a word, a name or a lettered choice."""
        if self.date is not None:
            return True
        is_empty = isinstance(self.value, Many) and not self.value.items  # "no solution"
        return is_empty or isinstance(self.value, Words | Choice) or (self.value is None and self.number is None)

    @property
    def has_left_side(self) -> bool:
        """Whether it is an equation such as `y = 3x - 2`."""
        return self.side != self.text

    @property
    def is_letter(self) -> bool:
        """Whether the answer is one letter, which may name a choice."""
        return isinstance(self.value, Symbol)

    @property
    def is_formula(self) -> bool:
        """Whether the answer is more than one number and more than words."""
        if self.date is not None:
            return False
        plain = isinstance(self.value, Words | Choice | Clock | Number | Quantity | Ratio)
        return self.number is None and not plain and not (isinstance(self.value, Many) and not self.value.items)


def references(problem: Problem) -> Sequence[ExpectedAnswer]:
    """The accepted references of a problem, each as an expected answer."""
    if not problem.alternatives:
        return (read_reference(problem.reference or ""),)
    return [read_reference(reference) for reference in accepted_texts(problem) or ("",)]


_ASSIGNED = re.compile(r"\s*[A-Za-z]\s*=(?!=)")
_ONE_LETTER = re.compile(r"\\(?:text|textbf|mathrm)\{\s*([A-Ha-h])\s*\}")
_FUNCTIONS = re.compile(r"(?<![A-Za-z\\])([A-Za-z])(?:\^\{-1\})?\((?:[a-z]|-?[0-9]{1,4})\)")
_UNITS = re.compile(r"(?:[0-9]\s|\u00b0\s?|\\circ\}?\s?)([CFKLlmghsWVANJ])(?![A-Za-z(^])(?!\s?[-+=*])")
_LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")


@functools.lru_cache(maxsize=4096)
def read_reference(reference: str) -> ExpectedAnswer:
    """The expected answer that a reference stands for."""
    text = read_solution(reference) if len(reference) <= MAX_REFERENCE else reference
    if not text.strip():
        return ExpectedAnswer(unreadable="no_reference")
    if date := date_of(text):
        return ExpectedAnswer(text=text, date=date)
    general, unreadable = None, None
    letters = "".join(sorted(_letters(unescaped(text))))
    try:
        general = _defined(_value(unescaped(text), letters))
    except Unreadable as problem:
        unreadable = f"unread_reference: {problem.reason}"
    strict = _strict(text)
    if strict.kind is None and strict.node is None and general is None:
        return dataclasses.replace(strict, unreadable=unreadable)
    return dataclasses.replace(strict, value=general, letters=letters, unreadable=None)


def _letters(text: str) -> set[str]:
    """The letters that a reference uses as variables: not `f` of `f(x)`, and not a unit such as `L` of `90 L`."""
    return set(_LETTERS.findall(text)) - set(_FUNCTIONS.findall(text)) - set(_UNITS.findall(text))


def _value(text: str, letters: str) -> Node:
    """The value of a reference; of an equation whose left side cannot be read, such as `NO/BO = 2`, its right side.

    Raises:
        Unreadable: There is none.
    """
    if letter := _ONE_LETTER.fullmatch(text.strip()):
        return Choice(letter[1].upper(), None)
    try:
        return read_value(text, letters)
    except Unreadable:
        left, equals, right = text.partition("=")
        if not equals or "=" in right or not re.search("[A-Za-z]", left):
            raise
        return read_value(right, letters)


def _defined(node: Node) -> Node:
    """The tree, unless it is a constant such as `1/0`; an irrational one has no rational value and is defined.

    Raises:
        Unreadable: It has no value.
    """
    if isinstance(node, Operation) and is_constant(node):
        try:
            value(node)
        except Unreadable as problem:
            if problem.reason == "zero_division":
                raise
    return node


def _strict(reference: str) -> ExpectedAnswer:
    """The reference in the strict grammar, where it is a plain number, an expression or a word of a known kind."""
    text = _ASSIGNED.sub("", reference, count=1) if _ASSIGNED.match(reference) else reference
    try:
        node = parse(text)
    except Unreadable as problem:
        kind = kind_of(text) if problem.reason == "syntax" else None
        return ExpectedAnswer(text=reference, side=text, kind=kind)
    try:
        return ExpectedAnswer(text=reference, side=text, node=node, number=value(node))
    except Unreadable as problem:
        # A symbol, several values, and a root or power without a rational value ("syntax") are symbolic references.
        symbolic = problem.reason in ("symbol", "several", "syntax")
        return ExpectedAnswer(text=reference, side=text, node=node if symbolic else None)
