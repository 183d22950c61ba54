"""Estimators against second opinions: counting all subsets, scipy, published and hand-computed numbers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Counts

NAN = math.nan


def counts(values: np.ndarray) -> Counts:
    """Counts of a problems x samples table of outcomes."""
    problem = np.repeat(np.arange(len(values)), values.shape[1])
    return estimates.per_problem(values.ravel().astype(float), problem, len(values))


def noisy(problems: int, samples: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.random((problems, samples)) < random.beta(2, 3, (problems, 1))).astype(float)


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
def test_pass_at_k_counts_all_subsets(correct: list[bool], k: int) -> None:
    value = estimates.pass_at_k(np.array([sum(correct)]), np.array([len(correct)]), k)[0]
    subsets = list(itertools.combinations(correct, k))
    if subsets:
        assert value == pytest.approx(np.mean([any(subset) for subset in subsets]), abs=1e-12)
    else:
        assert math.isnan(value)


def test_at_the_limits_of_a_share_the_score_test_of_the_effective_samples_is_at_its_quantile() -> None:
    """Of 480 samples as many count as give the problem means' variance; the t has two degrees more than problems."""
    random = np.random.default_rng(1)
    values = (random.random((60, 8)) < random.beta(0.4, 0.6, (60, 1))).astype(float)
    estimate, share = estimates.proportion(*counts(values)), values.mean()
    assert (estimate.value, estimate.n, estimate.clusters) == (pytest.approx(share), 480, 60)
    effective = share * (1 - share) / stats.sem(values.mean(axis=1)) ** 2
    for limit in (estimate.low, estimate.high):
        score = abs(share - limit) / math.sqrt(limit * (1 - limit) / effective)
        assert score == pytest.approx(stats.t.ppf(0.975, 61))


def test_paired_is_the_paired_t_test_of_problem_means() -> None:
    left, right = noisy(60, 8, 1), noisy(60, 8, 2)
    difference = estimates.paired(counts(left), counts(right))
    test = stats.ttest_rel(left.mean(axis=1), right.mean(axis=1))
    expected = test.confidence_interval()
    assert difference is not None
    assert difference.p_value == pytest.approx(test.pvalue)
    assert (difference.low, difference.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    spread = (left - right).mean(axis=1).std(ddof=1)
    assert difference.error == pytest.approx(spread / math.sqrt(60))
    assert difference.detectable == pytest.approx((stats.t.ppf(0.975, 59) + stats.t.ppf(0.8, 59)) * difference.error)


def test_a_difference_is_the_difference_of_the_two_shares_even_with_undecided_samples() -> None:
    left, right = noisy(40, 6, 1), noisy(40, 6, 2)
    left[np.random.default_rng(0).random(left.shape) < 0.3] = NAN
    difference = estimates.paired(counts(left), counts(right))
    assert difference is not None
    shares = [estimates.proportion(*counts(side)).value for side in (left, right)]
    assert difference.value == pytest.approx(shares[0] - shares[1])


def test_equal_sides_differ_by_nothing_but_not_for_certain() -> None:
    values = counts(noisy(30, 4))
    difference = estimates.paired(values, values)
    assert difference is not None
    assert (difference.value, difference.low, difference.high, difference.p_value) == (0.0, -0.1, 0.1, 1.0)


def test_sides_without_a_common_problem_are_not_compared() -> None:
    left, right = np.array([[1.0], [NAN]]), np.array([[NAN], [1.0]])
    assert estimates.paired(counts(left), counts(right)) is None


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_published_intervals(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, Table I, method 3."""
    assert estimates.wilson(successes / n, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize("successes", [0, 1, 4, 39, 40])
def test_one_sample_a_problem_near_the_edge_has_scipys_wilson_interval(successes: int) -> None:
    correct = (np.arange(40) < successes).astype(int)
    estimate = estimates.proportion(correct, np.ones(40, int))
    expected = stats.binomtest(successes, 40).proportion_ci(method="wilson")
    assert (estimate.low, estimate.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_many_samples_of_few_problems_are_not_as_many_pieces_of_evidence() -> None:
    often = estimates.proportion(*counts(np.ones((10, 5000))))
    most = 10 / estimates.CORRELATION
    assert often.low < estimates.wilson(1.0, most)[0]
    assert often.high == 1.0


def test_errors_on_one_problem_are_fewer_cases_than_as_many_on_several() -> None:
    bunched, spread = np.zeros((100, 8)), np.zeros((100, 8))
    bunched[0, :5] = 1
    spread[:5, 0] = 1
    one, five = estimates.proportion(*counts(bunched)), estimates.proportion(*counts(spread))
    assert one.value == five.value
    assert one.low < five.low
    assert one.high > five.high


@given(st.integers(30, 300), st.integers(1, 8))
def test_one_error_leaves_room_for_more_errors_than_none(problems: int, samples: int) -> None:
    errors = np.zeros((problems, samples))
    none = estimates.proportion(*counts(errors))
    errors[0, 0] = 1
    assert estimates.proportion(*counts(errors)).high > none.high


def test_undecided_samples_are_in_neither_numerator_nor_denominator() -> None:
    values = np.array([[1, 0, NAN, NAN], [1, 1, NAN, 0], [NAN, NAN, NAN, NAN]])
    estimate = estimates.proportion(*counts(values))
    assert (estimate.value, estimate.n, estimate.clusters) == (0.6, 5, 2)
    assert estimates.undecided_bounds(3, 5, 12) == (0.25, pytest.approx(10 / 12))


def test_nothing_decided_is_nothing_estimated() -> None:
    empty = counts(np.full((3, 2), NAN))
    assert math.isnan(estimates.proportion(*empty).value)
    assert math.isnan(estimates.mean(estimates.pass_at_k(*empty, 1)).value)


def test_the_bootstrap_interval_of_a_mean_is_scipys() -> None:
    values = noisy(80, 8).mean(axis=1)
    mean = estimates.mean(values)
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert (mean.low, mean.high) == (pytest.approx(expected.low, abs=0.006), pytest.approx(expected.high, abs=0.006))


def test_resamples_are_the_same_every_time() -> None:
    first = estimates.bootstrap_weights(17).copy()
    estimates.bootstrap_weights.cache_clear()
    assert np.array_equal(first, estimates.bootstrap_weights(17))
    assert (first.sum(axis=1) == 17).all()


@given(st.integers(1, 60), st.sampled_from([1, 3, 1000, 2**23, 2**40]), st.booleans())
def test_a_resample_sums_what_it_draws(clusters: int, largest: int, whole: bool) -> None:
    values = np.random.default_rng(clusters).integers(-largest, largest, (clusters, 2)) / (1 if whole else 7)
    sums = estimates.bootstrap_weights(clusters) @ values
    found = estimates.resampled(values)
    assert np.array_equal(found, sums) if whole else np.allclose(found, sums)


def test_holm_multiplies_the_smallest_most_and_never_turns_the_order() -> None:
    assert estimates.holm([0.01, 0.04, 0.03]) == [pytest.approx(0.03), pytest.approx(0.06), pytest.approx(0.06)]
    assert estimates.holm([]) == []


# Tables below: both correct, only the left, only the right, neither.


def test_agreement_of_the_kappa_paradox() -> None:
    """118 + 2 of 125 rated alike at high prevalence: kappa -0.0234 and AC1 0.9408 by hand from the formulas."""
    table = np.array([118, 5, 2, 0])
    assert reward_quality.cohen_kappa(table) == pytest.approx(-0.0234, abs=5e-5)
    assert reward_quality.gwet_ac1(table) == pytest.approx(0.9408, abs=5e-5)


def test_kappa_of_the_textbook_table() -> None:
    """20, 5, 10, 15: agreement 0.7, chance 0.5, kappa 0.4."""
    assert reward_quality.cohen_kappa(np.array([20, 5, 10, 15])) == pytest.approx(0.4)


@pytest.mark.parametrize(("prevalence", "kappa", "ac1"), [(0.5, 0.8836, 0.8836), (0.995, 0.1312, 0.9376)])
def test_kappa_collapses_with_prevalence_and_ac1_does_not(prevalence: float, kappa: float, ac1: float) -> None:
    """Two verifiers that are each right 97 % of the time, independently; by hand."""
    right, wrong = 0.97, 0.03
    table = prevalence * np.array([right**2, right * wrong, right * wrong, wrong**2])
    table += (1 - prevalence) * np.array([wrong**2, right * wrong, right * wrong, right**2])
    assert reward_quality.cohen_kappa(table) == pytest.approx(kappa, abs=5e-5)
    assert reward_quality.gwet_ac1(table) == pytest.approx(ac1, abs=5e-5)


def test_reward_quality_of_counted_samples() -> None:
    gold = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, NAN])
    outcomes = np.array([1, 1, 1, 0, 1, 0, 0, 0, NAN, 1])
    table = reward_quality.confusion(outcomes, gold, np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 3]), 4)
    quality = reward_quality.reward_quality(table)
    assert table.sum(axis=0).tolist() == [3, 1, 1, 3]
    assert (quality.n, quality.tpr.value, quality.fpr.value, quality.precision.value) == (8, 0.75, 0.25, 0.75)
    assert quality.likelihood_ratio.value == pytest.approx(3.0)
    assert quality.prevalence.value == 0.5


def test_a_verifier_without_false_accepts_has_an_infinite_ratio_with_a_finite_lower_limit() -> None:
    table = np.tile([3, 0, 1, 4], (30, 1))
    ratio = reward_quality.reward_quality(table).likelihood_ratio
    assert ratio.value == ratio.high == math.inf
    assert 1 < ratio.low < math.inf


def test_quality_of_a_verifier_that_never_decides_is_unknown() -> None:
    table = reward_quality.confusion(np.full(4, NAN), np.ones(4), np.arange(4), 4)
    quality = reward_quality.reward_quality(table)
    assert quality.n == 0
    assert all(math.isnan(e.value) for e in (quality.tpr, quality.fpr, quality.likelihood_ratio, quality.precision))
    assert math.isnan(reward_quality.agreement(table).ac1.value)


def test_intervals_of_rates_cover_what_they_should() -> None:
    """Clustered samples: the nominal 95 % interval of TPR holds the truth about that often."""
    random, held = np.random.default_rng(3), 0
    for _ in range(150):
        rate = random.beta(16, 4, 50)[:, None]
        accepted = (random.random((50, 6)) < rate).sum(axis=1)
        table = np.stack([accepted, np.full(50, 2), 6 - accepted, np.full(50, 4)], axis=1)
        true_rate = reward_quality.reward_quality(table).tpr
        held += true_rate.low <= 0.8 <= true_rate.high
    assert 0.88 <= held / 150 <= 0.99
