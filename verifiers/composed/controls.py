"""Verifiers that use no reference answer: baselines that a training verifier has to beat.

Takes attempts; gives verdicts. `accept_all` and `reject_all` are constant. `random` draws from a hash, so that the same
batch gets the same verdicts on every machine and in every process. `format_only` accepts every response with a final
answer, `majority` the most frequent answer to its problem. Verifiers that alter another one's verdicts are in noise.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from restem.verifiers.algebra import read_value
from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.algebra.nodes import Quantity, Unreadable, value
from restem.verifiers.answers.final_answer import CANNOT_TELL, READER_VERSION, Answer, asked_variable, find
from restem.verifiers.answers.general import read_answer
from restem.verifiers.options import RandomOptions
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of

VERSION = 1

Decision: TypeAlias = tuple[Outcome, float | None, str | None]
"""Outcome, score and reason."""


class AcceptAll:
    """Every response is correct."""

    name = "accept_all"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [verdict_of(Outcome.CORRECT, rule="accept_all") for _ in attempts]


class RejectAll:
    """Every response is wrong."""

    name = "reject_all"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [verdict_of(Outcome.WRONG, rule="reject_all") for _ in attempts]


class Random:
    """A response is correct with probability `rate`, independent of its text."""

    name = "random"

    def __init__(self, options: RandomOptions | None = None) -> None:
        self.options = options or RandomOptions()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, self.options.settings())

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; equal responses are distinguished by their order."""
        verdicts: list[Verdict] = []
        for attempt, occurrence in zip(attempts, occurrences(attempts), strict=True):
            began = time.perf_counter()
            number = uniform(self.options.seed, attempt.problem.id, attempt.response, occurrence)
            accepted = number < self.options.rate
            verdicts.append(verdict_of(accepted, rule="random", seconds=time.perf_counter() - began))
        return verdicts


class FormatOnly:
    """A response is correct where it has a readable final answer, whatever the answer."""

    name = "format_only"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        verdicts: list[Verdict] = []
        for attempt in attempts:
            began = time.perf_counter()
            answer, text = final_answer(attempt)
            decision = _without_answer(answer) if text is None else (Outcome.CORRECT, 1.0, None)
            verdicts.append(_verdict(answer, decision, time.perf_counter() - began))
        return verdicts


class Majority:
    """A response is correct where its final answer is the most frequent one of its problem in the batch.

    Answers are compared by value, or by text where they are no numbers; each of several equal responses counts. With a
    tie, or with fewer than two answers, all are undecided. The score is the share of the problem's answers that equal
    this one.
    """

    name = "majority"
    whole_problem = True

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; the order of the batch changes none of them."""
        read: list[tuple[Answer, Fraction | str | None, float]] = []
        ballots: dict[str, Counter[Fraction | str]] = defaultdict(Counter)
        for attempt in attempts:
            began = time.perf_counter()
            answer, text = final_answer(attempt)
            key = None if text is None else answer_key(text)
            if key is not None:
                ballots[attempt.problem.id][key] += 1
            read.append((answer, key, time.perf_counter() - began))
        return [
            _verdict(answer, _elected(answer, key, ballots[attempt.problem.id]), seconds)
            for attempt, (answer, key, seconds) in zip(attempts, read, strict=True)
        ]


def _elected(answer: Answer, key: Fraction | str | None, ballot: Counter[Fraction | str]) -> Decision:
    """The decision on an answer, given all answers to its problem."""
    if key is None:
        return _without_answer(answer)
    first = ballot.most_common(2)
    if ballot.total() < 2:
        return Outcome.UNDECIDED, None, "too_few_answers"
    if len(first) > 1 and first[0][1] == first[1][1]:
        return Outcome.UNDECIDED, None, "tied"
    outcome = Outcome.CORRECT if key == first[0][0] else Outcome.WRONG
    return outcome, ballot[key] / ballot.total(), None


def _without_answer(answer: Answer) -> Decision:
    """The decision on a response without a readable answer: wrong, or undecided where it may have an answer."""
    if answer.reason in CANNOT_TELL:
        return Outcome.UNDECIDED, None, answer.reason
    return Outcome.WRONG, 0.0, answer.reason


def _verdict(answer: Answer, decision: Decision, seconds: float) -> Verdict:
    outcome, score, reason = decision
    return verdict_of(
        outcome,
        score=score,
        answer=answer.text,
        span=answer.span,
        rule=answer.rule,
        reason=reason,
        seconds=seconds,
    )


# -- Shared by controls and noise --------------------------------------------------------------------------------------


def final_answer(attempt: Attempt) -> tuple[Answer, str | None]:
    """The final answer of a response, and its text where it is readable: a number, else a formula or words."""
    question = attempt.problem.question
    if variable := asked_variable(question):
        answer = find(attempt.response, variable)
        return answer, answer.text if answer.reason is None else None
    reading = read_answer(attempt.response, question)
    if reading.answer.text is None:
        reading = read_answer(attempt.response, question, wordy=True, formula=True)
    return reading.answer, reading.texts[0] if reading.texts else None


def answer_key(text: str) -> Fraction | str:
    """A key that equal answers share: the exact value, or the text without its spaces where it is no number."""
    number = fraction(text)
    if number is None:
        with contextlib.suppress(Unreadable):
            tree = read_value(text)
            number = value(tree.value if isinstance(tree, Quantity) else tree)
    return "".join(canonical(text).split()).strip("$.") if number is None else number


def occurrences(attempts: Sequence[Attempt]) -> list[int]:
    """For each attempt, the number of earlier attempts in the batch with the same problem and response."""
    seen: Counter[tuple[str, str]] = Counter()
    counts: list[int] = []
    for attempt in attempts:
        key = (attempt.problem.id, attempt.response)
        counts.append(seen[key])
        seen[key] += 1
    return counts


def uniform(*parts: str | int) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    digest = hashlib.sha256()
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)
    return (int.from_bytes(digest.digest()[:8]) >> 11) / 2**53
