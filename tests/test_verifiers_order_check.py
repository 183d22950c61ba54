"""The order check of plug-ins: verdicts in another order are refused, and nothing else is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers import catalog
from restem.verifiers.composed.controls import AcceptAll, FormatOnly, Majority, Random, RejectAll, uniform
from restem.verifiers.composed.noise import Inverted
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.order_check import OrderChecked, keeps_order
from restem.verifiers.verdict import Attempt, ContractBreach, Outcome, Verdict, Verifier, checked
from tests.building import noisy
from tests.conftest import problem


def batch(count: int = 20) -> list[Attempt]:
    return [
        Attempt(problem=problem("Solve x = 7 for x.", "7", f"p{index % 10}"), response=f"x = {7 + index % 3}")
        for index in range(count)
    ]


class Plug:
    """A plug-in: gives outcomes and scores without answers, and puts its verdicts in some order."""

    name = fingerprint = "plug"

    def __init__(self, order: Callable[[list[Verdict]], list[Verdict]] = list, base: Verifier | None = None) -> None:
        self.order, self.base, self.asked = order, base or Sympy(), 0

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        self.asked += len(attempts)
        verdicts = self.base.verify(attempts)
        return self.order([Verdict(outcome=verdict.outcome, score=verdict.score) for verdict in verdicts])


ORDERS: dict[str, Callable[[list[Verdict]], list[Verdict]]] = {
    "reversed": lambda verdicts: verdicts[::-1],
    "shifted": lambda verdicts: verdicts[1:] + verdicts[:1],
    "shifted back": lambda verdicts: verdicts[-1:] + verdicts[:-1],
    "correct first": lambda verdicts: sorted(verdicts, key=lambda verdict: verdict.outcome),
    "wrong first": lambda verdicts: sorted(verdicts, key=lambda verdict: verdict.outcome, reverse=True),
    "shuffled": lambda verdicts: random.Random(len(verdicts)).sample(verdicts, len(verdicts)),
    "evens first": lambda verdicts: verdicts[::2] + verdicts[1::2],
    "pairs swapped": lambda verdicts: [v for i in range(0, len(verdicts), 2) for v in verdicts[i : i + 2][::-1]],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("base", [Sympy(), Exact(), Inverted(base=Sympy())], ids=lambda base: base.name)
def test_verdicts_in_another_order_are_refused_and_their_verifier_named(order: str, base: Verifier) -> None:
    with pytest.raises(ContractBreach, match="verifier 'plug': verdicts in another order"):
        checked(OrderChecked(Plug(ORDERS[order], base)), batch())


class ByLot:
    """Correct or wrong by a hash of the response: an arbitrary rule."""

    name = fingerprint = "by_lot"

    def __init__(self, seed: int, share: float) -> None:
        self.seed, self.share = seed, share

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        right = [uniform(self.seed, attempt.problem.id, attempt.response) < self.share for attempt in attempts]
        return [Verdict(outcome=Outcome.CORRECT if yes else Outcome.WRONG, score=float(yes)) for yes in right]


@pytest.mark.parametrize("order", ["reversed", "shifted", "shifted back", "correct first", "wrong first"])
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), count=st.integers(2, 20))
def test_another_order_is_detected_under_any_rule_as_soon_as_verdicts_differ(
    order: str, seed: int, share: float, count: int
) -> None:
    base = ByLot(seed, share)
    assert keeps_order(Plug(base=base), batch(count)) in (True, False)
    try:
        conclusive = keeps_order(Plug(ORDERS[order], base), batch(count))
    except ContractBreach:
        return
    assert not conclusive


def test_an_order_by_problem_length_or_text_is_refused() -> None:
    keys: list[Callable[[Attempt], Any]] = [
        lambda attempt: attempt.problem.question,
        lambda attempt: attempt.response,
        lambda attempt: len(attempt.response),
        lambda attempt: -len(attempt.response),
    ]
    for key in keys:

        class Sorting(Plug):
            def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
                return super().verify(sorted(attempts, key=key))  # noqa: B023

        with pytest.raises(ContractBreach, match="another order"):
            checked(OrderChecked(Sorting()), batch())


@pytest.mark.parametrize(
    "base",
    [
        Sympy(),
        AcceptAll(),
        RejectAll(),
        Random(),
        FormatOnly(),
        Majority(),
        noisy(base=Sympy(), tied_to="answer"),
    ],
    ids=lambda base: base.name,
)
def test_a_verifier_that_keeps_the_order_passes(base: Verifier) -> None:
    attempts = batch()
    expected = [(verdict.outcome, verdict.score) for verdict in base.verify(attempts)]
    assert [
        (verdict.outcome, verdict.score) for verdict in checked(OrderChecked(Plug(base=base)), attempts)
    ] == expected


@pytest.mark.parametrize("seed", range(50))
def test_a_random_verifier_is_not_out_of_order(seed: int) -> None:
    class Lots:
        name = fingerprint = "lots"
        draw = random.Random(seed)

        def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
            outcomes = [self.draw.choice([Outcome.CORRECT, Outcome.WRONG]) for _ in attempts]
            return [Verdict(outcome=outcome, score=float(outcome is Outcome.CORRECT)) for outcome in outcomes]

    assert len(checked(OrderChecked(Lots()), batch())) == 20


def test_a_verifier_that_ranks_its_batch_is_not_out_of_order() -> None:
    class Ranking:
        name = fingerprint = "ranking"

        def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
            texts = sorted(attempt.response for attempt in attempts)
            scores = [(1 + texts.index(attempt.response)) / len(texts) for attempt in attempts]
            return [Verdict(outcome=Outcome.CORRECT, score=score) for score in scores]

    assert len(checked(OrderChecked(Ranking()), batch())) == 20


def test_the_check_costs_22_attempts_once() -> None:
    plug = Plug()
    checked_plug = OrderChecked(plug)
    for _ in range(3):
        checked(checked_plug, batch(20))
    assert plug.asked == 22 + 3 * 20


def test_after_equal_verdicts_the_next_batch_is_checked_too() -> None:
    plug = Plug(base=AcceptAll())
    checked_plug = OrderChecked(plug)
    for _ in range(3):
        checked(checked_plug, batch(20))
    assert plug.asked == 3 * (11 + 20)


def test_single_attempts_have_no_order() -> None:
    plug = Plug(ORDERS["reversed"])
    assert len(checked(OrderChecked(plug), batch(1))) == plug.asked == 1


def test_only_plug_ins_are_checked() -> None:
    assert not isinstance(catalog.build("sympy"), OrderChecked)
    assert isinstance(catalog.build("tests.test_verifiers_order_check:Plug"), OrderChecked)


def test_a_plug_in_out_of_order_is_refused_as_a_member_too() -> None:
    tables = {
        "mine": {"type": "tests.test_verifiers_order_check:backwards"},
        "cascade": {"members": ["mine", "sympy"]},
        "noisy": {"base": "mine"},
    }
    for name in ("mine", "cascade", "noisy"):
        with pytest.raises(ContractBreach, match="another order"):
            checked(catalog.build(name, tables), batch())


def backwards() -> Plug:
    return Plug(ORDERS["reversed"])


def test_threads_that_keep_the_order_pass() -> None:
    class Threaded(Plug):
        def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
            with ThreadPoolExecutor(4) as pool:
                return list(pool.map(lambda attempt: self.base.verify([attempt])[0], attempts))

    assert len(checked(OrderChecked(Threaded()), batch())) == 20
