"""A verifier of somebody else's, asked once whether its verdicts come in the order of its attempts.

Takes a verifier; gives the same verifier, which on the first batch of more than one attempt is asked about a few
attempts together and one by one. Verdicts out of order are wrong in a way that no single verdict shows: a run would
train on noise. The price is 22 more attempts in the life of a process; our own verifiers are not asked.

A verifier that draws lots, or whose verdict depends on what stands beside an attempt, is not out of order: only the
same verdicts in another order are, from a verifier that says the same of a single attempt again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.problem import Problem
from verifiers.verdict import Attempt, ContractBreach, Verdict, Verifier, checked, needs_whole_problems

# Wrong, correct, correct, wrong, correct: not the same backwards, shifted or sorted by outcome, answer or length. Bare
# numbers, so that also a verifier that compares texts tells them apart.
_KNOWN = (
    ("Solve 6*k = 12 for k.", "2", "35"),
    ("Solve m + 1 = 8 for m.", "7", "7"),
    ("Solve 3*c = 360 for c.", "120", "120"),
    ("Solve 2*x = 8 for x.", "4", "-11"),
    ("Solve z - 40 = 6 for z.", "46", "46"),
)
_FROM_THE_BATCH = 6


class Probed:
    """The same verifier; refused at its first batch where it answers in another order."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier
        self.whole_problem = needs_whole_problems(verifier)
        self._in_order = False

    @property
    def name(self) -> str:
        return self.verifier.name

    @property
    def fingerprint(self) -> str:
        return self.verifier.fingerprint

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order.

        Raises:
            ContractBreach: The verifier answers in another order.
        """
        if not self._in_order and len(attempts) > 1:
            check_order(self.verifier, attempts)
            self._in_order = True
        return self.verifier.verify(attempts)


def check_order(verifier: Verifier, attempts: Sequence[Attempt]) -> None:
    """Stops at a verifier whose verdicts come in another order than the attempts.

    Args:
        verifier: What is asked.
        attempts: The batch that it is about to be given; a few of it are asked about, besides some equations.

    Raises:
        ContractBreach: Naming the verifier.
    """
    probe = _probe(attempts)
    together = [_said(verdict) for verdict in checked(verifier, probe)]
    alone = _alone(verifier, probe)
    if together != alone and Counter(together) == Counter(alone) and _alone(verifier, probe) == alone:
        item = next(index for index, pair in enumerate(zip(together, alone, strict=True)) if pair[0] != pair[1])
        raise ContractBreach(
            f"verifier {verifier.name!r}: verdicts in another order than the attempts: of {len(probe)}, item {item} is"
            f" {alone[item][0]} alone and {together[item][0]} beside the others"
        )


def _probe(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The known equations, then one attempt each at the first problems of the batch."""
    probe: dict[str, Attempt] = {}
    for number, (question, reference, response) in enumerate(_KNOWN):
        asked = Problem(id=f"probe/{number}", question=question, reference=reference, split="test", source="probe")
        probe[asked.id] = Attempt(problem=asked, response=response)
    for attempt in attempts:
        probe.setdefault(attempt.problem.id, attempt)
    return list(probe.values())[: len(_KNOWN) + _FROM_THE_BATCH]


def _alone(verifier: Verifier, probe: Sequence[Attempt]) -> list[tuple[object, ...]]:
    return [_said(checked(verifier, [attempt])[0]) for attempt in probe]


def _said(verdict: Verdict) -> tuple[object, ...]:
    return verdict.outcome.value, verdict.score, verdict.answer
