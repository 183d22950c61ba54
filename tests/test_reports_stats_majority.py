"""maj@k: counted by enumeration on few samples, by other sums on 64, and as a run of 64 test samples shows it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.harness.store.store import Store
from restem.reports.analysis.agreement_between_verifiers import choosing
from restem.reports.analysis.findings import TEST, find
from restem.reports.data.read import read_run
from restem.reports.stats.majority import majority_at
from restem.reports.tables import arms, rewards
from tests.test_reports_pages_report import Size, build_run

KS = (1, 2, 4, 8, 16, 32, 64)


def by_enumeration(answers: list[str], k: int) -> float:
    """maj@k over all subsets; `c` is the correct answer, "" none."""
    won = []
    for subset in itertools.combinations(answers, k):
        votes = {answer: subset.count(answer) for answer in subset if answer}
        best = [answer for answer in votes if votes[answer] == max(votes.values())]
        won.append(best.count("c") / len(best) if best else 0.0)
    return float(np.mean(won))


def by_votes(correct: int, wrong: Sequence[int], k: int) -> float:
    """maj@k in exact fractions, over the ways in which k votes fall on the answers."""
    won = Fraction(0)
    counts = (correct, *wrong)
    for votes in itertools.product(*(range(count + 1) for count in counts[:-1])):
        last = k - sum(votes)
        if not 0 <= last <= counts[-1]:
            continue
        cast = (*votes, last) if wrong else votes
        if cast[0] == max(cast):
            ways = math.prod(math.comb(count, cast_votes) for count, cast_votes in zip(counts, cast, strict=True))
            won += Fraction(ways, cast.count(cast[0]))
    return float(won / math.comb(sum(counts), k))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["c", "x", "y", "z", ""]), min_size=1, max_size=8), st.integers(1, 8))
def test_majority_at_k_counts_all_subsets(answers: list[str], k: int) -> None:
    wrong = tuple(answers.count(answer) for answer in "xyz" if answers.count(answer))
    (value,) = majority_at(answers.count("c"), wrong, answers.count(""), (k,))
    if k <= len(answers):
        assert value == pytest.approx(by_enumeration(answers, k), abs=1e-12)
    else:
        assert math.isnan(value)


@given(st.integers(0, 9), st.lists(st.integers(1, 5), max_size=6), st.integers(0, 3))
def test_each_k_has_the_value_that_it_has_alone(correct: int, wrong: list[int], silent: int) -> None:
    ks = tuple(range(1, 20))
    together = majority_at(correct, tuple(wrong), silent, ks)
    alone = [majority_at(correct, tuple(wrong), silent, (k,))[0] for k in ks]
    assert together == pytest.approx(alone, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("wrong", [(44,), (32,), (30, 14), (20, 20, 4), (1, 1, 1)])
def test_of_64_samples_every_k_is_exact(wrong: tuple[int, ...]) -> None:
    correct = 64 - sum(wrong)
    expected = [by_votes(correct, wrong, k) for k in KS]
    assert majority_at(correct, wrong, 0, KS) == pytest.approx(expected, abs=1e-12)


def test_64_rare_wrong_answers_never_outvote_two_right_ones() -> None:
    assert majority_at(2, (1,) * 62, 0, (64,)) == (1.0,)


def test_a_run_of_64_test_samples_has_pass_and_majority_at_powers_of_two(tmp_path: Path) -> None:
    build_run(tmp_path, Size(problems=6, test_samples=64, iterations=1, arms=("sympy", "judge")))
    with Store(tmp_path) as store:
        findings = find(read_run(store))
        samples = store.samples("base", TEST)
        gold = store.verdicts("base", TEST, store.run()["verifiers"]["sympy"])
    answers: dict[str, Counter[str]] = {}
    for sample in samples:
        verdict = gold[sample.id]
        answers.setdefault(sample.problem, Counter())["c" if verdict.reward else str(verdict.answer)] += 1
    table = arms.curves(findings)
    assert [c.key for c in table.columns if c.key.startswith("pass@")] == [f"pass@{k}" for k in KS]
    assert [c.key for c in rewards.choosing(findings).columns][-len(KS) :] == [f"k={k}" for k in KS]
    voted = next(c for c in choosing(findings) if c.standing is findings.base and c.by == "majority")
    for k in KS:
        right = [1 - Fraction(math.comb(64 - votes["c"], k), math.comb(64, k)) for votes in answers.values()]
        passed = float(sum(right) / len(right))
        assert float(table.rows[0][f"pass@{k}"].text) == pytest.approx(100 * passed, abs=0.051)
        majority = [
            by_votes(votes["c"], [n for answer, n in votes.items() if answer != "c"], k) for votes in answers.values()
        ]
        assert voted.accuracy[k].value == pytest.approx(np.mean(majority), abs=1e-12)
