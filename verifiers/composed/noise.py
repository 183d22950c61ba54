"""Verifiers that err on purpose: another verifier's verdicts, turned round all or at known rates.

Takes attempts and a base verifier, whose verdicts count as the truth here; gives verdicts. What the base leaves
undecided stays so: noise is a wrong verdict, never a missing one. Answer, span, rule, tokens and cost are the base's;
a verdict that was turned round says so in its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

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
)

VERSION = 1


class Inverted:
    """What the base calls correct is wrong, and the other way round; the score is turned round with it."""

    name = "inverted"

    def __init__(self, *, base: Verifier) -> None:
        self.base = base
        self.whole_problem = needs_whole_problems(base)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"base": self.base.fingerprint})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [turned(verdict, self.name) for verdict in checked(self.base, attempts)]


class Noisy:
    """The base's verdicts with errors at known rates.

    A correct response stays correct with probability `tpr`, a wrong one becomes correct with probability `fpr`. The
    draw is a hash, so it is the same on every machine, in every order of the batch and beside any other problems; and
    with the same seed what passes at a low rate also passes at a higher one, so that two rates differ by the rates
    alone.

    What errs together, `tied_to`: `sample`, each response by itself, equal ones too. `problem`: a problem's correct
    responses are all called the same, and its wrong ones all the same. `answer`: equal final answers to a problem,
    however they are written, as a verifier does that misreads a form; for a response without one, equal texts.
    """

    name = "noisy"

    def __init__(self, options: NoisyOptions | None = None, *, base: Verifier) -> None:
        self.options = options or NoisyOptions()
        self.base = base
        self.whole_problem = needs_whole_problems(base)

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
        return [self._one(*found) for found in zip(attempts, truths, ties, strict=True)]

    def _one(self, attempt: Attempt, truth: Verdict, tie: tuple[str, ...]) -> Verdict:
        if truth.outcome is Outcome.UNDECIDED:
            return truth
        # The truth is part of what is drawn for: a problem's correct and wrong responses err apart.
        drawn = uniform(self.options.seed, attempt.problem.id, truth.outcome.value, *tie)
        accepted = drawn < (self.options.tpr if truth.outcome is Outcome.CORRECT else self.options.fpr)
        return truth if accepted == (truth.outcome is Outcome.CORRECT) else turned(truth, self.name)


def turned(verdict: Verdict, by: str) -> Verdict:
    """The opposite verdict, with who turned it round before its reason; undecided has no opposite."""
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
    {"sample": _by_sample, "problem": _by_problem, "answer": _by_answer}
)
