"""`sympy` and `exact`: the final answer compared with the reference, by value or by text.

Takes attempts; gives verdicts. Numbers are compared as fractions in this process. Comparisons that need algebra are
collected over the whole batch and sent to a killable worker (see `symbolic.py`), so that this process computes nothing
symbolic and does not load SymPy. Does not depend on language models, and evaluates no text.

A response without a single final answer (two answers, a hedge, a retraction, no answer) is wrong, with the reason. One
whose answer cannot be read, or exceeds the worker's limits, is undecided. Of several accepted references one suffices.
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
from restem.verifiers.exact.references import accepted_texts, against_any
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of
from restem.verifiers.worker import Failure, Worker

VERSION = 3
SECONDS_PER_PAIR = 2.0
MEMORY_BYTES = 512 << 20

# Shared by all verifiers of a process; its child starts at the first comparison that needs algebra.
_WORKER = Worker(
    "restem.verifiers.algebra.symbolic:equal", seconds_per_item=SECONDS_PER_PAIR, memory_bytes=MEMORY_BYTES
)

Decision: TypeAlias = tuple[Outcome, str | None]
"""An outcome and its reason."""


class AlgebraTask(NamedTuple):
    """A comparison for the worker: the argument of `symbolic.equal`."""

    reference: str
    answer: str
    ordered: bool | None
    letters: str


class Exact:
    """The final answer equals a reference as text, after spaces, signs and digits have been normalized."""

    name = "exact"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [self._verdict(attempt) for attempt in attempts]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems without a reference: every text can be compared."""
        return [(problem, "no_reference") for problem in problems if not accepted_texts(problem)]

    def _verdict(self, attempt: Attempt) -> Verdict:
        references = accepted_texts(attempt.problem)
        if not references:
            return _verdict(_UNREAD, (Outcome.UNDECIDED, "no_reference"), 0.0)
        if len(references) == 1:
            return self._against(attempt, references[0].strip())
        return against_any([self._against(attempt, reference.strip()) for reference in references])

    def _against(self, attempt: Attempt, reference: str) -> Verdict:
        began = time.perf_counter()
        kind = _read_reference(reference).kind
        answer = _answer(attempt, kind, None)
        decision = _without_answer(answer)
        if decision is None:
            normalized = comparable if kind else _normalized
            decision = _decided(normalized(reference) == normalized(answer.text or ""))
        return _verdict(answer, decision, time.perf_counter() - began)


class Sympy:
    """The final answer equals a reference by value."""

    name = "sympy"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return by_value(attempts, _references)

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems none of whose references can be read, each with the reason of its first one."""
        return unreadable(problems, _references)


_LOOSE_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")  # not a space between two digits: `14 2` is not 142


def _normalized(text: str) -> str:
    """The text as `exact` compares it."""
    text = _LOOSE_SPACE.sub("", canonical(text).strip()).replace("$", "").replace("\u2009", "")
    return text.rstrip(".").removeprefix("+")


# -- By value, whatever the source of the expected answer --------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnswer:
    """What the final answer has to equal: a number, an expression, several values, or a word.

    Attributes:
        text: Its text, for the worker.
        number: Its value, if it is a number.
        node: Its tree, if it is in the grammar.
        kind: The kind of word, if it is a word.
        variable: The asked variable, if it is known from anything but the wording of the question.
        unreadable: Why there is none; the verdict is then undecided with this reason.
    """

    text: str = ""
    number: Fraction | None = None
    node: Node | None = None
    kind: WordKind | None = None
    variable: str | None = None
    unreadable: str | None = None


_Draft: TypeAlias = tuple[Answer, Decision | None, Sequence[Decision | AlgebraTask]]
"""The comparison of an attempt with one expected answer before the worker's results: the final answer; the decision, or
None where claims have to be compared; a decision or a task for each claim of the response, that of the answer last."""


def by_value(attempts: Sequence[Attempt], expect: Callable[[Problem], Sequence[ExpectedAnswer]]) -> list[Verdict]:
    """One verdict per attempt, in order; all tasks of the batch go to the worker together, equal ones once.

    Args:
        attempts: The batch.
        expect: The accepted answers of a problem, at least one.
    """
    expected = [expect(attempt.problem) for attempt in attempts]
    pairs = zip(attempts, expected, strict=True)
    verdicts = _verdicts([_timed_draft(attempt, answer) for attempt, answers in pairs for answer in answers])
    if len(verdicts) == len(attempts):
        return verdicts
    remaining = iter(verdicts)
    return [against_any([next(remaining) for _ in answers]) for answers in expected]


def unreadable(
    problems: Sequence[Problem], expect: Callable[[Problem], Sequence[ExpectedAnswer]]
) -> list[tuple[Problem, str]]:
    """The problems without a readable expected answer, each with the reason of its first one."""
    reasons = [[answer.unreadable for answer in expect(problem)] for problem in problems]
    return [(problem, texts[0]) for problem, texts in zip(problems, reasons, strict=True) if texts[0] and all(texts)]


def _verdicts(drafts: Sequence[tuple[_Draft, float]]) -> list[Verdict]:
    """The verdicts of drafts, after the worker has done their tasks."""
    tasks = list(
        dict.fromkeys(claim for (_, _, claims), _ in drafts for claim in claims if isinstance(claim, AlgebraTask))
    )
    began = time.perf_counter()
    results = dict(zip(tasks, map(_result_decision, _WORKER.map(tasks)), strict=True))
    share = (time.perf_counter() - began) / max(1, len(tasks))
    return [
        _verdict(answer, decision, seconds)
        if decision is not None
        else _verdict(
            answer, _united([results[c] if isinstance(c, AlgebraTask) else c for c in claims]), seconds + share
        )
        for (answer, decision, claims), seconds in drafts
    ]


def _united(decisions: Sequence[Decision]) -> Decision:
    """The decision on the last claim, which is the answer; undecided where another claim has another outcome."""
    last = decisions[-1]
    differ = any(outcome is not last[0] for outcome, _ in decisions)
    return (Outcome.UNDECIDED, "two_answers") if differ and last[0] is not Outcome.UNDECIDED else last


def _timed_draft(attempt: Attempt, expected: ExpectedAnswer) -> tuple[_Draft, float]:
    began = time.perf_counter()
    return _draft(attempt, expected), time.perf_counter() - began


def _draft(attempt: Attempt, expected: ExpectedAnswer) -> _Draft:
    if expected.unreadable is not None:
        return _UNREAD, (Outcome.UNDECIDED, expected.unreadable), ()
    answer, question = _answer(attempt, expected.kind, expected.variable), attempt.problem.question
    if expected.node is not None and expected.number is None:
        return _draft_of_claims(*find_expression(answer, attempt.response, expected.node, question), expected, question)
    part = _without_answer(answer) or _compared(expected, answer.text or "", question)
    return (answer, None, (part,)) if isinstance(part, AlgebraTask) else (answer, part, ())


def _draft_of_claims(answer: Answer, texts: Sequence[str], expected: ExpectedAnswer, question: str) -> _Draft:
    """The draft where an expression or several values are expected: all claims of the response are compared."""
    if answer.reason == "two_answers":
        return answer, (Outcome.UNDECIDED, answer.reason), ()  # equal forms, or "x = 1 or x = 3", may be right
    refused = _without_answer(answer)
    return answer, refused, () if refused else [_compared(expected, text, question) for text in texts]


_UNREAD = Answer(None, None, "none")


def _answer(attempt: Attempt, kind: WordKind | None, variable: str | None) -> Answer:
    """The final answer of a response by the rules for words or for numbers."""
    if kind is not None:
        return find_word(attempt.response, kind)
    return find(attempt.response, variable or asked_variable(attempt.problem.question))


def _without_answer(answer: Answer) -> Decision | None:
    """The decision on a response without a final answer; None where there is one."""
    if answer.text is not None and answer.reason is None:
        return None
    return (Outcome.UNDECIDED if answer.reason in CANNOT_TELL else Outcome.WRONG), answer.reason


def _verdict(answer: Answer, decision: Decision, seconds: float) -> Verdict:
    outcome, reason = decision
    return verdict_of(outcome, answer=answer.text, span=answer.span, rule=answer.rule, reason=reason, seconds=seconds)


def _decided(is_equal: bool) -> Decision:
    return (Outcome.CORRECT if is_equal else Outcome.WRONG), None


def _result_decision(result: bool | str | Failure) -> Decision:
    """The decision that a result of `equality`, here or in the worker, stands for."""
    if isinstance(result, Failure):
        return Outcome.UNDECIDED, f"worker: {result.kind}"
    if isinstance(result, str):
        return Outcome.UNDECIDED, result if result in DOUBTS else f"unparsed: {result}"
    return _decided(result)


# -- The reference -----------------------------------------------------------------------------------------------------

_ASSIGNED = re.compile(r"\s*[A-Za-z]\s*=(?!=)")


def _references(problem: Problem) -> Sequence[ExpectedAnswer]:
    """The accepted references of a problem, each as an expected answer."""
    if not problem.alternatives:
        return (_read_reference(problem.reference or ""),)
    return [_read_reference(reference) for reference in accepted_texts(problem) or ("",)]


@functools.lru_cache(maxsize=4096)
def _read_reference(reference: str) -> ExpectedAnswer:
    if not reference.strip():
        return ExpectedAnswer(unreadable="no_reference")
    text = _ASSIGNED.sub("", reference, count=1) if _ASSIGNED.match(reference) else reference
    try:
        node = parse(text)
    except Unreadable as problem:
        kind = kind_of(text) if problem.reason == "syntax" else None
        unreadable = None if kind else f"unread_reference: {problem.reason}"
        return ExpectedAnswer(text=text, kind=kind, unreadable=unreadable)
    try:
        return ExpectedAnswer(text=text, node=node, number=value(node))
    except Unreadable as problem:
        # A symbol, several values, and a root or power without a rational value ("syntax") are symbolic references.
        symbolic = problem.reason in ("symbol", "several", "syntax")
        unreadable = None if symbolic else f"unread_reference: {problem.reason}"
        return ExpectedAnswer(text=text, node=node, unreadable=unreadable)


def _compared(expected: ExpectedAnswer, answer: str, question: str) -> Decision | AlgebraTask:
    """The decision on an answer, or the task for the worker."""
    if expected.kind is not None:
        return _decided(comparable(expected.text) == comparable(answer))
    number, node = expected.number, expected.node
    answered = fraction(answer) if number is not None else None
    if answered is not None:
        return _decided(number == answered)
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
        return _result_decision(equality(node, tree, equal_without_algebra, ordered=ordered))
    except Unreadable as problem:
        return Outcome.UNDECIDED, f"unparsed: {problem.reason}"
    except NeedsAlgebra:
        if number is not None:  # an irrational root or power: not worth half a second to start the worker
            return (Outcome.WRONG, None) if _is_root(tree) else (Outcome.UNDECIDED, "unparsed: irrational")
        return AlgebraTask(expected.text, answer, ordered, letters or "")


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
