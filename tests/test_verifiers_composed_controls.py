"""Controls: they know no truth, and say the same again."""

from __future__ import annotations

from random import Random as Shuffler

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers.composed.controls import AcceptAll, FormatOnly, Majority, RejectAll
from restem.verifiers.exact.sympy_exact import Sympy
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verifier, checked
from tests import building
from tests.strategies import mutated_texts

C, W, U = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED
ballots = st.lists(st.sampled_from(["x = 7", "7", "14/2", "x = 8", "x = 9", "no idea", "I like turtles"]), max_size=12)
"""Responses of which several have the same answer, and some none."""


def attempts(*responses: str, problem: str = "p") -> list[Attempt]:
    asked = Problem(id=problem, question="Solve x = 7 for x.", reference="7", split="test", source="test")
    return [Attempt(problem=asked, response=response) for response in responses]


def outcomes(verifier: Verifier, *responses: str, problem: str = "p") -> list[Outcome]:
    return [verdict.outcome for verdict in checked(verifier, attempts(*responses, problem=problem))]


@given(st.lists(st.text(max_size=50), max_size=20))
def test_accept_all_accepts_all(responses: list[str]) -> None:
    verdicts = checked(AcceptAll(), attempts(*responses))
    assert [verdict.reward for verdict in verdicts] == [1] * len(responses)


def test_reject_all_rejects_all() -> None:
    assert [verdict.reward for verdict in checked(RejectAll(), attempts("x = 7", ""))] == [0, 0]


@given(st.lists(st.text(max_size=20), max_size=20), st.floats(0, 1), st.integers())
def test_random_says_the_same_again(responses: list[str], rate: float, seed: int) -> None:
    again = building.random(rate=rate, seed=seed)
    assert outcomes(building.random(rate=rate, seed=seed), *responses) == outcomes(again, *responses)


def test_random_tells_equal_responses_apart() -> None:
    assert set(outcomes(building.random(), *["x = 7"] * 40)) == {Outcome.CORRECT, Outcome.WRONG}


def test_random_does_not_depend_on_the_responses_beside_it() -> None:
    alone = outcomes(building.random(seed=4), *["x = 7"] * 20)
    between = outcomes(building.random(seed=4), *[text for _ in range(20) for text in ("x = 7", "x = 8")])
    assert between[::2] == alone


def test_another_seed_or_problem_draws_anew() -> None:
    responses = [f"x = {number}" for number in range(100)]
    first = outcomes(building.random(seed=0), *responses)
    assert first != outcomes(building.random(seed=1), *responses)
    assert first != outcomes(building.random(seed=0), *responses, problem="q")


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_random_keeps_its_rate(rate: float) -> None:
    drawn = outcomes(building.random(rate=rate), *[f"x = {number}" for number in range(4000)])
    share = drawn.count(Outcome.CORRECT) / len(drawn)
    assert abs(share - rate) <= 4 * (rate * (1 - rate) / len(drawn)) ** 0.5


def test_options_change_the_fingerprint() -> None:
    prints = {
        building.random().fingerprint,
        building.random(rate=0.4).fingerprint,
        building.random(seed=1).fingerprint,
        AcceptAll().fingerprint,
    }
    assert len(prints) == 4
    assert building.random(rate=1).fingerprint == building.random(rate=1.0).fingerprint


@pytest.mark.parametrize(
    "options", [{"rate": 1.5}, {"rate": -0.1}, {"rate": float("nan")}, {"rate": "half"}, {"rate": True}, {"seed": 1.5}]
)
def test_an_option_out_of_range_is_named(options: dict[str, object]) -> None:
    with pytest.raises(UnknownVerifier, match=next(iter(options))):
        building.random(**options)  # type: ignore[arg-type]


def test_random_takes_any_text() -> None:
    assert len(outcomes(building.random(), "\ud800", "\x00", "")) == 3


# format_only


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("x = 7", C),
        ("x = 8", C),
        ("Three comes first.\nThe answer is $\\boxed{\\frac{1}{3}}$.", C),
        ("", W),
        ("I do not know.", W),
        ("x = 7 or x = 8", W),
        ("It may be 7", U),
        ("5*x = 35", W),
        ("Bananas grow in warm lands", U),  # no text that reads like an answer, and none that denies an answer
    ],
)
def test_format_only_asks_whether_there_is_an_answer(response: str, outcome: Outcome) -> None:
    assert outcomes(FormatOnly(), response) == [outcome]


def test_format_only_gives_the_answer_and_where_it_stands() -> None:
    (verdict,) = checked(FormatOnly(), attempts("so x = 12/3"))
    assert (verdict.answer, verdict.span, verdict.reason) == ("12/3", (7, 11), None)


@given(mutated_texts())
def test_format_only_calls_wrong_what_sympy_calls_wrong_without_a_value(text: str) -> None:
    (form,), (value,) = checked(FormatOnly(), attempts(text)), checked(Sympy(), attempts(text))
    if form.outcome is C:
        assert value.reason is None or value.answer is not None
    else:
        assert (form.outcome, form.reason) == (value.outcome, value.reason)


def test_format_only_and_majority_need_no_reference() -> None:
    asked = Problem(id="p", question="Solve x = 7 for x.", reference=None, split="test", source="test")
    batch = [Attempt(problem=asked, response="x = 3") for _ in range(2)]
    for verifier in (FormatOnly(), Majority()):
        assert [verdict.outcome for verdict in checked(verifier, batch)] == [C, C]


# majority


def test_majority_counts_answers_by_value_and_text() -> None:
    assert outcomes(Majority(), "x = 7", "x = 14/2", "The answer is 7.0", "x = 8") == [C, C, C, W]
    assert outcomes(Majority(), "The answer is a + b.", "Answer: a+b", "Answer: a-b") == [C, C, W]


def test_the_score_is_the_share_of_answers_that_agree() -> None:
    verdicts = checked(Majority(), attempts("x = 7", "x = 7", "x = 8", "I do not know."))
    assert [verdict.score for verdict in verdicts] == [2 / 3, 2 / 3, 1 / 3, 0.0]


@pytest.mark.parametrize(
    ("responses", "reason"),
    [(["x = 7", "x = 8"], "tied"), (["x = 7"] * 2 + ["x = 8"] * 2 + ["x = 9"], "tied"), (["x = 7"], "too_few_answers")],
)
def test_without_one_commonest_answer_nothing_is_decided(responses: list[str], reason: str) -> None:
    verdicts = checked(Majority(), attempts(*responses))
    assert {(verdict.outcome, verdict.reason) for verdict in verdicts} == {(U, reason)}


def test_a_response_without_an_answer_has_no_vote() -> None:
    assert outcomes(Majority(), "x = 7", "I do not know.", "I do not know.") == [U, W, W]


def test_each_problem_votes_for_itself() -> None:
    other = attempts("x = 8", "x = 8", problem="q")
    verdicts = checked(Majority(), [*attempts("x = 7", "x = 7", "x = 8"), *other])
    assert [verdict.outcome for verdict in verdicts] == [C, C, W, C, C]


@given(ballots, st.randoms(use_true_random=False))
def test_the_order_of_the_batch_changes_no_majority(responses: list[str], random: Shuffler) -> None:
    elected = outcomes(Majority(), *responses)
    order = list(range(len(responses)))
    random.shuffle(order)
    assert outcomes(Majority(), *[responses[index] for index in order]) == [elected[index] for index in order]


@given(ballots)
def test_twice_the_same_responses_have_the_same_majority(responses: list[str]) -> None:
    once, twice = (checked(Majority(), attempts(*responses * times)) for times in (1, 2))
    for first, other in zip(once, twice, strict=False):
        assert first.reason == "too_few_answers" or (first.outcome, first.score) == (other.outcome, other.score)


@given(st.lists(mutated_texts(), max_size=4))
def test_any_text_has_a_verdict(texts: list[str]) -> None:
    for verifier in (FormatOnly(), Majority(), building.random(), RejectAll()):
        assert len(checked(verifier, attempts(*texts))) == len(texts)
