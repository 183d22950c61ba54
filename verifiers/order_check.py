"""Checks that a plug-in gives its verdicts in the order of its attempts.

Takes a verifier; gives a verifier with the same verdicts, which on its first batch also judges a few attempts, first
alone and then together. No single verdict shows that verdicts are out of order, and a run would train on noise. The
check costs 22 further attempts per process, and more only while all verdicts are equal; built-in verifiers are not
checked. Any exception of a plug-in, SystemExit included, becomes a ContractBreach that names it: otherwise a plug-in
could end a command with exit code 0. This file does not depend on any concrete verifier.

A verifier that draws random verdicts, or whose verdict depends on the other attempts of the batch, is not out of order.
Only a verifier that repeats its verdicts on single attempts, and gives the same verdicts in another order for the
batch, is refused.
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
    unreadable_references,
)

# Right and wrong answers as bare numbers, so that a verifier that compares texts gives both outcomes too.
_KNOWN = (
    ("Solve 6*k = 12 for k.", "2", "35"),
    ("Solve m + 1 = 8 for m.", "7", "7"),
    ("Solve 3*c = 360 for c.", "120", "120"),
    ("Solve 2*x = 8 for x.", "4", "-11"),
    ("Solve z - 40 = 6 for z.", "46", "46"),
)
_FROM_THE_BATCH = 6

_Decision: TypeAlias = tuple[str, float | None, str | None]
"""Outcome, score and answer: what must be equal for two verdicts to be the same."""


@contextlib.contextmanager
def blamed(name: str, doing: str) -> Iterator[None]:
    """A context that turns an exception into a ContractBreach with the verifier's name, its action and the place.

    Raises:
        ContractBreach: The block raised anything but a VerifierError, an interrupt, or a subclass of SystemExit, which
            a signal handler raises.
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
        message = " ".join(f"{type(error).__name__}: {error}".split())
        raise ContractBreach(f"verifier {name!r}: {doing} raised {message:.300}{place}") from error


class OrderChecked:
    """A verifier with the verdicts of another one, which is refused where it changes the order or raises."""

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
            ContractBreach: The verifier gives its verdicts in another order, or raises.
        """
        with blamed(self.name, "verify"):
            if not self._in_order and len(attempts) > 1:
                self._in_order = keeps_order(self.verifier, attempts)
            return self.verifier.verify(attempts)

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose references the verifier cannot read, each with the reason.

        Raises:
            ContractBreach: The verifier raises, or gives something other than pairs of such a problem and a text.
        """
        with blamed(self.name, "unreadable_references"):
            pairs = unreadable_references(self.verifier, problems)
        given = set(problems)
        for pair in pairs:
            if not (isinstance(pair, tuple) and len(pair) == 2 and pair[0] in given and isinstance(pair[1], str)):
                raise ContractBreach(
                    f"verifier {self.name!r}: unreadable_references gave {pair!r:.80}, expected pairs of one of the "
                    "problems and a text"
                )
        return pairs


def keeps_order(verifier: Verifier, attempts: Sequence[Attempt]) -> bool:
    """Whether the check showed that verdicts come in order; False where all verdicts are equal, which shows nothing.

    Args:
        verifier: The verifier to check.
        attempts: The next batch of the verifier; a few of its attempts are used, besides some known equations.

    Raises:
        ContractBreach: The verdicts come in another order; the message names the verifier.
    """
    trial = _trial(attempts)
    alone = _decided_alone(verifier, trial)
    order = _asymmetric(alone)
    trial, alone = [trial[index] for index in order], [alone[index] for index in order]
    if len(set(alone)) == 1:
        return False
    together = [_decision(verdict) for verdict in checked(verifier, trial)]
    if together != alone and Counter(together) == Counter(alone) and _decided_alone(verifier, trial) == alone:
        item = next(index for index, decision in enumerate(alone) if decision != together[index])
        raise ContractBreach(
            f"verifier {verifier.name!r}: verdicts in another order than the attempts: of {len(trial)}, item {item} is"
            f" {alone[item][0]} alone and {together[item][0]} beside the others"
        )
    return True


def _asymmetric(decisions: Sequence[_Decision]) -> list[int]:
    """An order of the items: one item of the commonest decision, then all other decisions, then the rest of the first.

    Reversed, shifted, sorted or swapped in pairs, this is another sequence of decisions.
    """
    ((common, _),) = Counter(decisions).most_common(1)
    commonest = [index for index, decision in enumerate(decisions) if decision == common]
    others = [index for index, decision in enumerate(decisions) if decision != common]
    return [commonest[0], *others, *commonest[1:]]


def _trial(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The known equations, then the first attempt at each of the first problems of the batch."""
    trial: dict[str, Attempt] = {}
    for number, (question, reference, response) in enumerate(_KNOWN):
        known = Problem(
            id=f"order_check/{number}", question=question, reference=reference, split="test", source="order_check"
        )
        trial[known.id] = Attempt(problem=known, response=response)
    for attempt in attempts:
        trial.setdefault(attempt.problem.id, attempt)
    return list(trial.values())[: len(_KNOWN) + _FROM_THE_BATCH]


def _decided_alone(verifier: Verifier, trial: Sequence[Attempt]) -> list[_Decision]:
    return [_decision(checked(verifier, [attempt])[0]) for attempt in trial]


def _decision(verdict: Verdict) -> _Decision:
    return verdict.outcome.value, verdict.score, verdict.answer
