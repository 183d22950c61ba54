"""Agreement of verifiers, and second opinions on them, against other implementations and simulation."""

import dataclasses
import itertools
import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn import metrics as sklearn
from statsmodels.stats import inter_rater

from restem.reports.stats import (
    agreement,
    best_of_k,
    dawid_skene,
    error_correlation,
    estimates,
    reward_quality,
    rogan_gladen,
)
from restem.reports.stats.estimates import Counts

NAN = math.nan
verdicts = st.sampled_from([1.0, 0.0, NAN])
tables = st.integers(1, 5).flatmap(
    lambda raters: st.lists(st.lists(verdicts, min_size=raters, max_size=raters), min_size=1, max_size=12)
)


def rated(samples: int, missing: float, seed: int = 0, rates=((0.95, 0.9), (0.9, 0.8), (0.85, 0.95), (0.7, 0.9))):
    """Truth, and ratings of independent verifiers with the given sensitivity and specificity."""
    random = np.random.default_rng(seed)
    truth = random.random(samples) < 0.6
    accept = np.stack([np.where(truth, t, 1 - s) for t, s in rates])
    ratings = (random.random(accept.shape) < accept).astype(float)
    ratings[random.random(ratings.shape) < missing] = NAN
    return truth, ratings


def alone(ratings: np.ndarray) -> agreement.Reliability:
    """Reliability where every sample is a problem of its own."""
    return agreement.reliability(ratings, np.arange(ratings.shape[1]), ratings.shape[1])


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.5])
def test_alpha_is_that_of_the_krippendorff_package(missing: float) -> None:
    _, ratings = rated(300, missing)
    expected = krippendorff.alpha(ratings, level_of_measurement="nominal", value_domain=[0, 1])
    assert alone(ratings).alpha.value == pytest.approx(expected, abs=1e-9)


def test_alpha_of_krippendorffs_published_example() -> None:
    """Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, example A: two observers, ten units, .095."""
    ratings = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], float)
    assert alone(ratings).alpha.value == pytest.approx(0.095, abs=5e-4)


def test_fleiss_kappa_is_that_of_statsmodels() -> None:
    _, ratings = rated(200, 0.0)
    table, _ = inter_rater.aggregate_raters(ratings.T.astype(int))
    assert alone(ratings).fleiss.value == pytest.approx(inter_rater.fleiss_kappa(table), abs=1e-9)


def ac1_by_hand(ratings: np.ndarray) -> float:
    """Gwet 2014, chapter 5, sample by sample."""
    agreed, called = [], []
    for column in ratings.T:
        rated = column[~np.isnan(column)]
        if len(rated):
            called.append(rated.mean())
        if len(rated) > 1:
            agreed.append(np.mean([a == b for a, b in itertools.combinations(rated, 2)]))
    q = np.mean(called)
    chance = q * (1 - q) + (1 - q) * q
    return (np.mean(agreed) - chance) / (1 - chance)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_ac1_of_several_is_gwets_formula(missing: float) -> None:
    _, ratings = rated(150, missing)
    assert alone(ratings).ac1.value == pytest.approx(ac1_by_hand(ratings), abs=1e-9)


def test_of_two_verifiers_raw_and_ac1_are_those_of_the_pair() -> None:
    _, ratings = rated(200, 0.0)
    problem = np.arange(200) // 4
    pair = reward_quality.agreement(reward_quality.confusion(ratings[0], ratings[1], problem, 50))
    result = agreement.reliability(ratings[:2], problem, 50)
    assert result.raw == pair.raw
    assert dataclasses.astuple(result.ac1) == pytest.approx(dataclasses.astuple(pair.ac1))


def test_cohens_kappa_and_matthews_are_those_of_scikit_learn() -> None:
    truth, ratings = rated(500, 0.0)
    table = reward_quality.confusion(ratings[1], truth.astype(float), np.arange(500), 500)
    quality, pooled = reward_quality.reward_quality(table), table.sum(axis=0)
    assert reward_quality.cohen_kappa(pooled) == pytest.approx(sklearn.cohen_kappa_score(truth, ratings[1]))
    for mcc in (quality.mcc, reward_quality.agreement(table).mcc):
        assert mcc.value == pytest.approx(sklearn.matthews_corrcoef(truth, ratings[1]))


def test_matthews_of_a_million_samples_does_not_overflow() -> None:
    table = np.array([[400_000_000, 30_000_000, 70_000_000, 500_000_000]])
    assert reward_quality.matthews(table.sum(axis=0)) == pytest.approx(
        reward_quality.matthews(table.sum(axis=0) // 10**6)
    )


def test_a_faultless_verifier_has_an_interval_below_one() -> None:
    quality = reward_quality.reward_quality(np.tile([3, 0, 0, 2], (30, 1)))
    assert quality.mcc.value == pytest.approx(1.0)
    assert 0.7 < quality.mcc.low < 1.0
    assert math.isnan(reward_quality.reward_quality(np.tile([3, 2, 0, 0], (30, 1))).mcc.value)


@given(tables, st.randoms(use_true_random=False))
def test_reliability_knows_no_order_of_samples_verifiers_or_outcomes(rows: list[list[float]], random) -> None:
    ratings = np.array(rows).T
    first = alone(ratings)
    samples, raters = list(range(ratings.shape[1])), list(range(len(ratings)))
    random.shuffle(samples)
    random.shuffle(raters)
    other = alone(1 - ratings[raters][:, samples])
    for name in ("raw", "alpha", "ac1", "fleiss"):
        assert getattr(first, name).value == pytest.approx(getattr(other, name).value, nan_ok=True)


@given(tables)
def test_a_verifier_that_never_decides_changes_nothing(rows: list[list[float]]) -> None:
    ratings = np.array(rows).T
    more = np.vstack([ratings, np.full((1, ratings.shape[1]), NAN)])
    assert repr(alone(ratings)) == repr(alone(more))


def test_self_flips_are_pairs_of_verdicts_on_one_text_that_differ() -> None:
    outcome = np.array([1, 1, 0, NAN, 1, 0, 0, 1, 1, 1])
    text = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    rate = agreement.self_flip_rate(outcome, text, text // 2, 2)
    assert (rate.value, rate.n) == (pytest.approx((0 + 2 / 3 + 0) / 3), 3)
    assert math.isnan(agreement.self_flip_rate(np.ones(4), np.arange(4), np.arange(4), 4).value)


def test_one_problem_alone_gives_no_interval_of_resamples() -> None:
    """All resamples of one problem are alike: an interval of them would have no width."""
    table = np.array([[6, 2, 1, 3], [0, 0, 0, 0]])
    quality, pair = reward_quality.reward_quality(table), reward_quality.agreement(table)
    several = agreement.reliability(np.array([[1, 0, 1, 1], [1, 1, 0, 1.0]]), np.zeros(4, int), 2)
    rho = error_correlation.error_correlation(np.array([2, 0]), np.array([5, 0]))
    corrected = rogan_gladen.rogan_gladen(Counts(np.array([8]), np.array([12])), table[:1])
    of_one = (quality.mcc, quality.ac1, pair.ac1, pair.kappa)
    for item in (*of_one, several.alpha, several.ac1, rho, corrected):
        assert item.clusters == 1
        assert math.isfinite(item.value) or item is rho
        assert math.isnan(item.low), item
        assert math.isnan(item.high), item


def test_correct_samples_of_one_problem_and_wrong_ones_of_another_resample_alike_too() -> None:
    quality = reward_quality.reward_quality(np.array([[6, 0, 2, 0], [0, 3, 0, 5]]))
    assert quality.mcc.clusters == 1
    assert math.isnan(quality.mcc.low)
    assert quality.ac1.clusters == 2


@given(st.integers(2, 200), st.integers(0, 4))
def test_agreement_without_a_flaw_is_no_certainty(problems: int, accepted: int) -> None:
    """The lower limit falls with fewer problems, as that of the raw agreement does."""
    table = np.tile([accepted, 0, 0, 4 - accepted], (problems, 1))
    pair = reward_quality.agreement(table)
    fewer = reward_quality.agreement(table[: problems // 2])
    assert pair.ac1.value == pair.ac1.high == 1
    assert fewer.ac1.low < pair.ac1.low < 1
    assert pair.ac1.low > 0 or problems < 10


# Best-of-k.


def best_by_counting(score: list[float], gold: list[float], k: int) -> float:
    known = [(-1.0 if math.isnan(s) else s, g) for s, g in zip(score, gold, strict=True) if not math.isnan(g)]
    won = []
    for subset in itertools.combinations(known, k):
        best = [g for s, g in subset if s == max(s for s, _ in subset)]
        won.append(np.mean(best))
    return float(np.mean(won)) if won else NAN


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, NAN]), verdicts), min_size=1, max_size=8), st.integers(1, 8))
def test_best_of_k_counts_all_subsets(samples: list[tuple[float, float]], k: int) -> None:
    score, gold = (list(side) for side in zip(*samples, strict=True))
    value = best_of_k.best_of_k(np.array(score), np.array(gold), np.full(len(gold), 1), 3, k)
    assert np.isnan(value[[0, 2]]).all()
    assert value[1] == pytest.approx(best_by_counting(score, gold, k), abs=1e-12, nan_ok=True)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_gold_picks_as_the_oracle_and_ignorance_as_one_try(k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    gold = random.choice([0.0, 1.0, NAN], 40, p=[0.5, 0.4, 0.1])
    problem = random.integers(0, 6, 40)
    counts = estimates.per_problem(gold, problem, 6)
    oracle, enough = estimates.pass_at_k(*counts, k), counts.decided >= k
    single = np.where(enough, estimates.pass_at_k(*counts, 1), NAN)
    assert best_of_k.best_of_k(gold, gold, problem, 6, k) == pytest.approx(oracle, nan_ok=True)
    assert best_of_k.best_of_k(np.full(40, NAN), gold, problem, 6, k) == pytest.approx(single, nan_ok=True)
    assert best_of_k.best_of_k(np.zeros(40), gold, problem, 6, k) == pytest.approx(single, nan_ok=True)


def test_best_of_many_samples_stays_finite() -> None:
    random = np.random.default_rng(0)
    curve = best_of_k.best_of_k(random.random(3000), (random.random(3000) < 0.5) * 1.0, np.zeros(3000, int), 1, 1024)
    assert 0 <= curve[0] <= 1
    assert best_of_k.best_of_k(np.zeros(0), np.zeros(0), np.zeros(0, int), 0, 2).size == 0


# Dawid-Skene.


def test_independent_errors_are_found_again() -> None:
    _, ratings = rated(40_000, 0.1, 1)
    model = dawid_skene.fit(ratings)
    assert model is not None
    assert model.converged
    np.testing.assert_allclose(model.sensitivity, [0.95, 0.9, 0.85, 0.7], atol=0.01)
    np.testing.assert_allclose(model.specificity, [0.9, 0.8, 0.95, 0.9], atol=0.015)
    assert model.prevalence == pytest.approx(0.6, abs=0.01)
    assert np.nanmax(np.abs(model.residual)) < 0.02


def test_the_fit_is_where_a_general_optimiser_finds_the_likelihoods_top() -> None:
    _, ratings = rated(800, 0.1, 2)
    model = dawid_skene.fit(ratings)
    assert model is not None

    def loss(logits: np.ndarray) -> float:
        prior, hit, correct = (1 / (1 + np.exp(-part)) for part in np.split(logits, [1, 5]))
        given = [np.where(np.isnan(ratings), 1, np.where(ratings == 1, a[:, None], 1 - a[:, None])).prod(axis=0)
                 for a in (hit, 1 - correct)]  # fmt: skip
        return -float(np.log(prior * given[0] + (1 - prior) * given[1]).sum())

    top = optimize.minimize(loss, np.r_[0.0, np.ones(8)], method="BFGS", options={"gtol": 1e-4})
    expected = 1 / (1 + np.exp(-top.x))
    ours = np.r_[model.prevalence, model.sensitivity, model.specificity]
    np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_shared_errors_blame_the_verifiers_that_are_right_and_show_as_residuals() -> None:
    """Three of five refuse the same 6 % of the correct answers: its form is strange to them."""
    random = np.random.default_rng(4)
    rates = ((0.97, 0.97), (0.97, 0.96), (0.98, 0.97), (0.96, 0.9), (0.96, 0.85))
    truth, ratings = rated(40_000, 0.0, 4, rates)
    ratings[:3, truth & (random.random(len(truth)) < 0.06)] = 0.0
    model = dawid_skene.fit(ratings)
    assert model is not None
    assert (model.specificity[3:] < [0.88, 0.83]).all()
    assert model.prevalence < 0.58
    residual = model.residual
    assert residual[3, 4] > 0.1
    assert np.nanargmax(residual) == 3 * 5 + 4


def test_three_verifiers_leave_no_residual() -> None:
    model = dawid_skene.fit(rated(5000, 0.0, 6)[1][:3])
    assert model is not None
    assert np.nanmax(np.abs(model.residual)) < 1e-4


@settings(deadline=None, max_examples=40)
@given(tables)
def test_dawid_skene_of_any_table_ends_without_a_warning(rows: list[list[float]]) -> None:
    ratings = np.array(rows).T
    model = dawid_skene.fit(ratings)
    assert (model is None) == (len(ratings) < 3 or bool(np.isnan(ratings).all()))
    if model:
        assert model.n == (~np.isnan(ratings)).any(axis=0).sum()
        assert 0 <= model.prevalence <= 1
        order = np.arange(len(ratings))[::-1]
        other = dawid_skene.fit(ratings[order][:, ::-1])
        assert other is not None
        np.testing.assert_allclose(model.sensitivity, other.sensitivity[order], atol=1e-6)


# Rogan-Gladen, and errors that come in clusters.


def test_the_corrected_reward_of_the_same_samples_is_the_golds_accuracy() -> None:
    truth, ratings = rated(600, 0.0)
    problem = np.arange(600) // 6
    table = reward_quality.confusion(ratings[1], truth.astype(float), problem, 100)
    reward = estimates.per_problem(ratings[1], problem, 100)
    corrected = rogan_gladen.rogan_gladen(reward, table)
    correct, decided = estimates.per_problem(truth.astype(float), problem, 100)
    gold = estimates.percentiles(estimates.ratio(estimates.resampled(correct), estimates.resampled(decided)))
    assert corrected.value == pytest.approx(truth.mean())
    left = rogan_gladen.excess(reward, table, estimates.per_problem(truth.astype(float), problem, 100))
    assert dataclasses.astuple(left)[:3] == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert (corrected.low, corrected.high) == pytest.approx(gold)


def test_the_correction_of_known_rates_has_rogan_and_gladens_error() -> None:
    """sd = sqrt(m (1 - m) / n) / J where TPR and FPR are as good as known."""
    random = np.random.default_rng(2)
    accepted = random.random(2000) < 0.42 * 0.9 + 0.58 * 0.2
    table = np.tile([900, 200, 100, 800], (2000, 1))
    corrected = rogan_gladen.rogan_gladen(Counts(accepted.astype(np.int64), np.ones(2000, np.int64)), table)
    m = accepted.mean()
    assert corrected.value == pytest.approx((m - 0.2) / 0.7)
    assert (corrected.high - corrected.low) / 2 / 1.96 == pytest.approx(math.sqrt(m * (1 - m) / 2000) / 0.7, rel=0.05)


def test_doubt_about_the_rates_widens_the_interval_until_nothing_is_known() -> None:
    random = np.random.default_rng(0)
    reward = Counts(random.binomial(4, 0.6, 60), np.full(60, 4))
    tables = [np.stack([random.multinomial(4, p) for _ in range(60)]) for p in ([0.45, 0.1, 0.05, 0.4],
                                                                               [0.26, 0.24, 0.24, 0.26])]  # fmt: skip
    sure, unsure = (rogan_gladen.rogan_gladen(reward, table) for table in tables)
    assert 0.0 < sure.low < sure.high < 1.0
    assert math.isnan(unsure.value) or (unsure.low, unsure.high) == (0.0, 1.0)
    assert math.isnan(rogan_gladen.rogan_gladen(reward, tables[0][:, [2, 3, 0, 1]]).value)
    assert math.isnan(rogan_gladen.rogan_gladen(Counts(*np.zeros((2, 60), np.int64)), tables[0]).value)


def test_error_correlation_is_the_one_way_analysis_of_variance() -> None:
    random = np.random.default_rng(1)
    groups = [(random.random(random.integers(1, 9)) < random.beta(1, 3)).astype(float) for _ in range(40)]
    trials = np.array([len(group) for group in groups])
    errors = np.array([int(group.sum()) for group in groups])
    n, k = trials.sum(), len(groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (n - k)
    between = stats.f_oneway(*[g for g in groups]).statistic * within
    usual = (n - (trials**2).sum() / n) / (k - 1)
    expected = (between - within) / (between + (usual - 1) * within)
    assert error_correlation.error_correlation(errors, trials).value == pytest.approx(expected)


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.5])
def test_error_correlation_finds_the_beta_binomials_rho(rho: float) -> None:
    random, share = np.random.default_rng(7), 0.2
    total = 1 / rho - 1 if rho else 1e9
    errors = random.binomial(8, random.beta(share * total, (1 - share) * total, 3000))
    correlation = error_correlation.error_correlation(errors, np.full(3000, 8))
    assert correlation.value == pytest.approx(rho, abs=0.03)
    assert correlation.low <= rho <= correlation.high
    if rho:
        fitted = optimize.minimize(
            lambda x: -stats.betabinom.logpmf(errors, 8, *np.exp(x)).sum(), [0.0, 1.0], method="Nelder-Mead"
        )
        assert correlation.value == pytest.approx(1 / (1 + np.exp(fitted.x).sum()), abs=0.03)


def test_errors_of_nothing_or_of_everything_have_no_correlation() -> None:
    for errors, trials in (([0, 0], [0, 0]), ([0, 0], [3, 3]), ([3, 3], [3, 3]), ([1, 0], [1, 1]), ([2], [4])):
        assert math.isnan(error_correlation.error_correlation(np.array(errors), np.array(trials)).value)
    assert error_correlation.error_correlation(np.array([4, 0, 4]), np.full(3, 4)).value == 1.0
