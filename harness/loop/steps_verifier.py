"""The verifier `steps`: a benchmark's check of written steps, stored as verdicts like those of all other verifiers.

Takes a function (question, response) -> "hold", "broken" or "missing"; gives a verifier. Its outcome `correct` means
that the steps hold, whatever the final answer is. Gold correct and steps wrong means a right answer by wrong steps.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of

HOLD = "hold"


@dataclasses.dataclass(frozen=True)
class StepsVerifier:
    """Checks whether a response's steps hold; undecided where the question is not of the benchmark.

    Attributes:
        check: The benchmark's function.
        check_id: Its name and version, which the fingerprint holds in place of the function's path.
    """

    check: Callable[[str, str], str]
    check_id: str
    name: str = "steps"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, 1, {"check": self.check_id})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [self._verdict(attempt) for attempt in attempts]

    def _verdict(self, attempt: Attempt) -> Verdict:
        started = time.perf_counter()
        try:
            result = str(self.check(attempt.problem.question, attempt.response))
        except ValueError as error:  # raised for the question, never for the response
            return verdict_of(Outcome.UNDECIDED, reason=str(error)[:200])
        holds = result == HOLD
        reason = None if holds else result
        return verdict_of(holds, rule="steps", reason=reason, seconds=time.perf_counter() - started)
