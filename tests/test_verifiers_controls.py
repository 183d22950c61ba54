"""Controls: they look at nothing, and say the same again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.problem import Problem
from verifiers.controls import AcceptAll, Random
from verifiers.verdict import Attempt, Outcome, UnknownVerifier, checked


def attempts(*responses: str, problem: str = "p") -> list[Attempt]:
    asked = Problem(id=problem, question="Solve x = 7 for x.", reference="7", split="test", source="test")
    return [Attempt(problem=asked, response=response) for response in responses]


def outcomes(verifier: Random, *responses: str, problem: str = "p") -> list[Outcome]:
    return [verdict.outcome for verdict in checked(verifier, attempts(*responses, problem=problem))]


@given(st.lists(st.text(max_size=50), max_size=20))
def test_accept_all_accepts_all(responses: list[str]) -> None:
    verdicts = checked(AcceptAll(), attempts(*responses))
    assert [verdict.reward for verdict in verdicts] == [1] * len(responses)


@given(st.lists(st.text(max_size=20), max_size=20), st.floats(0, 1), st.integers())
def test_random_says_the_same_again(responses: list[str], rate: float, seed: int) -> None:
    again = Random(rate=rate, seed=seed)
    assert outcomes(Random(rate=rate, seed=seed), *responses) == outcomes(again, *responses)


def test_random_tells_equal_responses_apart() -> None:
    assert set(outcomes(Random(), *["x = 7"] * 40)) == {Outcome.CORRECT, Outcome.WRONG}


def test_random_does_not_depend_on_the_responses_beside_it() -> None:
    alone = outcomes(Random(seed=4), *["x = 7"] * 20)
    between = outcomes(Random(seed=4), *[text for _ in range(20) for text in ("x = 7", "x = 8")])
    assert between[::2] == alone


def test_another_seed_or_problem_draws_anew() -> None:
    responses = [f"x = {number}" for number in range(100)]
    first = outcomes(Random(seed=0), *responses)
    assert first != outcomes(Random(seed=1), *responses)
    assert first != outcomes(Random(seed=0), *responses, problem="q")


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_random_keeps_its_rate(rate: float) -> None:
    found = outcomes(Random(rate=rate), *[f"x = {number}" for number in range(4000)])
    share = found.count(Outcome.CORRECT) / len(found)
    assert abs(share - rate) <= 4 * (rate * (1 - rate) / len(found)) ** 0.5


def test_options_change_the_fingerprint() -> None:
    prints = {Random().fingerprint, Random(rate=0.4).fingerprint, Random(seed=1).fingerprint, AcceptAll().fingerprint}
    assert len(prints) == 4
    assert Random(rate=1).fingerprint == Random(rate=1.0).fingerprint


@pytest.mark.parametrize(
    "options", [{"rate": 1.5}, {"rate": -0.1}, {"rate": float("nan")}, {"rate": "half"}, {"seed": 1.5}]
)
def test_an_option_out_of_range_is_named(options: dict[str, object]) -> None:
    with pytest.raises(UnknownVerifier, match=next(iter(options))):
        Random(**options)  # type: ignore[arg-type]


def test_random_takes_any_text() -> None:
    assert len(outcomes(Random(), "\ud800", "\x00", "")) == 3
