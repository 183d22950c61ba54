"""`sympy` and `exact`: the final answer compared with the reference, by value or by text.

Takes attempts; gives verdicts. Numbers are compared as fractions, here and at once. What needs algebra is gathered
from the whole batch and sent to a killable worker (see `symbolic.py`), so nothing symbolic is computed in this process,
and SymPy is not loaded into it. Knows nothing of models, and runs no text.

A response that commits to no one value (two answers, a hedge, a retraction, none at all) is wrong, with the reason;
one whose answer cannot be read, or that brings the worker to its limits, is undecided.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from restem.benchmarks.problem import Problem
from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.equality import DOUBTS, NeedsAlgebra, equal_without_algebra, equality
from restem.verifiers.algebra.grammar import fraction, parse
from restem.verifiers.algebra.nodes import Many, Node, Operation, Symbol, Unreadable, is_constant, value
from restem.verifiers.answers.expressions import find_expression, is_ordered, letters_of
from restem.verifiers.answers.final_answer import CANNOT_TELL, READER_VERSION, Answer, asked_variable, find
from restem.verifiers.answers.words import WordKind, comparable, find_word, kind_of
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint
from restem.verifiers.worker import Failure, Worker

VERSION = 3
SECONDS_PER_PAIR = 2.0
MEMORY_BYTES = 512 << 20

_SCORES = {Outcome.CORRECT: 1.0, Outcome.WRONG: 0.0, Outcome.UNDECIDED: None}
# One for all verifiers of a process; it starts with the first pair that needs it.
_WORKER = Worker(
    "restem.verifiers.algebra.symbolic:equal", seconds_per_item=SECONDS_PER_PAIR, memory_bytes=MEMORY_BYTES
)

Said: TypeAlias = tuple[Outcome, str | None]


class Pair(NamedTuple):
    """What the worker compares: see `verifiers.symbolic.equal`."""

    reference: str
    answer: str
    ordered: bool | None
    letters: str


class Exact:
    """The final answer equals the reference as text, after spaces, signs and digits are made plain."""

    name = "exact"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [self._verdict(attempt) for attempt in attempts]

    def _verdict(self, attempt: Attempt) -> Verdict:
        began = time.perf_counter()
        reference = (attempt.problem.reference or "").strip()
        if not reference:
            return _verdict(_UNREAD, (Outcome.UNDECIDED, "no_reference"), time.perf_counter() - began)
        kind = _read_reference(reference).kind
        found = _found(attempt, kind, None)
        said = _without_answer(found)
        if said is None:
            equal = comparable if kind else _normal
            said = (Outcome.CORRECT if equal(reference) == equal(found.text or "") else Outcome.WRONG), None
        return _verdict(found, said, time.perf_counter() - began)


class Sympy:
    """The final answer equals the reference by value."""

    name = "sympy"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return by_value(attempts, _reference)


_LOOSE_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")  # not one between two digits: `14 2` is not 142


def _normal(text: str) -> str:
    text = _LOOSE_SPACE.sub("", canonical(text).strip()).replace("$", "").replace("\u2009", "")
    return text.rstrip(".").removeprefix("+")


# -- By value, whatever the expected value comes from ------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the final answer has to equal: a number, something symbolic, or a word.

    Attributes:
        text: It as text, for the worker.
        number: Its value, where it is a number.
        node: Its tree, where it is in the grammar.
        kind: The kind of word, where it is one.
        variable: The variable asked for, where it is known otherwise than from the question's wording.
        unreadable: Why there is none: a verifier that has nothing to compare with decides nothing.
    """

    text: str = ""
    number: Fraction | None = None
    node: Node | None = None
    kind: WordKind | None = None
    variable: str | None = None
    unreadable: str | None = None


def by_value(attempts: Sequence[Attempt], expect: Callable[[Problem], Expected]) -> list[Verdict]:
    """One verdict per attempt, in order; what needs algebra goes to the worker in one batch, each pair once."""
    drafts = [_draft(attempt, expect(attempt.problem)) for attempt in attempts]
    lists = [said for _, said, _ in drafts if isinstance(said, list)]
    pairs = list(dict.fromkeys(part for said in lists for part in said if isinstance(part, Pair)))
    began = time.perf_counter()
    told = dict(zip(pairs, map(_told, _WORKER.map(pairs)), strict=True))
    share = (time.perf_counter() - began) / max(1, len(pairs))
    return [
        _verdict(found, _joined([told[part] if isinstance(part, Pair) else part for part in said]), seconds + share)
        if isinstance(said, list)
        else _verdict(found, said, seconds)
        for found, said, seconds in drafts
    ]


def _joined(said: list[Said]) -> Said:
    """What all live candidates are worth, the last of them the answer: a right one beside a wrong one is neither."""
    last = said[-1]
    differ = any(outcome is not last[0] for outcome, _ in said)
    return (Outcome.UNDECIDED, "two_answers") if differ and last[0] is not Outcome.UNDECIDED else last


def _draft(attempt: Attempt, expected: Expected) -> tuple[Answer, Said | list[Said | Pair], float]:
    began = time.perf_counter()
    if expected.unreadable is not None:
        return _UNREAD, (Outcome.UNDECIDED, expected.unreadable), time.perf_counter() - began
    found = _found(attempt, expected.kind, expected.variable)
    if expected.node is not None and expected.number is None:
        found, said = _symbolic(found, attempt, expected)
        return found, said, time.perf_counter() - began
    said = _without_answer(found) or _compared(expected, found.text or "", attempt.problem.question)
    return found, [said] if isinstance(said, Pair) else said, time.perf_counter() - began


def _symbolic(found: Answer, attempt: Attempt, expected: Expected) -> tuple[Answer, Said | list[Said | Pair]]:
    """The answer where an expression or several values are expected, and what its candidates are worth."""
    node, question = expected.node, attempt.problem.question
    assert node is not None
    found, texts = find_expression(found, attempt.response, node, question)
    if found.reason == "two_answers":
        return found, (Outcome.UNDECIDED, found.reason)  # "x = 1 or x = 3" may well be right, and so may equal forms
    return found, _without_answer(found) or [_compared(expected, text, question) for text in texts]


_UNREAD = Answer(None, None, "none")


def _found(attempt: Attempt, kind: WordKind | None, variable: str | None) -> Answer:
    if kind is not None:
        return find_word(attempt.response, kind)
    return find(attempt.response, variable or asked_variable(attempt.problem.question))


def _without_answer(found: Answer) -> Said | None:
    """What a response without a final answer is worth; None where there is one."""
    if found.text is not None and found.reason is None:
        return None
    return (Outcome.UNDECIDED if found.reason in CANNOT_TELL else Outcome.WRONG), found.reason


def _verdict(found: Answer, said: Said, seconds: float) -> Verdict:
    outcome, reason = said
    return Verdict(
        outcome=outcome,
        score=_SCORES[outcome],
        answer=found.text,
        span=found.span,
        rule=found.rule,
        reason=reason,
        seconds=seconds,
    )


def _told(result: bool | str | Failure) -> Said:
    if isinstance(result, Failure):
        return Outcome.UNDECIDED, f"worker: {result.kind}"
    if isinstance(result, str):
        return Outcome.UNDECIDED, result if result in DOUBTS else f"unparsed: {result}"
    return (Outcome.CORRECT if result else Outcome.WRONG), None


# -- The reference -----------------------------------------------------------------------------------------------------

_ASSIGNED = re.compile(r"\s*[A-Za-z]\s*=(?!=)")


def _reference(problem: Problem) -> Expected:
    return _read_reference(problem.reference or "")


@functools.lru_cache(maxsize=4096)
def _read_reference(reference: str) -> Expected:
    if not reference.strip():
        return Expected(unreadable="no_reference")
    text = _ASSIGNED.sub("", reference, count=1) if _ASSIGNED.match(reference) else reference
    try:
        node = parse(text)
    except Unreadable as problem:
        kind = kind_of(text) if problem.reason == "syntax" else None
        unreadable = None if kind else f"unread_reference: {problem.reason}"
        return Expected(text=text, kind=kind, unreadable=unreadable)
    try:
        return Expected(text=text, node=node, number=value(node))
    except Unreadable as problem:
        # `value` finds a symbol, several values, or a root or power that is no fraction ("syntax"): all are symbolic.
        symbolic = problem.reason in ("symbol", "several", "syntax")
        return Expected(text=text, node=node, unreadable=None if symbolic else f"unread_reference: {problem.reason}")


def _compared(expected: Expected, answer: str, question: str) -> Said | Pair:
    """What the answer is worth, or the pair that the worker has to compare."""
    if expected.kind is not None:
        return (Outcome.CORRECT if comparable(expected.text) == comparable(answer) else Outcome.WRONG), None
    number, node = expected.number, expected.node
    found = fraction(answer) if number is not None else None
    if found is not None:
        return (Outcome.CORRECT if number == found else Outcome.WRONG), None
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
            return Outcome.UNDECIDED, "not_a_choice"  # `(c)` was asked for, and `-2` may be what stands behind it
        return _told(equality(node, tree, equal_without_algebra, ordered=ordered))
    except Unreadable as problem:
        return Outcome.UNDECIDED, f"unparsed: {problem.reason}"
    except NeedsAlgebra:
        if number is not None:  # roots and powers that are no fraction; starting the worker for one costs half a second
            return (Outcome.WRONG, None) if _is_root(tree) else (Outcome.UNDECIDED, "unparsed: irrational")
        return Pair(expected.text, answer, ordered, letters or "")


def _is_root(tree: Node) -> bool:
    """Whether the tree is one square root, which then is no rational number: those that are have been read as one."""
    if isinstance(tree, Operation) and tree.operator == "neg":
        tree = tree.operands[0]
    return isinstance(tree, Operation) and tree.operator == "sqrt" and value(tree.operands[0]) > 0


def _number_or_several(number: Fraction, tree: Node) -> Said:
    """A number was asked and the answer is not one: several values are wrong, anything else is not for us to say."""
    if not isinstance(tree, Many) or tree.kind == "[":
        raise Unreadable("several" if isinstance(tree, Many) else "symbol")
    values = {value(item) for item in tree.items}
    if values == {number} and tree.kind in ("", "{"):
        return Outcome.CORRECT, None
    return Outcome.WRONG, "two_answers"
