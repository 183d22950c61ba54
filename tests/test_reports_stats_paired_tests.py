"""Paired tests against statsmodels, scipy and counting all swaps; equivalence, sizes, seeds as replicates."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables, multitest, power, weightstats

from restem.reports.stats import estimates, paired_tests, seeds
from restem.reports.stats.estimates import Counts

NAN = math.nan
flips = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9)


def counts(values: np.ndarray) -> Counts:
    """Counts of a problems x samples table of outcomes."""
    problem = np.repeat(np.arange(len(values)), values.shape[1])
    return estimates.per_problem(values.ravel().astype(float), problem, len(values))


def noisy(problems: int, samples: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.random((problems, samples)) < random.beta(2, 3, (problems, 1))).astype(float)


@pytest.mark.parametrize(("gained", "lost"), [(9, 1), (0, 4), (6, 6), (40, 71), (1, 0), (300, 260)])
def test_one_flip_a_problem_is_mcnemars_exact_test(gained: int, lost: int) -> None:
    problem = np.arange(gained + lost + 5)
    p_value = paired_tests.mcnemar((problem < gained) * 1, ((problem >= gained) & (problem < gained + lost)) * 1)
    expected = contingency_tables.mcnemar([[3, gained], [lost, 2]], exact=True)
    assert (p_value.gained, p_value.lost, p_value.problems) == (gained, lost, gained + lost)
    assert p_value.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    assert p_value.p_value == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, abs=1e-9)


@given(flips)
def test_several_flips_a_problem_count_every_swap_of_its_sides(pairs: list[tuple[int, int]]) -> None:
    gained, lost = np.array(pairs).T
    balance = gained - lost
    sums = [abs(sum(choice)) for choice in itertools.product(*((d, -d) for d in balance))]
    expected = np.mean(np.array(sums) >= abs(balance.sum()))
    assert paired_tests.mcnemar(gained, lost).p_value == pytest.approx(expected, abs=1e-9)


@given(flips, st.randoms(use_true_random=False))
def test_flips_know_neither_sides_nor_order(pairs: list[tuple[int, int]], random) -> None:
    shuffled = random.sample(pairs, len(pairs))
    here, there = paired_tests.mcnemar(*np.array(pairs).T), paired_tests.mcnemar(*np.array(shuffled).T[::-1])
    assert (here.gained, here.lost) == (there.lost, there.gained)
    assert here.p_value == pytest.approx(there.p_value, abs=1e-9)


def test_the_normal_curve_takes_over_where_it_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    gained, lost = np.random.default_rng(3).integers(0, 9, (2, 2000))
    exact = paired_tests.mcnemar(gained, lost)
    monkeypatch.setattr(paired_tests, "MOST_COUNTED", 0)
    assert paired_tests.mcnemar(gained, lost).p_value == pytest.approx(exact.p_value, abs=1e-4)


def test_with_one_sample_a_problem_problem_flips_are_mcnemars() -> None:
    left, right = noisy(80, 1, 1), noisy(80, 1, 2)
    right[:3] = NAN
    table = [[int(((left[3:] == a) & (right[3:] == b)).sum()) for b in (1, 0)] for a in (1, 0)]
    flips = paired_tests.problem_flips(counts(left), counts(right))
    assert (flips.gained, flips.lost) == (table[0][1], table[1][0])
    assert flips.p_value == pytest.approx(contingency_tables.mcnemar(table).pvalue, abs=1e-9)
    assert paired_tests.single(counts(left), counts(right))
    assert not paired_tests.single(counts(left), counts(noisy(80, 2)))


def test_cochrans_q_is_that_of_statsmodels() -> None:
    values = np.random.default_rng(0).random((60, 4)) < [0.3, 0.4, 0.5, 0.6]
    result, expected = paired_tests.cochran_q(values.astype(float)), contingency_tables.cochrans_q(values)
    assert result.statistic == pytest.approx(expected.statistic)
    assert (result.freedom, result.p_value) == (expected.df, pytest.approx(expected.pvalue))


def test_cochrans_q_of_two_is_mcnemar_without_correction() -> None:
    left, right = (np.random.default_rng(5).random((2, 90)) < 0.5).astype(float)
    table = [[int(((left == a) & (right == b)).sum()) for b in (1, 0)] for a in (1, 0)]
    expected = contingency_tables.mcnemar(table, exact=False, correction=False)
    assert paired_tests.cochran_q(np.stack([left, right], axis=1)).p_value == pytest.approx(expected.pvalue)


def test_q_of_several_samples_a_problem_has_the_chance_of_shuffled_conditions() -> None:
    """With counts, against the p-value of 4000 shuffles of conditions within problems."""
    random = np.random.default_rng(8)
    values = random.binomial(6, random.beta(2, 2, (40, 1)) * [0.95, 0.85, 0.8]).astype(float)
    shuffled = [random.permuted(values, axis=1).sum(axis=0).var() for _ in range(4000)]
    expected = np.mean(np.array(shuffled) >= values.sum(axis=0).var() - 1e-9)
    assert paired_tests.cochran_q(values).p_value == pytest.approx(expected, abs=0.02)


def test_q_leaves_out_problems_with_a_missing_value() -> None:
    values = noisy(30, 3)
    missing = np.vstack([values, [[1, NAN, 0], [NAN, NAN, NAN]]])
    assert paired_tests.cochran_q(missing) == paired_tests.cochran_q(values)


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.2])
def test_equivalence_is_the_tost_of_statsmodels(margin: float) -> None:
    left, right = noisy(70, 8, 1), noisy(70, 8, 2)
    difference = estimates.paired(counts(left), counts(right))
    assert difference is not None
    result = paired_tests.equivalence(difference, margin)
    means = left.mean(axis=1), right.mean(axis=1)
    p_value, lower, upper = weightstats.ttost_paired(*means, -margin, margin)
    assert (result.not_worse, result.not_better) == (pytest.approx(lower[1]), pytest.approx(upper[1]))
    assert result.p_value == pytest.approx(p_value)


def test_no_change_in_enough_problems_is_equivalence() -> None:
    few, many = (estimates.paired(values, values) for values in (counts(noisy(30, 2)), counts(noisy(90, 2))))
    assert few is not None
    assert many is not None
    assert paired_tests.equivalence(few, 0.05).p_value == pytest.approx(0.95**30)
    assert paired_tests.equivalence(few, 0.05).p_value > 0.05 > paired_tests.equivalence(many, 0.05).p_value


def test_a_total_change_is_no_equivalence() -> None:
    change = estimates.paired(counts(np.ones((20, 2))), counts(np.zeros((20, 2))))
    assert change is not None
    assert paired_tests.equivalence(change, 0.05).not_worse == pytest.approx(0.0, abs=1e-9)
    assert paired_tests.equivalence(change, 0.05).p_value == 1.0


@pytest.mark.parametrize("problems", [8, 20, 200])
def test_the_detectable_effect_is_found_four_times_in_five(problems: int) -> None:
    change = estimates.paired(counts(noisy(problems, 4, 1)), counts(noisy(problems, 4, 2)))
    assert change is not None
    deviation = change.error * math.sqrt(problems)
    expected = power.TTestPower().solve_power(nobs=problems, alpha=0.05, power=0.8)
    assert change.detectable / deviation == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("effect", "published"), [(0.03, 1394), (0.05, 502)])
def test_problems_needed_of_a_paired_spread_of_four_tenths(effect: float, published: int) -> None:
    """The textbook rounds 1.96 + 0.84 to 2.8."""
    error = 0.4 / math.sqrt(100)
    change = estimates.Difference(
        value=0, low=0, high=0, clusters=100, error=error, freedom=99, p_value=1, detectable=0
    )
    assert paired_tests.problems_needed(change, effect) == pytest.approx(published, rel=0.003)
    assert paired_tests.problems_needed(change, 0.0) == math.inf


def test_problems_needed_is_statsmodels_sample_size() -> None:
    change = estimates.paired(counts(noisy(100, 4, 1)), counts(noisy(100, 4, 2)))
    assert change is not None
    expected = power.NormalIndPower(ddof=0).solve_power(0.02 / (change.error * 10), alpha=0.05, power=0.8, ratio=0)
    assert paired_tests.problems_needed(change, 0.02) == math.ceil(expected)


@pytest.mark.parametrize("p_values", [[0.03], [0.2, 0.01, 0.011, 0.9], [0.04, 0.04, 0.001, 0.3, 0.02]])
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert estimates.holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_nothing_to_compare_is_no_evidence() -> None:
    nothing = np.zeros(0, np.int64)
    assert paired_tests.mcnemar(nothing, nothing).p_value == 1.0
    assert paired_tests.mcnemar(np.array([2]), np.array([2])).p_value == 1.0
    assert paired_tests.cochran_q(np.full((3, 2), NAN)).p_value == 1.0
    assert paired_tests.cochran_q(np.ones((3, 1))).p_value == 1.0
    assert paired_tests.cochran_q(np.ones((3, 4))).p_value == 1.0
    assert paired_tests.single(Counts(nothing, nothing), Counts(nothing, nothing))
    alone = estimates.paired(counts(np.ones((1, 3))), counts(np.zeros((1, 3))))
    assert alone is not None
    assert paired_tests.equivalence(alone, 0.1).p_value == 1.0
    assert math.isnan(paired_tests.problems_needed(alone, 0.1))


# Seeds as replicates.


def stacked(values: np.ndarray) -> Counts:
    """Counts of a replicates x problems x samples table."""
    return Counts(np.nansum(values, axis=2).astype(np.int64), (~np.isnan(values)).sum(axis=2))


def arm(replicates: int, problems: int, spread: float, seed: int, samples: int = 4) -> np.ndarray:
    """Outcomes of an arm whose logit accuracy varies by `spread` between seeds, and by 1 between problems."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, spread, (replicates, 1, 1)) + random.normal(0, 1, (1, problems, 1))
    return (random.random((replicates, problems, samples)) < 1 / (1 + np.exp(-logit))).astype(float)


def test_crossed_replicates_are_the_two_way_analysis_of_variance_of_statsmodels() -> None:
    pandas = pytest.importorskip("pandas")
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    values = arm(4, 25, 0.4, 1).mean(axis=2)
    seed, problem = np.indices(values.shape)
    rows = pandas.DataFrame({"y": values.ravel(), "seed": seed.ravel(), "problem": problem.ravel()})
    square = anova_lm(ols("y ~ C(seed) + C(problem)", rows).fit())["sum_sq"] / [3, 24, 72]
    spread = seeds.crossed(stacked(arm(4, 25, 0.4, 1)))
    assert spread is not None
    assert spread.between == pytest.approx(max(0, (square.iloc[0] - square.iloc[2]) / 25))
    assert spread.within == pytest.approx(square.iloc[2] / 25)
    error = math.sqrt((square.iloc[0] + square.iloc[1] - square.iloc[2]) / 100)
    assert (spread.both.high - spread.both.low) / 2 / error > 1.96
    for interval, axis in ((spread.seeds, 1), (spread.problems, 0)):
        expected = stats.ttest_1samp(values.mean(axis=axis), 0).confidence_interval()
        assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_difference_over_seeds_is_welchs_test_where_problems_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems then differ by chance alone, which the seeds' means already show; without the prior."""
    monkeypatch.setattr(seeds, "FREEDOM", 0.0)
    random = np.random.default_rng(7)
    arms = [0.5 + random.normal(0, 0.1, (3, 1)) + random.normal(0, 0.01, (3, 400)) for _ in range(2)]
    counts = [Counts(np.round(1000 * values).astype(np.int64), np.full(values.shape, 1000)) for values in arms]
    by_problem = estimates.paired(*(Counts(c.correct.sum(axis=0), c.decided.sum(axis=0)) for c in counts))
    sides = [side for each in counts if (side := seeds.crossed(each))]
    assert by_problem is not None
    change = seeds.with_seeds(by_problem, sides)
    welch = stats.ttest_ind(sides[0].means, sides[1].means, equal_var=False)
    interval = welch.confidence_interval()
    assert change.p_value == pytest.approx(welch.pvalue, rel=1e-2)
    assert (change.low, change.high) == (pytest.approx(interval.low, abs=1e-3), pytest.approx(interval.high, abs=1e-3))
    assert change.p_value > by_problem.p_value


def test_replicates_that_are_alike_have_no_interval_over_seeds() -> None:
    assert math.isnan(estimates.t_mean(np.zeros(3)).low)
    assert math.isnan(estimates.t_mean(np.array([0.5])).low)
    assert estimates.t_mean(np.array([0.4, 0.5])).low < 0.4


@pytest.mark.parametrize(("spread", "seed"), [(0.0, 3), (0.3, 4), (1.5, 5)])
def test_resamples_of_a_mean_give_the_interval_of_its_analysis_of_variance(spread: float, seed: int) -> None:
    counts = stacked(arm(4, 150, spread, seed))
    expected = seeds.crossed(counts)
    draws = estimates.ratio(estimates.resampled(counts.correct.T), estimates.resampled(counts.decided.T)).T
    assert expected is not None
    means = np.array(expected.means)
    difference = seeds.of_both(float(means.mean()), np.column_stack([means, draws]), 150)
    assert (difference.low, difference.high) == pytest.approx((expected.both.low, expected.both.high), abs=0.004)


def test_what_cannot_be_told_of_other_seeds_has_no_interval() -> None:
    draws = np.random.default_rng(0).normal(size=(3, 500))
    assert not math.isnan(seeds.of_both(0.0, draws, 40).low)
    unknown = draws.copy()
    unknown[1:, 0] = NAN
    alike = np.column_stack([np.zeros(3), draws])
    endless = np.column_stack([draws[:, :1], np.full((3, 499), math.inf)])
    for difference in (
        *(seeds.of_both(0.0, some, 40) for some in (draws[:1], unknown, alike, endless)),
        *(seeds.of_both(NAN, draws, 40), seeds.of_both(0.0, draws, 1)),
    ):
        assert math.isnan(difference.low)
        assert math.isnan(difference.high)


def test_a_difference_of_nothing_trained_is_by_problem_alone() -> None:
    counts = stacked(arm(2, 30, 0, 5))
    difference = estimates.paired(*(Counts(counts.correct[i], counts.decided[i]) for i in range(2)))
    assert difference is not None
    assert seeds.with_seeds(difference, []) == difference


def test_one_seed_has_the_spread_that_earlier_runs_showed() -> None:
    counts = stacked(arm(2, 30, 0, 5))
    difference = estimates.paired(*(Counts(counts.correct[i], counts.decided[i]) for i in range(2)))
    assert difference is not None
    both = seeds.with_seeds(difference, [None, None])
    assert both.value == difference.value
    assert both.error**2 == pytest.approx(difference.error**2 + 2 * seeds.SPREAD**2)


def test_many_seeds_outweigh_the_prior() -> None:
    spread = seeds.crossed(stacked(arm(60, 40, 1.5, 1)))
    assert spread is not None
    own = float(np.var(spread.means, ddof=1)) / 60
    assert seeds.spread_of(spread).seeds == pytest.approx(own, rel=0.1)


def shares(*accuracies: float) -> list[Counts]:
    """Ten samples of each of 400 problems, all with one accuracy."""
    random = np.random.default_rng(3)
    return [Counts(random.binomial(10, p, 400), np.full(400, 10)) for p in accuracies]


def test_a_share_of_the_ceilings_gain_is_fiellers_and_its_interval_covers() -> None:
    nothing = seeds.Spread(0.0, 0.0, 1e6)
    share = seeds.share_of_gain(*shares(0.7, 0.9, 0.5), (nothing, nothing))
    assert share is not None
    assert share.low < 0.5 < share.high
    assert share.high - share.low < 0.1
    wide = seeds.share_of_gain(*shares(0.7, 0.9, 0.5), (seeds.spread_of(None), seeds.spread_of(None)))
    assert wide is not None
    assert wide.high - wide.low > 2 * (share.high - share.low)
    held = 0
    random = np.random.default_rng(1)
    for _ in range(200):
        drawn = [Counts(random.binomial(4, p, 100), np.full(100, 4)) for p in (0.7, 0.9, 0.5)]
        found = seeds.share_of_gain(*drawn, (nothing, nothing))
        held += found is not None and found.low <= 0.5 <= found.high
    assert held >= 180


def test_a_share_of_a_gain_that_is_not_shown_is_unknown() -> None:
    assert seeds.share_of_gain(*shares(0.7, 0.51, 0.5), (seeds.spread_of(None), seeds.spread_of(None))) is None


def test_seeds_that_differ_in_nothing_but_samples_have_no_spread_of_their_own() -> None:
    between = [spread.between for s in range(40) if (spread := seeds.crossed(stacked(arm(3, 60, 0, s))))]
    assert np.median(between) < 0.0003
    moved = [spread.between for s in range(40) if (spread := seeds.crossed(stacked(arm(3, 60, 0.8, s))))]
    assert np.mean(moved) > 0.01


def test_too_few_replicates_or_problems_tell_nothing() -> None:
    assert seeds.crossed(stacked(np.ones((1, 5, 2)))) is None
    assert seeds.crossed(stacked(np.ones((3, 1, 2)))) is None
    alike = seeds.crossed(stacked(np.ones((3, 5, 2))))
    assert alike is not None
    assert (alike.between, alike.within, alike.both.low, alike.both.high) == (0.0, 0.0, 1.0, 1.0)
