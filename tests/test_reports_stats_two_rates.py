"""Youden's J and LR+: intervals of what two rates make together, where they share problems."""

import math

import numpy as np
import pytest

from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Estimate
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT, rates
from restem.reports.stats.two_rates import youden

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
    tpr, fpr = estimates.proportion(accepted[0], correct), estimates.proportion(accepted[1], wrong)
    return youden((accepted[0], correct, tpr), (accepted[1], wrong, fpr))


@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_the_interval_holds_the_truth_at_its_rate(shared: float) -> None:
    """300 rounds: a rate of 95 % falls outside 91.5 to 98.5 once in 200 times."""
    random = np.random.default_rng(7)
    tpr, fpr = rates(table(random, 200_000, shared).sum(axis=0))
    intervals = [youden_of(table(random, 100, shared)) for _ in range(300)]
    assert 0.915 <= np.mean([i.low <= tpr - fpr <= i.high for i in intervals]) <= 0.985


def test_the_ratio_of_independent_samples_has_simels_error() -> None:
    """Simel, Samsa and Matchar 1991, J Clin Epidemiol 44:763: its log has variance (1 - t) / t n1 + (1 - f) / f n0."""
    table = np.repeat(np.eye(4, dtype=np.int64), (1800, 900, 200, 2100), axis=0)
    ratio = reward_quality.reward_quality(table).likelihood_ratio
    error = math.sqrt(0.1 / (0.9 * 2000) + 0.7 / (0.3 * 3000))
    assert ratio.value == pytest.approx(3.0)
    assert math.log(ratio.high / ratio.low) / 2 / 1.96 == pytest.approx(error, rel=0.01)


def test_rates_that_move_together_leave_their_ratio_and_difference_less_in_doubt() -> None:
    """A verifier that accepts all samples of some problems and none of others errs by problem, not by correctness."""
    generous = np.repeat([[4, 4, 0, 0], [0, 0, 4, 4], [3, 2, 1, 2]], (20, 20, 60), axis=0)
    opposed = np.repeat([[4, 0, 0, 4], [0, 4, 4, 0], [3, 2, 1, 2]], (20, 20, 60), axis=0)
    together, apart = (reward_quality.reward_quality(table) for table in (generous, opposed))
    assert together.tpr == apart.tpr
    assert together.youden.value == pytest.approx(apart.youden.value)
    for name in ("youden", "likelihood_ratio"):
        inner, outer = getattr(together, name), getattr(apart, name)
        assert outer.low < inner.low < inner.high < outer.high
