"""Youden's J: the difference of the two rates, with an interval that knows that they share problems."""

import math

import numpy as np
import pytest

from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Estimate
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT, rates
from restem.reports.stats.youden import youden

SAMPLES = 8


def table(random: np.random.Generator, problems: int, shared: float) -> np.ndarray:
    """A confusion table whose verifier is generous on the same problems to correct and wrong answers alike."""
    gold = random.random((problems, SAMPLES)) < random.beta(2, 3, (problems, 1))
    generous = shared * random.normal(size=(problems, 1))
    chance = 1 / (1 + np.exp(-(np.where(gold, 1.7, -1.4) + generous)))
    accepted = random.random(gold.shape) < chance
    problem = np.repeat(np.arange(problems), SAMPLES)
    return reward_quality.confusion(accepted.ravel().astype(float), gold.ravel().astype(float), problem, problems)


def test_j_is_tpr_less_fpr_and_lies_within_its_interval() -> None:
    quality = reward_quality.reward_quality(table(np.random.default_rng(0), 100, 1.0))
    assert quality.youden.value == pytest.approx(quality.tpr.value - quality.fpr.value)
    assert -1 <= quality.youden.low < quality.youden.value < quality.youden.high <= 1
    assert quality.youden.n == quality.n


def test_exact_verdicts_have_j_1_and_a_doubt_about_it() -> None:
    exact = np.tile([4, 0, 0, 4], (30, 1))
    youden = reward_quality.reward_quality(exact).youden
    assert (youden.value, youden.high) == (1.0, 1.0)
    assert 0.7 < youden.low < 1


def test_verdicts_that_accept_all_have_j_0() -> None:
    assert reward_quality.reward_quality(np.tile([4, 4, 0, 0], (30, 1))).youden.value == 0


def test_without_a_wrong_sample_there_is_no_j() -> None:
    assert math.isnan(reward_quality.reward_quality(np.tile([4, 0, 1, 0], (30, 1))).youden.value)


def test_rates_that_rise_together_leave_less_doubt_about_their_difference() -> None:
    quality = reward_quality.reward_quality(table(np.random.default_rng(1), 400, 2.0))
    apart = estimates.apart(quality.tpr, quality.fpr)
    assert quality.youden.high - quality.youden.low < apart.high - apart.low


def youden_of(table: np.ndarray) -> Estimate:
    """J by itself, as the other figures of a verifier take longer."""
    correct, wrong = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT], table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT]
    accepted = table[:, TRUE_ACCEPT], table[:, FALSE_ACCEPT]
    tpr, fpr = estimates.rate(accepted[0], correct), estimates.rate(accepted[1], wrong)
    return youden((accepted[0], correct, tpr), (accepted[1], wrong, fpr))


@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_the_interval_holds_the_truth_at_its_rate(shared: float) -> None:
    """300 rounds: a rate of 95 % falls outside 91.5 to 98.5 once in 200 times."""
    random = np.random.default_rng(7)
    tpr, fpr = rates(table(random, 200_000, shared).sum(axis=0))
    intervals = [youden_of(table(random, 100, shared)) for _ in range(300)]
    assert 0.915 <= np.mean([i.low <= tpr - fpr <= i.high for i in intervals]) <= 0.985
