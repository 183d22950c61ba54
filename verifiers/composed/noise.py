"""Verifiers with deliberate errors: another verifier's verdicts, all inverted or flipped at known rates.

Takes attempts and a base verifier, whose verdicts count as the truth here; gives verdicts. An undecided verdict of the
base stays undecided: noise adds wrong verdicts, never missing ones. Answer, span, rule, tokens and cost are the base's;
the reason of a flipped verdict names the verifier that flipped it.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from restem.benchmarks.problem import Problem
from restem.verifiers.answers.final_answer import READER_VERSION
from restem.verifiers.composed.controls import answer_key, final_answer, occurrences, uniform
from restem.verifiers.options import NoisyOptions
from restem.verifiers.verdict import (
    Attempt,
    Outcome,
    Verdict,
    Verifier,
    checked,
    fingerprint,
    needs_whole_problems,
    unreadable_references,
)

VERSION = 1


class Inverted:
    """The opposite of the base's verdict, with the opposite score."""

    name = "inverted"

    def __init__(self, *, base: Verifier) -> None:
        self.base = base
        self.whole_problem = needs_whole_problems(base)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"base": self.base.fingerprint})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [flipped(verdict, self.name) for verdict in checked(self.base, attempts)]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose references the base cannot read, each with the reason."""
        return unreadable_references(self.base, problems)


class Noisy:
    """The base's verdicts with errors at known rates.

    A correct response stays correct with probability `tpr`, a wrong one becomes correct with probability `fpr`. The
    random number is a hash of seed, problem, true outcome and tie, so it does not depend on the machine, on the order
    of the batch or on other problems. Two rates with the same seed use the same random numbers (common random numbers):
    a response that is accepted at the lower rate is accepted at the higher one too.

    `tied_to` is the unit of an error. `sample`: each response, equal ones separately. `draw`: the same, and anew for
    every set of responses to a problem, so that a text which a later iteration draws again can get another verdict.
    `problem`: all correct responses to a problem, and all wrong ones. `answer`: all responses with the same final
    answer to a problem, in any notation, as with a verifier that misreads a form; for responses without an answer,
    those with the same text.
    """

    name = "noisy"

    def __init__(self, options: NoisyOptions | None = None, *, base: Verifier) -> None:
        self.options = options or NoisyOptions()
        self.base = base
        self.whole_problem = self.options.tied_to == "draw" or needs_whole_problems(base)

    @property
    def fingerprint(self) -> str:
        settings = self.options.settings() | {"base": self.base.fingerprint}
        if self.options.tied_to == "answer":
            settings["reader"] = READER_VERSION
        return fingerprint(self.name, VERSION, settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        ties = _TIES[self.options.tied_to](attempts)
        truths = checked(self.base, attempts)
        return [self._one(*each) for each in zip(attempts, truths, ties, strict=True)]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose references the base cannot read, each with the reason."""
        return unreadable_references(self.base, problems)

    def _one(self, attempt: Attempt, truth: Verdict, tie: tuple[str, ...]) -> Verdict:
        if truth.outcome is Outcome.UNDECIDED:
            return truth
        # The true outcome is hashed too, so that errors on correct and on wrong responses are independent.
        drawn = uniform(self.options.seed, attempt.problem.id, truth.outcome.value, *tie)
        accepted = drawn < (self.options.tpr if truth.outcome is Outcome.CORRECT else self.options.fpr)
        return truth if accepted == (truth.outcome is Outcome.CORRECT) else flipped(truth, self.name)


def flipped(verdict: Verdict, by: str) -> Verdict:
    """The opposite verdict, with the name of the verifier that flipped it before its reason; undecided stays."""
    if verdict.score is None:
        return verdict
    return dataclasses.replace(
        verdict,
        outcome=Outcome.WRONG if verdict.outcome is Outcome.CORRECT else Outcome.CORRECT,
        score=1.0 - verdict.score,
        reason=by if verdict.reason is None else f"{by}: {verdict.reason}",
    )


def _by_sample(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    numbers = occurrences(attempts)
    return [(attempt.response, str(number)) for attempt, number in zip(attempts, numbers, strict=True)]


def _by_draw(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    drawn: defaultdict[str, list[str]] = defaultdict(list)
    for attempt in attempts:
        drawn[attempt.problem.id].append(attempt.response)
    together = {problem: sorted(responses) for problem, responses in drawn.items()}
    return [(*tie, *together[attempt.problem.id]) for attempt, tie in zip(attempts, _by_sample(attempts), strict=True)]


def _by_problem(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    return [() for _ in attempts]


def _by_answer(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    return [_answer(attempt) for attempt in attempts]


def _answer(attempt: Attempt) -> tuple[str, ...]:
    _, text = final_answer(attempt)
    if text is None:
        return "text", attempt.response
    key = answer_key(text)
    if isinstance(key, str):
        return "answer", key
    return "value", f"{key.numerator:x}/{key.denominator:x}"  # hexadecimal: decimal digits have a limit in Python


_TIES: Mapping[str, Callable[[Sequence[Attempt]], list[tuple[str, ...]]]] = MappingProxyType(
    {"sample": _by_sample, "draw": _by_draw, "problem": _by_problem, "answer": _by_answer}
)
