"""One answer compared with what is expected: a decision, or a task for the worker.

Takes an `ExpectedAnswer` and texts; gives an outcome with its reason, or an `AlgebraTask` where only exact algebra can
tell. Reads no response and starts no worker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from restem.verifiers.algebra import is_evaluated, read_value, same_value
from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.dates import date_of, same_date
from restem.verifiers.algebra.equality import DOUBTS, NeedsAlgebra, equal_without_algebra, equality
from restem.verifiers.algebra.grammar import fraction, is_literal, parse
from restem.verifiers.algebra.nodes import Choice, Many, Node, Operation, Symbol, Unreadable, Words, is_constant, value
from restem.verifiers.algebra.typesetting import unescaped
from restem.verifiers.answers.expressions import is_ordered, letters_of
from restem.verifiers.answers.question import asked
from restem.verifiers.answers.words import comparable
from restem.verifiers.exact.expected import ExpectedAnswer
from restem.verifiers.verdict import Outcome
from restem.verifiers.worker import Failure

Decision: TypeAlias = tuple[Outcome, str | None]
"""An outcome and its reason."""


class AlgebraTask(NamedTuple):
    """A comparison for the worker: the argument of `symbolic.compare`.

    Attributes:
        grammar: `strict` for texts of `parse`, `values` for texts of `read_value`.
        context: `ordered` of `equality`, or the question.
    """

    grammar: str
    reference: str
    answer: str
    context: bool | str | None
    letters: str


def decided(is_equal: bool) -> Decision:
    """Correct or wrong, without a reason."""
    return (Outcome.CORRECT if is_equal else Outcome.WRONG), None


def result_decision(result: bool | str | Failure) -> Decision:
    """The decision that a result of `equality`, here or in the worker, stands for."""
    if isinstance(result, Failure):
        return Outcome.UNDECIDED, f"worker: {result.kind}"
    if isinstance(result, str):
        return Outcome.UNDECIDED, result if result in DOUBTS else f"unparsed: {result}"
    return decided(result)


def compared(expected: ExpectedAnswer, answer: str, question: str) -> Decision | AlgebraTask:
    """The decision on an answer, or the task for the worker."""
    if expected.kind is not None:
        return decided(comparable(expected.text) == comparable(answer))
    number, node = expected.number, expected.node
    answered = fraction(answer) if number is not None else None
    if answered is None and number is not None and (again := _AGAIN.fullmatch(answer)):
        twice = fraction(again[1]), fraction(again[2])
        answered = twice[0] if twice[0] == twice[1] else None  # "seventy-one (71)"
    if answered is not None:
        return decided(number == answered)
    assert node is not None
    letters = None if number is not None else letters_of(node, question)
    ordered = not isinstance(node, Many) or bool(node.kind) or is_ordered(question)
    try:
        tree = parse(answer, letters)
    except Unreadable as problem:
        return Outcome.UNDECIDED, f"unparsed: {problem.reason}"
    try:
        if number is not None and not is_constant(tree):
            return _number_or_several(number, tree)
        if isinstance(node, Symbol) and not isinstance(tree, Symbol) and f"({node.name})" in question:
            return Outcome.UNDECIDED, "not_a_choice"  # a choice such as `(c)` was asked for, and `-2` may be its value
        return result_decision(equality(node, tree, equal_without_algebra, ordered=ordered))
    except Unreadable as problem:
        return Outcome.UNDECIDED, f"unparsed: {problem.reason}"
    except NeedsAlgebra:
        if number is not None:  # an irrational root or power: not worth half a second to start the worker
            return (Outcome.WRONG, None) if _is_root(tree) else (Outcome.UNDECIDED, "unparsed: irrational")
        return AlgebraTask("strict", expected.side, answer, ordered, letters or "")


def _is_root(tree: Node) -> bool:
    """Whether the tree is a single irrational square root: rational ones have been read as fractions before."""
    if isinstance(tree, Operation) and tree.operator == "neg":
        tree = tree.operands[0]
    return isinstance(tree, Operation) and tree.operator == "sqrt" and value(tree.operands[0]) > 0


def _number_or_several(number: Fraction, tree: Node) -> Decision:
    """The decision on several values where a number is expected: wrong, unless all of them are that number.

    Raises:
        Unreadable: The tree is an expression with symbols, or a list in brackets.
    """
    if not isinstance(tree, Many) or tree.kind == "[":
        raise Unreadable("several" if isinstance(tree, Many) else "symbol")
    values = {value(item) for item in tree.items}
    if values == {number} and tree.kind in ("", "{"):
        return Outcome.CORRECT, None
    return Outcome.WRONG, "two_answers"


# -- Any answer --------------------------------------------------------------------------------------------------------

MAX_DECIMALS = 18
_DECIMALS = re.compile(rf"\.([0-9]{{4,{MAX_DECIMALS}}})(?:\.{{3}}|\\[cl]?dots)?\s*\Z")
_MATH = re.compile(r"\$([^$\n]{1,300})\$|\\\((.{1,200}?)\\\)|\\\[(.{1,300}?)\\\]", re.DOTALL)
_LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_COMPUTES = re.compile(
    r"\b(?:compute|calculate|evaluate|simplify|factor(?:i[sz]e)?|expand|multiply|add|subtract|divide|work out"
    r"|what is|find the (?:value|sum|product))\b",
    re.IGNORECASE,
)
_REWRITES = re.compile(r"\b(?:simplify|factor(?:i[sz]e)?|expand)\b", re.IGNORECASE)
_OPERATOR = re.compile(r"[-+*/^(\u00b7]|\\(?:[dt]?frac|sqrt|cdot|times)")
_AGAIN = re.compile(r"([^()]{1,80}?)\s?\(([^()]{1,40})\)")
_SPACES = re.compile(
    r"(?<![0-9])\s+|\s+(?![0-9])|\\[,;:! ]|(?<=[\w}])~(?=[\w\\])|\$|\\left(?![a-z])|\\right(?![a-z])"
    r"|\\displaystyle(?![a-z])"
)


def written(text: str) -> str:
    """A text without blanks, dollar signs and typesetting, for the comparison of texts."""
    text = _SPACES.sub("", canonical(text).replace("\u2009", " ")).replace("dfrac", "frac").replace("tfrac", "frac")
    return text[:-1] if text.endswith(".") and not text.endswith("..") else text


def letters_in(question: str) -> set[str]:
    """The single letters in the formulas of a question."""
    formulas = [part for match in _MATH.finditer(question[-2000:]) for part in match.groups() if part]
    return {letter for formula in formulas for letter in _LETTERS.findall(formula)}


def compared_texts(
    expected: ExpectedAnswer, texts: Sequence[str], question: str, *, evaluated: bool
) -> Decision | AlgebraTask:
    """The decision on an answer that may be written in one of several texts: that of the first text that decides.

    Args:
        expected: The expected answer.
        texts: Texts that may hold the answer, the most likely one first.
        question: The question.
        evaluated: Whether an answer that repeats the question's own expression is undecided.
    """
    if expected.number is not None and (answered := fraction(texts[0])) is not None:
        return _number_decided(expected.number, answered, texts[0], question, evaluated)
    if "dozen" in question:
        texts = [text.replace(" dozen", "") for text in texts]
    if any(written(text) == written(expected.text) for text in texts):
        return Outcome.CORRECT, None
    if expected.date is not None:
        dates = [date for text in texts if (date := date_of(text))]
        return decided(same_date(expected.date, dates[0])) if dates else (Outcome.UNDECIDED, "date")
    if expected.value is None:
        return Outcome.UNDECIDED, expected.unreadable or "unread_reference: syntax"
    letters = "".join(sorted({*expected.letters, *letters_in(question)}))
    is_several = isinstance(expected.value, Many) and expected.value.kind in ("", "{")
    doubt: str | None = "unparsed: syntax"
    for text in map(unescaped, texts):
        result = _of_text(expected.value, expected.text, text, letters, question, evaluated)
        if isinstance(result, AlgebraTask):
            return result
        if result is False and is_several and text != texts[-1]:
            doubt = None  # the next text may hold all values
        elif not isinstance(result, str):
            return decided(result)
        elif result in _FINAL:
            return Outcome.UNDECIDED, result
        else:
            doubt = result
    return (Outcome.UNDECIDED, doubt) if doubt else decided(False)


_FINAL = frozenset({"not_a_choice", "not_evaluated"})  # another text of the same answer decides nothing either


def _of_text(
    expected: Node, reference: str, text: str, letters: str, question: str, evaluated: bool
) -> bool | str | AlgebraTask:
    """Whether one text of an answer equals the reference: true, false, a reason why not known, or a task."""
    try:
        tree = read_value(text, letters)
        if _is_choice(expected, question) and not isinstance(tree, Symbol | Choice):
            return "not_a_choice"  # and this may be the value of one
        is_other_kind = isinstance(expected, Words) and not isinstance(tree, Words | Choice | Symbol)
        if is_other_kind or (isinstance(tree, Words) and not _decides(expected, tree)):
            return "words"
        if evaluated and _repeats(text, tree, question):
            return "not_evaluated"
        return same_value(expected, tree, "" if asked(question).is_open else question)
    except Unreadable as problem:
        return f"unparsed: {problem.reason}"
    except NeedsAlgebra:
        return AlgebraTask("values", unescaped(reference), text, question[-1000:], letters)


def _number_decided(number: Fraction, answered: Fraction, text: str, question: str, evaluated: bool) -> Decision:
    """The decision on a plain number, which needs no other grammar."""
    if number != answered:
        return (Outcome.UNDECIDED, "rounded") if _is_cut(number, answered, text) else (Outcome.WRONG, None)
    if evaluated and not is_literal(text) and _repeats(text, parse(text), question):
        return Outcome.UNDECIDED, "not_evaluated"
    return Outcome.CORRECT, None


def _is_cut(number: Fraction, answered: Fraction, text: str) -> bool:
    """Whether a decimal with four decimals or more is the beginning of a number whose decimals do not end."""
    decimals = _DECIMALS.search(text)
    is_endless = 10**MAX_DECIMALS % number.denominator != 0
    return decimals is not None and is_endless and abs(number - answered) < Fraction(1, 10 ** len(decimals[1]))


def _is_choice(expected: Node, question: str) -> bool:
    """Whether a letter names a choice of the question, such as `(c)`."""
    return isinstance(expected, Symbol) and f"({expected.name})" in question


def _decides(expected: Node, words: Words) -> bool:
    """Whether words can be compared: with words, unless they are a longer text that holds these."""
    if not isinstance(expected, Words):
        return False
    longer = len(words.words) > len(expected.words)
    return not (longer and set(expected.words) <= set(words.words)) and len(words.words) <= len(expected.words) + 3


def _repeats(text: str, tree: Node, question: str) -> bool:
    """Whether an answer is an expression of a question that asks to compute or to rewrite it."""
    if not _COMPUTES.search(question) or not _OPERATOR.search(text):
        return False
    if is_evaluated(tree) and not _REWRITES.search(question):
        return False
    formulas = [part for match in _MATH.finditer(question[-2000:]) for part in match.groups() if part]
    if formulas:
        return _plain(text) in map(_plain, formulas)
    return _plain(question).rstrip("?!. ").endswith(_plain(text))


def _plain(text: str) -> str:
    """A text as `written` gives it, with one sign for products."""
    return written(text).replace("\\cdot", "*").replace("\\times", "*")
