"""A verifier of somebody else's, asked whether its verdicts come in the order of its attempts.

Takes a verifier; gives the same verifier, which on its first batch is asked about a few attempts one by one and then
together. Verdicts out of order are wrong in a way that no single verdict shows: a run would train on noise. The price
is 22 more attempts in the life of a process, and more only while all verdicts are the same; our own verifiers are not
asked. And whatever it raises is told as its fault, by the name that was asked for, exits among it: no plug-in ends a
command as if all were done.

A verifier that draws lots, or whose verdict depends on what stands beside an attempt, is not out of order: only the
same verdicts in another order are, from a verifier that says the same of a single attempt again.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TypeAlias

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import (
    Attempt,
    ContractBreach,
    Verdict,
    Verifier,
    VerifierError,
    checked,
    needs_whole_problems,
)

# Right and wrong answers, as bare numbers, so that also a verifier that compares texts tells them apart.
_KNOWN = (
    ("Solve 6*k = 12 for k.", "2", "35"),
    ("Solve m + 1 = 8 for m.", "7", "7"),
    ("Solve 3*c = 360 for c.", "120", "120"),
    ("Solve 2*x = 8 for x.", "4", "-11"),
    ("Solve z - 40 = 6 for z.", "46", "46"),
)
_FROM_THE_BATCH = 6

_Said: TypeAlias = tuple[str, float | None, str | None]


@contextlib.contextmanager
def blamed(name: str, doing: str) -> Iterator[None]:
    """Whatever is raised within, as a ContractBreach that names the verifier, what it was doing, and where.

    Raises:
        ContractBreach: Anything was raised but a VerifierError, an interrupt or a signal's own kind of SystemExit.
    """
    try:
        yield
    except VerifierError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and type(error) is not SystemExit:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = "" if last.filename.startswith("<") else f" ({PurePath(last.filename).name}:{last.lineno})"
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ContractBreach(f"verifier {name!r}: {doing} raised {said:.300}{place}") from error


class Probed:
    """The same verifier, refused where it answers in another order or raises."""

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
            ContractBreach: The verifier answers in another order, or raises.
        """
        with blamed(self.name, "verify"):
            if not self._in_order and len(attempts) > 1:
                self._in_order = keeps_order(self.verifier, attempts)
            return self.verifier.verify(attempts)


def keeps_order(verifier: Verifier, attempts: Sequence[Attempt]) -> bool:
    """Whether the verifier was seen to give its verdicts in order; False where all are the same, and none can tell.

    Args:
        verifier: What is asked.
        attempts: The batch that it is about to be given; a few of it are asked about, besides some equations.

    Raises:
        ContractBreach: The verdicts come in another order; the message names the verifier.
    """
    probe = _probe(attempts)
    alone = _alone(verifier, probe)
    order = _lopsided(alone)
    probe, alone = [probe[index] for index in order], [alone[index] for index in order]
    if len(set(alone)) == 1:
        return False
    together = [_said(verdict) for verdict in checked(verifier, probe)]
    if together != alone and Counter(together) == Counter(alone) and _alone(verifier, probe) == alone:
        item = next(index for index, said in enumerate(alone) if said != together[index])
        raise ContractBreach(
            f"verifier {verifier.name!r}: verdicts in another order than the attempts: of {len(probe)}, item {item} is"
            f" {alone[item][0]} alone and {together[item][0]} beside the others"
        )
    return True


def _lopsided(said: Sequence[_Said]) -> list[int]:
    """An order of the items in which one of the commonest kind comes first, then all others, then the rest of it.

    Backwards, shifted, sorted or swapped in pairs, it is another sequence.
    """
    ((common, _),) = Counter(said).most_common(1)
    of_it = [index for index, one in enumerate(said) if one == common]
    others = [index for index, one in enumerate(said) if one != common]
    return [of_it[0], *others, *of_it[1:]]


def _probe(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The known equations, then one attempt each at the first problems of the batch."""
    probe: dict[str, Attempt] = {}
    for number, (question, reference, response) in enumerate(_KNOWN):
        asked = Problem(id=f"probe/{number}", question=question, reference=reference, split="test", source="probe")
        probe[asked.id] = Attempt(problem=asked, response=response)
    for attempt in attempts:
        probe.setdefault(attempt.problem.id, attempt)
    return list(probe.values())[: len(_KNOWN) + _FROM_THE_BATCH]


def _alone(verifier: Verifier, probe: Sequence[Attempt]) -> list[_Said]:
    return [_said(checked(verifier, [attempt])[0]) for attempt in probe]


def _said(verdict: Verdict) -> _Said:
    return verdict.outcome.value, verdict.score, verdict.answer
