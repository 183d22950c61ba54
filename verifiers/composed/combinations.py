"""Verifiers made of several: all, any, vote, cascade.

Takes attempts and the members; gives one verdict per attempt, whose rule names the member that it is taken from.
Undecided is a third value (Kleene's three-valued logic): one wrong member decides `all_of`, and one correct member
decides `any_of`, whatever undecided members might have decided. Tokens, seconds and cost are sums over the members that
were applied. A judge that cannot be reached stops everything: `JudgeUnavailable` is passed on. This file does not
depend on the catalogue.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import (
    Attempt,
    Outcome,
    UnknownVerifier,
    Verdict,
    Verifier,
    checked,
    fingerprint,
    needs_whole_problems,
    unreadable_references,
)

VERSION = 1

Ballot: TypeAlias = tuple[str, Verdict]
"""A member's name, and its verdict."""


class _Panel(abc.ABC):
    """The base class of the four: every member verifies all attempts."""

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

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose references no member can read, each with the reason of the last member."""
        unread = [(problem, "") for problem in problems]
        for member in self.members:  # a later member is asked only for what the earlier ones cannot read
            unread = unreadable_references(member, [problem for problem, _ in unread]) if unread else []
        return unread

    @abc.abstractmethod
    def _decide(self, ballots: Sequence[Ballot]) -> Verdict:
        """One verdict from the verdicts of the members that were applied."""


class AllOf(_Panel):
    """Correct where all members decide correct, wrong where any decides wrong, else undecided; the lowest score."""

    name = "all_of"

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose references any member cannot read, so that no response can be correct."""
        reasons: dict[Problem, str] = {}
        for member in self.members:
            for problem, reason in unreadable_references(member, problems):
                reasons.setdefault(problem, reason)
        return [(problem, reasons[problem]) for problem in problems if problem in reasons]

    def _decide(self, ballots: Sequence[Ballot]) -> Verdict:
        side = _first_side((Outcome.WRONG, Outcome.UNDECIDED, Outcome.CORRECT), ballots)
        return _resting_on(self.name, side, ballots, min(_scores(ballots), default=None))


class AnyOf(_Panel):
    """Correct where any member decides correct, wrong where all decide wrong, else undecided; the highest score."""

    name = "any_of"

    def _decide(self, ballots: Sequence[Ballot]) -> Verdict:
        side = _first_side((Outcome.CORRECT, Outcome.UNDECIDED, Outcome.WRONG), ballots)
        return _resting_on(self.name, side, ballots, max(_scores(ballots), default=None))


class Vote(_Panel):
    """The outcome of most members that decide; undecided on a tie. The score is the share of correct."""

    name = "vote"

    def _decide(self, ballots: Sequence[Ballot]) -> Verdict:
        right, wrong, undecided = (_side(outcome, ballots) for outcome in Outcome)
        if len(right) != len(wrong):
            return _resting_on(self.name, max(right, wrong, key=len), ballots, len(right) / (len(right) + len(wrong)))
        tie = ("tie", Verdict(outcome=Outcome.UNDECIDED, reason=f"{len(right)} to {len(wrong)}"))
        return _resting_on(self.name, [tie] if right else undecided, ballots, None)


class Cascade(_Panel):
    """The verdict of the first member that decides; later members get only the attempts that are still undecided.

    So cheap members come first and a judge last. A member that needs whole problems (`whole_problem`) gets all
    responses to every problem with an undecided one; its verdicts on decided responses are not used, but their cost is
    counted.
    """

    name = "cascade"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        ballots: list[list[Ballot]] = [[] for _ in attempts]
        left = list(range(len(attempts)))
        for member in self.members:
            shown = _with_their_problems(attempts, left) if needs_whole_problems(member) else left
            verdicts = checked(member, [attempts[index] for index in shown]) if shown else []
            for index, verdict in zip(shown, verdicts, strict=True):
                ballots[index].append((member.name, verdict))
            left = [index for index in left if ballots[index][-1][1].outcome is Outcome.UNDECIDED]
        return [self._decide(row) for row in ballots]

    def _decide(self, ballots: Sequence[Ballot]) -> Verdict:
        for member, verdict in ballots:
            if verdict.outcome is not Outcome.UNDECIDED:
                return _resting_on(self.name, [(member, verdict)], ballots, verdict.score)
        return _resting_on(self.name, ballots, ballots, None)


def _side(outcome: Outcome, ballots: Sequence[Ballot]) -> list[Ballot]:
    """The ballots with this outcome."""
    return [(member, verdict) for member, verdict in ballots if verdict.outcome is outcome]


def _first_side(order: Sequence[Outcome], ballots: Sequence[Ballot]) -> list[Ballot]:
    """The ballots with the first outcome in the order that has any."""
    return next(side for outcome in order if (side := _side(outcome, ballots)))


def _scores(ballots: Sequence[Ballot]) -> list[float]:
    return [verdict.score for _, verdict in ballots if verdict.score is not None]


def _with_their_problems(attempts: Sequence[Attempt], some: Sequence[int]) -> list[int]:
    """The indices of all attempts at the problems of some attempts."""
    problems = {attempts[index].problem.id for index in some}
    return [index for index, attempt in enumerate(attempts) if attempt.problem.id in problems]


def _resting_on(name: str, side: Sequence[Ballot], ballots: Sequence[Ballot], score: float | None) -> Verdict:
    """The verdict of one side: outcome, answer and rule of its first member with an answer; and the costs of all."""
    member, verdict = next((ballot for ballot in side if ballot[1].answer is not None), side[0])
    reason = verdict.reason
    if verdict.outcome is Outcome.UNDECIDED:
        reason, score = "; ".join(f"{other}: {each.reason or 'undecided'}" for other, each in side), None
    return dataclasses.replace(
        verdict,
        score=score,
        rule=f"{name}: {member}: {verdict.rule}" if verdict.rule else f"{name}: {member}",
        reason=reason,
        seconds=sum(each.seconds for _, each in ballots),
        tokens=sum(each.tokens for _, each in ballots),
        cost_usd=sum(each.cost_usd for _, each in ballots),
    )
