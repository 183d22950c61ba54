"""A verdict -> the number that a trainer gets.

Takes verdicts; gives numbers. A verdict knows three outcomes, a number two: the parameter `undecided` says what the
third becomes. Does not depend on verifiers, or on trainers.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

from restem.verifiers.verdict import Outcome, Verdict, VerifierError

Undecided: TypeAlias = Literal["none", "zero", "raise"]
Value: TypeAlias = Literal["outcome", "score"]
UNDECIDED: tuple[Undecided, ...] = ("none", "zero", "raise")
VALUES: tuple[Value, ...] = ("outcome", "score")


class UndecidedResponse(VerifierError):
    """The verifier cannot tell whether the response is correct, and `undecided="raise"` was asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projection:
    """How a verdict becomes a number.

    Attributes:
        undecided: What an undecided verdict becomes: None, 0.0, or an UndecidedResponse that is raised.
        value: `outcome`: 1.0 for correct and 0.0 for wrong. `score`: the verifier's score in [0, 1], or the number in
            its own unit where it is a graded reward function.
    """

    undecided: Undecided
    value: Value = "outcome"

    def number(self, verdict: Verdict, verifier: str) -> float | None:
        """The number of a verdict.

        Args:
            verdict: The verdict.
            verifier: The verifier's name, for the error.

        Raises:
            UndecidedResponse: It is undecided, and `undecided` is `raise`.
        """
        if verdict.outcome is Outcome.UNDECIDED:
            if self.undecided == "raise":
                raise UndecidedResponse(f"verifier {verifier!r} cannot decide a response: {verdict.reason}")
            return 0.0 if self.undecided == "zero" else None
        if self.value == "outcome":
            return 1.0 if verdict.outcome is Outcome.CORRECT else 0.0
        return verdict.score if verdict.raw_reward is None else verdict.raw_reward
