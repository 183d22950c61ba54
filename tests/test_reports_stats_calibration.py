"""Scores against outcomes: laws of Brier score, AUROC and reliability, and second opinions by brute force."""

import itertools
import math

import numpy as np
import pytest

from restem.reports.stats.calibration import BINS, auroc, brier, reliability

SIZE, SAMPLES = 60, 8
PROBLEM = np.repeat(np.arange(SIZE), SAMPLES)


def drawn(random: np.random.Generator, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are the chances of the outcomes; those of one problem lie together."""
    logit = random.normal(0, spread, (SIZE, 1)) + random.normal(size=(SIZE, SAMPLES))
    score = 1 / (1 + np.exp(-logit)).ravel()
    return score, (random.random(len(score)) < score).astype(float)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    score, gold = drawn(np.random.default_rng(0))
    score = np.round(score, 1)  # ties
    pairs = itertools.product(score[gold == 1], score[gold == 0])
    order = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    assert auroc(score, gold, PROBLEM, SIZE).value == pytest.approx(order)


def test_auroc_does_not_change_where_scores_change_in_order_and_turns_where_they_turn() -> None:
    score, gold = drawn(np.random.default_rng(1))
    plain, turned = auroc(score, gold, PROBLEM, SIZE), auroc(1 - score, gold, PROBLEM, SIZE)
    assert auroc(score**3, gold, PROBLEM, SIZE) == plain
    assert (turned.value, turned.low, turned.high) == pytest.approx((1 - plain.value, 1 - plain.high, 1 - plain.low))


def test_without_both_outcomes_there_is_no_auroc() -> None:
    assert math.isnan(auroc(np.array([0.1, 0.9]), np.ones(2), np.arange(2), 2).value)


def test_of_all_constants_the_share_of_correct_has_the_lowest_brier_score() -> None:
    _, gold = drawn(np.random.default_rng(2))
    share = gold.mean()
    assert brier(np.full(len(gold), share), gold, PROBLEM, SIZE).value == pytest.approx(share * (1 - share))
    for other in (share - 0.1, share + 0.1):
        assert brier(np.full(len(gold), other), gold, PROBLEM, SIZE).value > share * (1 - share)


def test_every_sample_is_in_one_bin_whose_ends_hold_its_mean_score() -> None:
    score, gold = drawn(np.random.default_rng(3))
    bins = reliability(np.append(score, 1.0), np.append(gold, 1.0), np.append(PROBLEM, 0), SIZE)
    assert len(bins) == BINS
    assert sum(each.correct.n for each in bins) == len(score) + 1
    assert all(each.low <= each.score <= each.high for each in bins if each.correct.n)


def test_scores_that_are_chances_lie_on_the_line() -> None:
    """Of ten intervals at 95 %, one or none leaves out its mean score in 91 of 100 draws; two at most here."""
    score, gold = drawn(np.random.default_rng(4))
    missed = [
        not each.correct.low <= each.score <= each.correct.high for each in reliability(score, gold, PROBLEM, SIZE)
    ]
    assert sum(missed) <= 2


def test_the_interval_of_auroc_holds_the_truth_at_its_rate() -> None:
    """300 rounds: a rate of 95 % falls outside 91.5 to 98.5 once in 200 times."""
    random = np.random.default_rng(5)
    many = [np.concatenate(column) for column in zip(*(drawn(random) for _ in range(400)), strict=True)]
    truth = auroc(*many, np.zeros(len(many[0]), np.int64), 1).value
    found = [auroc(*drawn(random), PROBLEM, SIZE) for _ in range(300)]
    assert 0.915 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.985
