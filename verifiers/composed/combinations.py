"""Verifiers made of several: all, any, vote, cascade.

Takes attempts and the members; gives one verdict per attempt, whose rule tells which member it rests on. Undecided is a
third value, not a "no": a wrong member settles `all_of` whatever an undecided one would have said, and a correct one
`any_of` (Kleene's three-valued logic). Tokens, seconds and cost are the sums over the members that were asked. A judge
that cannot be reached stops the whole: `JudgeUnavailable` passes through. Knows nothing of how members were named.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

from restem.verifiers.verdict import (
    Attempt,
    Outcome,
    UnknownVerifier,
    Verdict,
    Verifier,
    checked,
    fingerprint,
    needs_whole_problems,
)

VERSION = 1

Said: TypeAlias = tuple[str, Verdict]
"""A member's name, and its verdict."""


class _Panel(abc.ABC):
    """What the four have in common: members, of whom all are asked about everything."""

    name: str

    def __init__(self, *, members: Sequence[Verifier]) -> None:
        if not members:
            raise UnknownVerifier(f"verifier {self.name!r}: option 'members' is empty, expected at least one verifier")
        self.members = tuple(members)
        self.whole_problem = needs_whole_problems(*members)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"members": [member.fingerprint for member in self.members]})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        columns = [checked(member, attempts) for member in self.members]
        names = [member.name for member in self.members]
        return [self._decide(list(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]

    @abc.abstractmethod
    def _decide(self, said: Sequence[Said]) -> Verdict:
        """One verdict from those of the members that were asked."""


class AllOf(_Panel):
    """Correct where all members say correct, wrong where any says wrong, else undecided; the score is the lowest."""

    name = "all_of"

    def _decide(self, said: Sequence[Said]) -> Verdict:
        side = _first_side((Outcome.WRONG, Outcome.UNDECIDED, Outcome.CORRECT), said)
        return _resting_on(self.name, side, said, min(_scores(said), default=None))


class AnyOf(_Panel):
    """Correct where any member says correct, wrong where all say wrong, else undecided; the score is the highest."""

    name = "any_of"

    def _decide(self, said: Sequence[Said]) -> Verdict:
        side = _first_side((Outcome.CORRECT, Outcome.UNDECIDED, Outcome.WRONG), said)
        return _resting_on(self.name, side, said, max(_scores(said), default=None))


class Vote(_Panel):
    """What most of the members that decide say; undecided on a tie. The score is the share that says correct."""

    name = "vote"

    def _decide(self, said: Sequence[Said]) -> Verdict:
        right, wrong, undecided = (_side(outcome, said) for outcome in Outcome)
        if len(right) != len(wrong):
            return _resting_on(self.name, max(right, wrong, key=len), said, len(right) / (len(right) + len(wrong)))
        tie = ("tie", Verdict(outcome=Outcome.UNDECIDED, reason=f"{len(right)} to {len(wrong)}"))
        return _resting_on(self.name, [tie] if right else undecided, said, None)


class Cascade(_Panel):
    """What the first member says that decides; the later ones are asked only about what is still undecided.

    So the cheap ones stand first and a judge last. A member that needs whole problems (`whole_problem`) is shown all
    responses to every problem of which one is still undecided; what it says of the decided ones is not used, and what
    that cost is counted where it arose.
    """

    name = "cascade"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        said: list[list[Said]] = [[] for _ in attempts]
        left = list(range(len(attempts)))
        for member in self.members:
            shown = _with_their_problems(attempts, left) if needs_whole_problems(member) else left
            verdicts = checked(member, [attempts[index] for index in shown]) if shown else []
            for index, verdict in zip(shown, verdicts, strict=True):
                said[index].append((member.name, verdict))
            left = [index for index in left if said[index][-1][1].outcome is Outcome.UNDECIDED]
        return [self._decide(row) for row in said]

    def _decide(self, said: Sequence[Said]) -> Verdict:
        for member, verdict in said:
            if verdict.outcome is not Outcome.UNDECIDED:
                return _resting_on(self.name, [(member, verdict)], said, verdict.score)
        return _resting_on(self.name, said, said, None)


def _side(outcome: Outcome, said: Sequence[Said]) -> list[Said]:
    """Those that say so."""
    return [(member, verdict) for member, verdict in said if verdict.outcome is outcome]


def _first_side(order: Sequence[Outcome], said: Sequence[Said]) -> list[Said]:
    """Those that say the first outcome of the order that any member says."""
    return next(side for outcome in order if (side := _side(outcome, said)))


def _scores(said: Sequence[Said]) -> list[float]:
    return [verdict.score for _, verdict in said if verdict.score is not None]


def _with_their_problems(attempts: Sequence[Attempt], some: Sequence[int]) -> list[int]:
    """The numbers of all attempts at the problems that some are attempts at."""
    problems = {attempts[index].problem.id for index in some}
    return [index for index, attempt in enumerate(attempts) if attempt.problem.id in problems]


def _resting_on(name: str, side: Sequence[Said], said: Sequence[Said], score: float | None) -> Verdict:
    """What one side says: outcome, answer and rule of its first member that read an answer; and the costs of all."""
    member, verdict = next((one for one in side if one[1].answer is not None), side[0])
    reason = verdict.reason
    if verdict.outcome is Outcome.UNDECIDED:
        reason, score = "; ".join(f"{other}: {each.reason or 'undecided'}" for other, each in side), None
    return dataclasses.replace(
        verdict,
        score=score,
        rule=f"{name}: {member}: {verdict.rule}" if verdict.rule else f"{name}: {member}",
        reason=reason,
        seconds=sum(each.seconds for _, each in said),
        tokens=sum(each.tokens for _, each in said),
        cost_usd=sum(each.cost_usd for _, each in said),
    )
