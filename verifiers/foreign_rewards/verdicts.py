"""Numbers of somebody else as verdicts; the number itself is kept as `raw_reward`.

Takes a number or a reason, and a threshold; gives a verdict. What is no number is undecided, never wrong. Does not
depend on where the number came from.
"""

from __future__ import annotations

import dataclasses

from restem.verifiers.verdict import Outcome, Verdict, storable, verdict_of

MAX_SHOWN = 1000  # characters of an answer or a reason


def graded_verdict(
    number: float | None,
    threshold: float,
    *,
    reason: str | None = None,
    answer: str | None = None,
    rule: str | None = None,
    seconds: float = 0.0,
) -> Verdict:
    """The verdict that a number stands for: correct from the threshold on, wrong below it, undecided without one.

    The score is the number where that can be the chance that the response is correct: it is in [0, 1], and neither 0
    for a correct response nor 1 for a wrong one. Otherwise the score is that of the outcome.
    """
    answer = None if answer is None else storable(answer[:MAX_SHOWN])
    if number is None:
        reason = storable(reason[:MAX_SHOWN]) if reason else "gave None"
        return verdict_of(Outcome.UNDECIDED, answer=answer, rule=rule, reason=reason, seconds=seconds)
    correct = number >= threshold
    fits = 0 <= number <= 1 and number != (0 if correct else 1)
    verdict = verdict_of(correct, score=number if fits else None, answer=answer, rule=rule, seconds=seconds)
    return dataclasses.replace(verdict, raw_reward=number)
