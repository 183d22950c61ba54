"""Noise: errors at the rates that were asked for, tied as was asked, and the same every time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers.composed.controls import AcceptAll, RejectAll
from restem.verifiers.composed.noise import Inverted
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, Verifier, checked
from tests.building import noisy, random
from tests.strategies import mutated_texts

C, W, U = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED
TIES = ("sample", "draw", "problem", "answer")
WAYS = ("x = {}", "{}", "The answer is {}.", "x = {0}\nSo the answer is {0}")


def attempt(response: str, problem: str = "p", reference: str | None = "7") -> Attempt:
    asked = Problem(id=problem, question="Solve x = 7 for x.", reference=reference, split="test", source="test")
    return Attempt(problem=asked, response=response)


def outcomes(verifier: Verifier, batch: Sequence[Attempt]) -> list[Outcome]:
    return [verdict.outcome for verdict in checked(verifier, batch)]


def spread(problems: int = 250) -> list[Attempt]:
    """Four right and four wrong responses to each problem: two wrong answers, every answer in several ways."""
    return [
        attempt(way.format(7 if right else 8 + index % 2), f"p{number}")
        for number in range(problems)
        for right in (True, False)
        for index, way in enumerate(WAYS)
    ]


batches = st.lists(
    st.builds(attempt, st.sampled_from(["x = 7", "7", "x = 8", "", "Bananas"]), st.sampled_from("pq")), max_size=12
)


# inverted


def test_inverted_turns_correct_and_wrong_round_and_leaves_the_rest() -> None:
    batch = [attempt("x = 7"), attempt("x = 8"), attempt("x = 7 or 8"), attempt("x = 7", reference=None)]
    assert outcomes(Sympy(), batch) == [C, W, W, U]
    verdicts = checked(Inverted(base=Sympy()), batch)
    assert [(verdict.outcome, verdict.score) for verdict in verdicts] == [(W, 0.0), (C, 1.0), (C, 1.0), (U, None)]
    assert [verdict.reason for verdict in verdicts] == ["inverted", "inverted", "inverted: two_answers", "no_reference"]
    assert (verdicts[0].answer, verdicts[0].span, verdicts[0].rule) == ("7", (4, 5), "assignment")


@given(batches)
def test_inverted_twice_is_the_base(batch: list[Attempt]) -> None:
    twice = Inverted(base=Inverted(base=Sympy()))
    assert [(v.outcome, v.score) for v in checked(twice, batch)] == [
        (v.outcome, v.score) for v in checked(Sympy(), batch)
    ]


# noisy


@pytest.mark.parametrize("tied_to", TIES)
@pytest.mark.parametrize(("tpr", "fpr"), [(0.9, 0.1), (0.5, 0.3), (1.0, 0.0), (0.0, 1.0)])
def test_errors_come_at_the_rates_that_were_asked_for(tied_to: str, tpr: float, fpr: float) -> None:
    batch = spread()
    noisy_outcomes = outcomes(noisy(base=Sympy(), tpr=tpr, fpr=fpr, tied_to=tied_to), batch)
    truths = outcomes(Sympy(), batch)
    drawn = {"sample": 1000, "draw": 1000, "problem": 250, "answer": 250}[
        tied_to
    ]  # how many of the 1,000 are independent
    for truth, rate in ((C, tpr), (W, fpr)):
        group = [outcome for outcome, true in zip(noisy_outcomes, truths, strict=True) if true is truth]
        assert abs(group.count(C) / len(group) - rate) <= 4 * (rate * (1 - rate) / drawn) ** 0.5


@pytest.mark.parametrize("tied_to", TIES)
@given(batch=batches, seed=st.integers(0, 3))
def test_what_the_base_leaves_undecided_stays_so(tied_to: str, batch: list[Attempt], seed: int) -> None:
    verdicts = checked(noisy(base=Sympy(), tpr=0.5, fpr=0.5, seed=seed, tied_to=tied_to), batch)
    for verdict, truth in zip(verdicts, checked(Sympy(), batch), strict=True):
        assert (verdict.outcome is U) == (truth.outcome is U)
        assert (verdict.answer, verdict.span, verdict.rule) == (truth.answer, truth.span, truth.rule)
        assert (verdict.reason or "").startswith("noisy") == (verdict.outcome is not truth.outcome)


def test_errors_of_samples_are_independent_of_each_other() -> None:
    """As many pairs of equal responses err together as chance lets them."""
    batch = [attempt("x = 7", f"p{number // 2}") for number in range(4000)]
    noisy_outcomes = outcomes(noisy(base=Sympy(), tpr=0.8), batch)
    both = sum(noisy_outcomes[index] is noisy_outcomes[index + 1] is W for index in range(0, 4000, 2))
    assert abs(both / 2000 - 0.04) <= 4 * (0.04 * 0.96 / 2000) ** 0.5


def test_a_text_that_is_drawn_again_keeps_its_errors_where_these_are_tied_to_samples_and_not_to_draws() -> None:
    """Of 400 texts that err with probability 0.5 as many have another outcome beside other responses."""
    asked = [attempt("x = 7", f"p{number}") for number in range(400)]
    again = [item for number in range(400) for item in (attempt("x = 7", f"p{number}"), attempt("x = 8", f"p{number}"))]
    same = {}
    for tie in ("sample", "draw"):
        verifier = noisy(base=Sympy(), tpr=0.5, tied_to=tie)
        pairs = zip(outcomes(verifier, asked), outcomes(verifier, again)[::2], strict=True)
        same[tie] = sum(first is second for first, second in pairs)
    assert same["sample"] == 400
    assert abs(same["draw"] - 200) <= 4 * (400 * 0.25) ** 0.5


def test_errors_tied_to_the_problem_strike_all_its_right_or_all_its_wrong_responses() -> None:
    batch = spread(150)
    erring = outcomes(noisy(base=Sympy(), tpr=0.7, fpr=0.3, tied_to="problem"), batch)
    groups = {(truth, tuple(group)) for truth, group in _by_problem_and_truth(batch, erring)}
    assert groups == {(truth, (outcome,) * 4) for truth in (C, W) for outcome in (C, W)}


def _by_problem_and_truth(
    batch: Sequence[Attempt], noisy_outcomes: Sequence[Outcome]
) -> list[tuple[Outcome, list[Outcome]]]:
    rows = zip(batch, outcomes(Sympy(), batch), noisy_outcomes, strict=True)
    groups = groupby(rows, key=lambda row: (row[0].problem.id, row[1]))
    return [(truth, [outcome for *_, outcome in group]) for (_, truth), group in groups]


def test_errors_tied_to_the_answer_strike_every_way_of_writing_it() -> None:
    batch = spread(150)
    verdicts = checked(noisy(base=Sympy(), tpr=0.7, fpr=0.3, tied_to="answer"), batch)
    by_answer: dict[tuple[str, str | None], set[Outcome]] = {}
    for item, verdict in zip(batch, verdicts, strict=True):
        by_answer.setdefault((item.problem.id, verdict.answer), set()).add(verdict.outcome)
    assert len(by_answer) == 450
    assert all(len(outcomes) == 1 for outcomes in by_answer.values())
    # The two wrong answers to one problem err apart: 2 * 0.3 * 0.7 of the problems accept just one of them.
    apart = sum(by_answer[f"p{number}", "8"] != by_answer[f"p{number}", "9"] for number in range(150)) / 150
    assert abs(apart - 0.42) <= 4 * (0.42 * 0.58 / 150) ** 0.5


def test_without_an_answer_equal_texts_err_together() -> None:
    batch = [attempt(text, f"p{number}") for number in range(100) for text in ("", "", "I do not know.")]
    noisy_outcomes = outcomes(noisy(base=RejectAll(), fpr=0.5, tied_to="answer"), batch)
    assert noisy_outcomes[::3] == noisy_outcomes[1::3] != noisy_outcomes[2::3]
    assert set(noisy_outcomes) == {C, W}


@pytest.mark.parametrize("tied_to", TIES)
@given(batch=batches, others=batches, shuffler=st.randoms(use_true_random=False))
def test_neither_order_nor_other_problems_change_an_error(
    tied_to: str, batch: list[Attempt], others: list[Attempt], shuffler: Any
) -> None:
    """Equal responses may change places among themselves; of each response as many are accepted."""
    verifier = noisy(base=Sympy(), tpr=0.5, fpr=0.5, tied_to=tied_to)

    def accepted(batch: Sequence[Attempt]) -> list[tuple[str, str, Outcome]]:
        rows = zip(batch, outcomes(verifier, batch), strict=True)
        return sorted((a.problem.id, a.response, outcome) for a, outcome in rows if a.problem.id in ("p", "q"))

    elsewhere = [attempt(other.response, f"{other.problem.id}2") for other in others]
    mixed = [*batch, *elsewhere]
    shuffler.shuffle(mixed)
    assert accepted(mixed) == accepted(batch)


def test_another_process_makes_the_same_errors() -> None:
    script = (
        "from tests.test_verifiers_composed_noise import *\n"
        "for tie in TIES: print(*outcomes(noisy(base=Sympy(), tied_to=tie), spread(20)), sep='')\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    here = ["".join(outcomes(noisy(base=Sympy(), tied_to=tie), spread(20))) for tie in TIES]
    assert done.stdout.split() == here


@pytest.mark.parametrize("tied_to", TIES)
def test_another_seed_errs_elsewhere(tied_to: str) -> None:
    batch = spread(50)
    first, second = (outcomes(noisy(base=Sympy(), seed=seed, tied_to=tied_to), batch) for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("tied_to", TIES)
def test_what_passes_at_low_rates_passes_at_higher_ones(tied_to: str) -> None:
    batch = spread(100)
    low, high = (
        outcomes(noisy(base=Sympy(), tpr=t, fpr=f, tied_to=tied_to), batch) for t, f in ((0.6, 0.1), (0.8, 0.4))
    )
    assert {pair for pair in zip(low, high, strict=True) if pair[0] is C} == {(C, C)}


def test_what_a_base_asks_and_pays_stays_in_its_verdict() -> None:
    class Paid:
        name = fingerprint = "paid"

        def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
            return [Verdict(outcome=C, score=0.75, tokens=9, cost_usd=0.5, seconds=2.0) for _ in attempts]

    (verdict,) = checked(noisy(base=Paid(), tpr=0.0), [attempt("x = 7")])
    assert (verdict.outcome, verdict.score, verdict.reason) == (W, 0.25, "noisy")
    assert (verdict.tokens, verdict.cost_usd, verdict.seconds) == (9, 0.5, 2.0)


def test_every_option_and_the_base_are_part_of_the_fingerprint() -> None:
    variants: list[dict[str, Any]] = [{}, {"tpr": 0.8}, {"fpr": 0.2}, {"seed": 1}, {"tied_to": "problem"}]
    prints = {noisy(base=Sympy(), **options).fingerprint for options in variants}
    prints |= {
        noisy(base=Exact()).fingerprint,
        Inverted(base=Sympy()).fingerprint,
        Inverted(base=Exact()).fingerprint,
    }
    assert len(prints) == len(variants) + 3
    assert noisy(base=random(seed=1)).fingerprint != noisy(base=random(seed=2)).fingerprint


@pytest.mark.parametrize(
    "options",
    [
        {"tpr": 1.2},
        {"fpr": "x"},
        {"fpr": float("nan")},
        {"seed": "a"},
        {"tied_to": "checkpoint"},
        {"tied_to": ["sample"]},
    ],
)
def test_an_option_out_of_range_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(UnknownVerifier, match=next(iter(options))):
        noisy(base=Sympy(), **options)


@given(mutated_texts())
def test_any_text_has_a_verdict(text: str) -> None:
    for tied_to in TIES:
        assert len(checked(noisy(base=AcceptAll(), tied_to=tied_to), [attempt(text)])) == 1
