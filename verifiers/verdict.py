"""The records that every verifier takes and gives, the protocol of a verifier, and the errors of this package.

A verdict has one of three outcomes. `UNDECIDED` is not a soft "wrong": it has no reward, is counted separately, and
never trains a policy. A verifier takes a batch of attempts and gives one verdict per attempt, in the same order. This
file depends on `Problem` and on no concrete verifier.

VerifierError
├── UnknownVerifier     no verifier has that name, or its options are wrong: the user's mistake, exit code 2
├── ContractBreach      a verifier returned something that is not one valid verdict per attempt: names the verifier
├── WorkerFailed        the process that a verifier works in does not start: scoring stops, stored rows stay
└── JudgeUnavailable    the judge cannot be reached, or its key or quota is refused: scoring stops, stored rows stay
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from restem.benchmarks.problem import Problem

CONTROLS = ("accept_all", "reject_all", "random")  # names of verifiers whose verdicts carry no information
MAX_NUMBER = 2**63  # the first integer that SQLite cannot store
_TEXTS = ("answer", "rule", "reason")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # no database stores half of a surrogate pair; SQL ends a text at NUL


class VerifierError(Exception):
    """Base class of the errors that this package raises on purpose."""


class UnknownVerifier(VerifierError):
    """The name or an option of a verifier is not known."""


class ContractBreach(VerifierError):
    """A verifier did not return one valid verdict per attempt, in order."""


class WorkerFailed(VerifierError):
    """The process that a verifier works in does not start, as where memory is short; the same command resumes later."""


class JudgeUnavailable(VerifierError):
    """The judge gives no verdict now; the same command resumes later."""


class Outcome(enum.StrEnum):
    """The three outcomes of a verdict."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """One response to one problem: the input of a verifier."""

    problem: Problem
    response: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """A verifier's result for one attempt.

    Attributes:
        outcome: Correct, wrong, or undecided.
        score: Confidence that the response is correct, in [0, 1]; None where undecided.
        answer: The text read as the final answer, or None where none was read.
        span: Position of `answer` in the response, as (start, end) character offsets. Where the answer holds NUL or
            half of a surrogate pair, `checked` writes U+FFFD in the answer alone.
        rule: The rule that found the answer, or that decided without one.
        reason: Why the outcome is undecided, or wrong without a value; None where the value decided.
        seconds: Time that this verdict took.
        tokens: Prompt and reply tokens of the model call; 0 without one.
        cost_usd: Price of the model call; 0 without one.
        raw_reward: The number that a graded reward function gave, in its own unit, any finite number; None where the
            outcome is all that a verifier gives.
    """

    outcome: Outcome
    score: float | None = None
    answer: str | None = None
    span: tuple[int, int] | None = None
    rule: str | None = None
    reason: str | None = None
    seconds: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0
    raw_reward: float | None = None

    @property
    def reward(self) -> int | None:
        """The number that training uses: 1 for correct, 0 for wrong, None for undecided."""
        return {Outcome.CORRECT: 1, Outcome.WRONG: 0}.get(self.outcome)


def verdict_of(
    outcome: Outcome | bool,
    *,
    score: float | None = None,
    answer: str | None = None,
    span: tuple[int, int] | None = None,
    rule: str | None = None,
    reason: str | None = None,
    seconds: float = 0.0,
) -> Verdict:
    """A verdict with the score that its outcome implies, unless another score is given.

    Args:
        outcome: True is correct, False is wrong.
        score: None is 1 for correct, 0 for wrong, and no score for undecided.
    """
    if not isinstance(outcome, Outcome):
        outcome = Outcome.CORRECT if outcome else Outcome.WRONG
    if score is None and outcome is not Outcome.UNDECIDED:
        score = 1.0 if outcome is Outcome.CORRECT else 0.0
    return Verdict(
        outcome=outcome,
        score=score,
        answer=answer,
        span=span,
        rule=rule,
        reason=reason,
        seconds=seconds,
    )


class Verifier(Protocol):
    """Gives verdicts.

    `fingerprint` covers code version, prompt, parameters and served model: a changed fingerprint is another verifier.
    A verifier whose verdict depends on the other responses to the same problem, such as a majority vote, has the
    attribute `whole_problem = True`: a cascade then passes it all responses and not only the undecided ones.
    A verifier that has to read the reference may have the method
    `unreadable_references(problems) -> [(problem, reason), ...]`: the problems on which it cannot decide, whatever the
    response, so that they are counted before any sampling (see `unreadable_references` below).
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; a batch holds all samples of a problem together."""
        ...


def fingerprint(name: str, version: int, settings: Mapping[str, Any]) -> str:
    """`name-` and the first 12 hex digits of the SHA-256 of name, code version and settings."""
    text = json.dumps([name, version, dict(settings)], sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def needs_whole_problems(*verifiers: Verifier) -> bool:
    """Whether one of the verifiers needs all responses to a problem to judge one of them."""
    return any(getattr(verifier, "whole_problem", False) for verifier in verifiers)


def unreadable_references(verifier: Verifier, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
    """The problems none of whose references the verifier can read, in order, each with the reason.

    Empty for a verifier without a method of that name: a control, or a judge, which reads any text.
    """
    method = getattr(verifier, "unreadable_references", None)
    return [] if method is None else list(method(problems))


def checked(verifier: Verifier, attempts: Sequence[Attempt]) -> list[Verdict]:
    """The verifier's verdicts, after a check that they keep the contract.

    NUL and halves of surrogate pairs in their texts, which a database does not store, become U+FFFD.

    Raises:
        ContractBreach: A count, type or range differs from what `Verdict` documents, or the response does not hold the
            answer at its span, which happens when verdicts come in another order; the message names the verifier.
    """
    verdicts = verifier.verify(attempts)
    if not isinstance(verdicts, list) or len(verdicts) != len(attempts):
        received = f"{len(verdicts)} verdicts" if isinstance(verdicts, list) else type(verdicts).__name__
        raise ContractBreach(f"verifier {verifier.name!r}: expected {len(attempts)} verdicts, found {received}")
    for index, (attempt, verdict) in enumerate(zip(attempts, verdicts, strict=True)):
        if breach := _breach(attempt, verdict):
            raise ContractBreach(f"verifier {verifier.name!r}: item {index} {breach}")
    return [_with_storable_texts(verdict) for verdict in verdicts]


def storable(text: str) -> str:
    """The text with U+FFFD in the place of NUL and of halves of surrogate pairs, which a database does not store."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\ufffd", text)


def _with_storable_texts(verdict: Verdict) -> Verdict:
    texts = [(field, text) for field in _TEXTS if (text := getattr(verdict, field)) is not None]
    changed = {field: clean for field, text in texts if (clean := storable(text)) != text}
    return dataclasses.replace(verdict, **changed) if changed else verdict


def _breach(attempt: Attempt, verdict: Any) -> str | None:
    """How a verdict breaks the contract, or None."""
    if type(verdict) is not Verdict or not isinstance(verdict.outcome, Outcome):
        return f"is not a Verdict: {verdict!r:.80}"
    undecided = verdict.outcome is Outcome.UNDECIDED
    if verdict.score is None and not undecided:
        return "is decided but has no score"
    if verdict.score is not None and (undecided or not _is_number(verdict.score) or verdict.score > 1.0):
        return f"has score {verdict.score!r:.40}, expected {'none, it is undecided' if undecided else '0 to 1'}"
    if not undecided and verdict.score == (verdict.outcome is Outcome.WRONG):
        return (
            f"is {verdict.outcome} with score {verdict.score!r}: the score is the chance that the response is correct"
        )
    for field in _TEXTS:
        if not isinstance(getattr(verdict, field), str | None):
            return f"has {field} {getattr(verdict, field)!r:.40}, expected a text or None"
    for field in ("seconds", "cost_usd"):
        if not _is_number(getattr(verdict, field)):
            return f"has {field} {getattr(verdict, field)!r:.40}, expected a finite number from 0"
    if verdict.raw_reward is not None and not _is_finite(verdict.raw_reward):
        return f"has raw_reward {verdict.raw_reward!r:.40}, expected a finite number or None"
    if type(verdict.tokens) is not int or not _is_number(verdict.tokens):
        return f"has tokens {verdict.tokens!r:.40}, expected a whole number from 0"
    return None if verdict.span is None else _misplaced(attempt.response, verdict.answer, verdict.span)


def _is_number(value: Any) -> bool:
    """Whether this is a finite int or float from 0; a NumPy number is not, because SQLite would store its bytes."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_NUMBER


def _is_finite(value: Any) -> bool:
    """Whether this is a finite int or float of any sign."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_number(abs(value))


def _misplaced(response: str, answer: str | None, span: Any) -> str | None:
    """How a span contradicts the response and the answer, or None."""
    if not (isinstance(span, tuple) and len(span) == 2 and all(type(offset) is int for offset in span)):
        return f"has span {span!r:.40}, expected (start, end)"
    start, end = span
    held = response[start:end]
    # A verifier that is made of others passes on texts that were made storable.
    if not 0 <= start <= end <= len(response) or answer is None or storable(held) != storable(answer):
        text = f"{held!r:.40}" if 0 <= start <= end else "nothing"
        return f"has answer {answer!r:.40} at {span}, where its response has {text}: another item's verdict?"
    return None
