"""Several accepted references: which ones a problem has, and one verdict from the verdicts against each.

Takes problems and verdicts; gives texts and a verdict. Does not compare answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Outcome, Verdict


def accepted_texts(problem: Problem) -> tuple[str, ...]:
    """The accepted references of a problem without the blank ones; empty where there are none."""
    reference = problem.reference
    if not problem.alternatives:  # the common case takes no generator
        return (reference,) if reference and reference.strip() else ()
    return tuple(text for text in problem.references if text.strip())


def against_any(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of one response, from its verdicts against each accepted reference.

    Correct where one of them is correct, wrong where all are wrong, otherwise undecided: the first verdict with that
    outcome, with the time of all of them.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    first = {verdict.outcome: verdict for verdict in reversed(verdicts)}
    decisive = first.get(Outcome.CORRECT) or first.get(Outcome.UNDECIDED) or first[Outcome.WRONG]
    return dataclasses.replace(decisive, seconds=sum(verdict.seconds for verdict in verdicts))
