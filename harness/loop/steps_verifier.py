"""A benchmark's own check of written steps, dressed as a verifier, so that its verdicts are rows like all others.

Takes a function (question, response) -> "hold", "broken" or "missing"; gives the verifier named `steps`.
`correct` means that the steps hold, whatever the final answer: gold correct and steps wrong is "right by wrong steps".
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint

HOLD = "hold"


@dataclasses.dataclass(frozen=True)
class StepsVerifier:
    """Says whether a response's steps hold; undecided where the question is not of the benchmark's kind."""

    check: Callable[[str, str], str]
    check_id: str
    name: str = "steps"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, 1, {"check": self.check_id})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        return [self._one(attempt) for attempt in attempts]

    def _one(self, attempt: Attempt) -> Verdict:
        started = time.perf_counter()
        try:
            found = str(self.check(attempt.problem.question, attempt.response))
        except ValueError as error:  # the question, not the response, is outside the benchmark
            return Verdict(outcome=Outcome.UNDECIDED, reason=str(error)[:200])
        holds = found == HOLD
        return Verdict(
            outcome=Outcome.CORRECT if holds else Outcome.WRONG,
            score=float(holds),
            rule="steps",
            reason=None if holds else found,
            seconds=time.perf_counter() - started,
        )
