"""Verifiers that know no truth: what a training verifier has to beat.

Takes attempts and no reference; gives verdicts. `accept_all` and `reject_all` look at nothing; `random` draws from a
hash, so the same batch gives the same verdicts on every machine and in every process; `format_only` asks whether there
is an answer, `majority` whether it is its problem's commonest. What alters the verdicts of another verifier stands in
noise.py.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.answers.final_answer import CANNOT_TELL, READER_VERSION, Answer, asked_variable, find
from restem.verifiers.options import RandomOptions
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint

VERSION = 1

Said: TypeAlias = tuple[Outcome, float | None, str | None]
"""Outcome, score and reason."""


class AcceptAll:
    """Every response is correct."""

    name = "accept_all"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [Verdict(outcome=Outcome.CORRECT, score=1.0, rule="accept_all") for _ in attempts]


class RejectAll:
    """Every response is wrong."""

    name = "reject_all"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [Verdict(outcome=Outcome.WRONG, score=0.0, rule="reject_all") for _ in attempts]


class Random:
    """A response is correct with probability `rate`, whatever it says."""

    name = "random"

    def __init__(self, options: RandomOptions | None = None) -> None:
        self.options = options or RandomOptions()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, self.options.settings())

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; equal responses are told apart by their number in the batch."""
        verdicts: list[Verdict] = []
        for attempt, occurrence in zip(attempts, occurrences(attempts), strict=True):
            began = time.perf_counter()
            drawn = uniform(self.options.seed, attempt.problem.id, attempt.response, occurrence)
            accepted = drawn < self.options.rate
            verdicts.append(
                Verdict(
                    outcome=Outcome.CORRECT if accepted else Outcome.WRONG,
                    score=float(accepted),
                    rule="random",
                    seconds=time.perf_counter() - began,
                )
            )
        return verdicts


class FormatOnly:
    """A response is correct where a final answer can be read in it, whatever the answer."""

    name = "format_only"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        verdicts: list[Verdict] = []
        for attempt in attempts:
            began = time.perf_counter()
            found, text = final_answer(attempt)
            said = _without_answer(found) if text is None else (Outcome.CORRECT, 1.0, None)
            verdicts.append(_verdict(found, said, time.perf_counter() - began))
        return verdicts


class Majority:
    """A response is correct where its final answer is the commonest one of its problem in the batch.

    Equal answers are equal by value, or by text where they are no numbers; equal responses count each. Where two
    answers are the commonest, or fewer than two responses have one, there is no majority: undecided. The score is the
    share of the problem's answers that agree with this one.
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
            found, text = final_answer(attempt)
            key = None if text is None else answer_key(text)
            if key is not None:
                ballots[attempt.problem.id][key] += 1
            read.append((found, key, time.perf_counter() - began))
        return [
            _verdict(found, _elected(found, key, ballots[attempt.problem.id]), seconds)
            for attempt, (found, key, seconds) in zip(attempts, read, strict=True)
        ]


def _elected(found: Answer, key: Fraction | str | None, ballot: Counter[Fraction | str]) -> Said:
    """What an answer is worth among those of its problem."""
    if key is None:
        return _without_answer(found)
    first = ballot.most_common(2)
    if ballot.total() < 2:
        return Outcome.UNDECIDED, None, "too_few_answers"
    if len(first) > 1 and first[0][1] == first[1][1]:
        return Outcome.UNDECIDED, None, "tied"
    outcome = Outcome.CORRECT if key == first[0][0] else Outcome.WRONG
    return outcome, ballot[key] / ballot.total(), None


def _without_answer(found: Answer) -> Said:
    """What a response without an answer is worth: nothing, unless there may be one that nobody can read."""
    if found.reason in CANNOT_TELL:
        return Outcome.UNDECIDED, None, found.reason
    return Outcome.WRONG, 0.0, found.reason


def _verdict(found: Answer, said: Said, seconds: float) -> Verdict:
    outcome, score, reason = said
    return Verdict(
        outcome=outcome,
        score=score,
        answer=found.text,
        span=found.span,
        rule=found.rule,
        reason=reason,
        seconds=seconds,
    )


# -- What controls and noise share -------------------------------------------------------------------------------------


def final_answer(attempt: Attempt) -> tuple[Answer, str | None]:
    """What was found in a response, and the answer's text where it can be read as one."""
    found = find(attempt.response, asked_variable(attempt.problem.question))
    return found, found.text if found.reason is None else None


def answer_key(text: str) -> Fraction | str:
    """What equal answers have in common: the exact value, or the text without its spaces where it is no number."""
    number = fraction(text)
    return "".join(canonical(text).split()).strip("$.") if number is None else number


def occurrences(attempts: Sequence[Attempt]) -> list[int]:
    """How often the same response to the same problem stands earlier in the batch, for each attempt."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[int] = []
    for attempt in attempts:
        key = (attempt.problem.id, attempt.response)
        found.append(seen[key])
        seen[key] += 1
    return found


def uniform(*parts: str | int) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    digest = hashlib.sha256()
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)
    return (int.from_bytes(digest.digest()[:8]) >> 11) / 2**53
