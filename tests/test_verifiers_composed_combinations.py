"""Verifiers made of others: three-valued logic, votes with ties, and a cascade that asks as little as it can."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.verifiers.catalog import build
from restem.verifiers.composed.combinations import AllOf, AnyOf, Cascade, Vote
from restem.verifiers.composed.controls import AcceptAll, FormatOnly, Majority, RejectAll
from restem.verifiers.composed.noise import Inverted
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.verdict import (
    Attempt,
    ContractBreach,
    JudgeUnavailable,
    Outcome,
    UnknownVerifier,
    Verdict,
    checked,
)
from tests.conftest import problem
from tests.judge_server import JudgeServer
from tests.strategies import mutated_texts

C, W, U = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED
KINDS = (AllOf, AnyOf, Vote, Cascade)
rows = st.lists(st.sampled_from([C, W, U]), min_size=1, max_size=4)


class Says:
    """A member that gives the outcomes that it is built with, at a price, and records its attempts."""

    def __init__(self, *outcomes: Outcome, name: str = "says", answer: str | None = None) -> None:
        self.outcomes, self.name, self.answer = outcomes, name, answer
        self.fingerprint = f"{name}-{outcomes}"
        self.asked: list[str] = []

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        self.asked += [attempt.response for attempt in attempts]
        return [self._one(self.outcomes[int(attempt.response) % len(self.outcomes)]) for attempt in attempts]

    def _one(self, outcome: Outcome) -> Verdict:
        score = {C: 0.75, W: 0.25, U: None}[outcome]
        reason = "unsure" if outcome is U else None
        costs: dict[str, Any] = {"seconds": 1.0, "tokens": 10, "cost_usd": 0.5}
        return Verdict(outcome=outcome, score=score, reason=reason, rule="told", answer=self.answer, **costs)


def attempts(count: int = 1) -> list[Attempt]:
    return [
        Attempt(problem=problem("Solve x = 7 for x.", "7", f"p{index}"), response=str(index)) for index in range(count)
    ]


def decided(kind: Any, *outcomes: Outcome) -> Verdict:
    """The verdict on one attempt of a combination whose members give these outcomes."""
    members = [Says(outcome, name=f"m{index}") for index, outcome in enumerate(outcomes)]
    return checked(kind(members=members), attempts())[0]


# what they say


@given(rows)
def test_all_of_is_the_lowest_and_any_of_the_highest_of_three_values(row: list[Outcome]) -> None:
    order = [W, U, C]
    assert decided(AllOf, *row).outcome is min(row, key=order.index)
    assert decided(AnyOf, *row).outcome is max(row, key=order.index)


@given(rows)
def test_all_of_and_any_of_are_each_others_opposite(row: list[Outcome]) -> None:
    members = [Says(outcome) for outcome in row]
    opposite = Inverted(base=AnyOf(members=[Inverted(base=member) for member in members]))
    verdict, other = checked(AllOf(members=members), attempts())[0], checked(opposite, attempts())[0]
    assert (verdict.outcome, verdict.score) == (other.outcome, other.score)


@given(rows)
def test_a_vote_goes_to_most_of_those_that_decide(row: list[Outcome]) -> None:
    right, wrong = row.count(C), row.count(W)
    verdict = decided(Vote, *row)
    assert verdict.outcome is (U if right == wrong else C if right > wrong else W)
    assert verdict.score == (None if right == wrong else right / (right + wrong))


@given(rows)
def test_a_cascade_says_what_its_first_decided_member_says(row: list[Outcome]) -> None:
    first = next((index for index, outcome in enumerate(row) if outcome is not U), None)
    verdict = decided(Cascade, *row)
    assert verdict.outcome is (U if first is None else row[first])
    if first is not None:
        assert verdict.rule == f"cascade: m{first}: told"


@pytest.mark.parametrize("kind", [AllOf, AnyOf, Vote])
@given(row=rows, shuffler=st.randoms(use_true_random=False))
def test_the_order_of_the_members_changes_no_outcome(kind: Any, row: list[Outcome], shuffler: Any) -> None:
    mixed = list(row)
    shuffler.shuffle(mixed)
    plain, other = decided(kind, *row), decided(kind, *mixed)
    assert (plain.outcome, plain.score) == (other.outcome, other.score)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outcome", [C, W, U])
def test_one_member_alone_decides(kind: Any, outcome: Outcome) -> None:
    assert decided(kind, outcome).outcome is outcome


@pytest.mark.parametrize(
    ("kind", "row", "rule", "reason"),
    [
        (AllOf, (C, W), "all_of: m1: told", None),
        (AllOf, (C, U, U), "all_of: m1: told", "m1: unsure; m2: unsure"),
        (AnyOf, (W, C), "any_of: m1: told", None),
        (Vote, (W, C, C), "vote: m1: told", None),
        (Vote, (W, C, U), "vote: tie", "tie: 1 to 1"),
        (Vote, (U, U), "vote: m0: told", "m0: unsure; m1: unsure"),
        (Cascade, (U, U), "cascade: m0: told", "m0: unsure; m1: unsure"),
    ],
)
def test_a_verdict_tells_on_whom_it_rests(kind: Any, row: tuple[Outcome, ...], rule: str, reason: str | None) -> None:
    verdict = decided(kind, *row)
    assert (verdict.rule, verdict.reason) == (rule, reason)


def test_the_answer_is_that_of_a_member_on_the_deciding_side() -> None:
    members = [Says(W, answer="1"), Says(C), Says(C, answer="2"), Says(C, answer="3")]
    assert checked(Vote(members=members), attempts())[0].answer == "2"
    assert checked(AllOf(members=members), attempts())[0].answer == "1"
    assert checked(Cascade(members=[Says(U, answer="1"), *members[1:]]), attempts())[0].answer is None


@pytest.mark.parametrize("kind", [AllOf, AnyOf, Vote])
@given(row=rows)
def test_what_members_cost_adds_up(kind: Any, row: list[Outcome]) -> None:
    verdict = decided(kind, *row)
    assert (verdict.seconds, verdict.tokens, verdict.cost_usd) == (len(row), 10 * len(row), 0.5 * len(row))


@given(rows)
def test_a_cascade_costs_what_was_asked(row: list[Outcome]) -> None:
    asked = next((index for index, outcome in enumerate(row, 1) if outcome is not U), len(row))
    assert decided(Cascade, *row).cost_usd == 0.5 * asked


@given(st.lists(mutated_texts(), max_size=3))
@settings(max_examples=50)
def test_any_text_has_a_verdict(texts: list[str]) -> None:
    asked = problem("Solve x = 7 for x.", "7")
    batch = [Attempt(problem=asked, response=text) for text in texts]
    for kind in KINDS:
        assert len(checked(kind(members=[Exact(), Sympy(), FormatOnly(), Majority()]), batch)) == len(texts)


# what a cascade asks


def test_later_members_are_asked_only_about_what_is_undecided() -> None:
    first, second, third = Says(C, W, U, U, name="a"), Says(U, U, C, U, name="b"), Says(W, name="c")
    verdicts = checked(Cascade(members=[first, second, third]), attempts(8))
    assert second.asked == ["2", "3", "6", "7"]
    assert third.asked == ["3", "7"]
    assert [verdict.outcome for verdict in verdicts] == [C, W, C, W] * 2


def test_where_all_is_decided_the_rest_is_not_asked() -> None:
    class Never(Says):
        def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
            raise AssertionError

    assert checked(Cascade(members=[AcceptAll(), Never(C)]), attempts(3))[0].outcome is C
    assert Cascade(members=[Never(C)]).verify([]) == []


def responses(*texts: str, reference: str | None = "7") -> list[Attempt]:
    return [Attempt(problem=problem("Solve x = 7 for x.", reference), response=text) for text in texts]


class EvenUndecided:
    """Undecided about every second attempt, else wrong."""

    name = fingerprint = "even"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        wrong, unsure = Verdict(outcome=W, score=0.0), Verdict(outcome=U, reason="even")
        return [wrong if index % 2 else unsure for index in range(len(attempts))]


@pytest.mark.parametrize(
    "member", [Majority(), Inverted(base=Inverted(base=Majority())), AllOf(members=[Majority(), FormatOnly()])]
)
def test_a_majority_in_a_cascade_counts_all_responses_to_a_problem(member: Any) -> None:
    """Of the undecided responses alone, `x = 8` would be the commonest answer."""
    batch = responses("x = 7", "x = 7", "x = 8", "x = 7", "x = 8")
    verdicts = checked(Cascade(members=[EvenUndecided(), member]), batch)
    assert [verdict.outcome for verdict in verdicts] == [C, W, W, W, W]
    assert verdicts[1].rule == "cascade: even"


def test_a_majority_inside_a_combination_inside_a_cascade_is_still_shown_all() -> None:
    inner = Cascade(members=[Majority()])
    batch = responses("x = 7", "x = 7", "x = 8", "x = 7", "x = 8")
    verdicts = checked(Cascade(members=[EvenUndecided(), inner]), batch)
    assert [verdict.outcome for verdict in verdicts] == [C, W, W, W, W]


def test_a_judge_is_asked_only_about_the_rest(running: JudgeServer) -> None:
    running.reset()
    judge = build("judge", {"judge": {"base_url": running.base_url, "model": "m"}})
    batch = attempts(8)
    verdicts = checked(Cascade(members=[Says(C, W, W, U, name="cheap"), judge]), batch)
    assert running.requests == 2
    assert [verdict.outcome for verdict in verdicts] == [C, W, W, W, C, W, W, C]  # the judge accepts 7
    assert [verdict.tokens for verdict in verdicts] == [10, 10, 10, 111] * 2
    assert [str(verdict.rule).split(": ")[1] for verdict in verdicts] == ["cheap", "cheap", "cheap", "judge"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_judge_that_cannot_be_reached_stops_the_whole(running: JudgeServer, kind: Any) -> None:
    running.reset()
    running.mix({"401": 1.0})
    judge = build("judge", {"judge": {"base_url": running.base_url, "model": "m"}})
    with pytest.raises(JudgeUnavailable):
        kind(members=[judge, Sympy()]).verify(responses("x = 7"))


# how they are made


@pytest.mark.parametrize("kind", KINDS)
def test_a_combination_of_nothing_is_refused(kind: Any) -> None:
    with pytest.raises(UnknownVerifier, match="members"):
        kind(members=[])


def test_kind_members_and_their_order_are_part_of_the_fingerprint() -> None:
    pairs = list(itertools.permutations([Sympy(), Exact(), RejectAll()], 2))
    prints = {kind(members=pair).fingerprint for kind in KINDS for pair in pairs}
    assert len(prints) == len(KINDS) * len(pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_breaks_its_contract_is_named(kind: Any) -> None:
    class Short(Says):
        def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
            return []

    with pytest.raises(ContractBreach, match="'short'"):
        kind(members=[Short(U, name="short"), Sympy()]).verify(attempts())
