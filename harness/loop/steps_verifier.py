"""The verifier `steps`: a benchmark's own check of written steps, so that its verdicts are rows like all others.

Takes a function (question, response) -> "hold", "broken" or "missing"; gives a verifier. Its `correct` means that the
steps hold, whatever the final answer is: gold correct and steps wrong is "right by wrong steps".
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of

HOLD = "hold"


@dataclasses.dataclass(frozen=True)
class StepsVerifier:
    """Judges whether a response's steps hold; undecided where the question is not of the benchmark's kind.

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
        return [self._one(attempt) for attempt in attempts]

    def _one(self, attempt: Attempt) -> Verdict:
        started = time.perf_counter()
        try:
            result = str(self.check(attempt.problem.question, attempt.response))
        except ValueError as error:  # the question, not the response, is outside the benchmark
            return Verdict(outcome=Outcome.UNDECIDED, reason=str(error)[:200])
        holds = result == HOLD
        reason = None if holds else result
        return verdict_of(holds, rule="steps", reason=reason, seconds=time.perf_counter() - started)
