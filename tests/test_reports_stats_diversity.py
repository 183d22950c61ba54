"""Distinct shares and entropies of a problem's samples, and means over problems of values of any size."""

import math

import numpy as np
import pytest

from restem.reports.stats.diversity import distinct_share, entropy
from restem.reports.stats.estimates import t_mean


def test_samples_that_are_all_alike_have_no_entropy_and_one_distinct_text() -> None:
    alike = np.zeros(8, np.int64)
    assert entropy(alike, alike, 1).tolist() == [0.0]
    assert distinct_share(alike, alike, 1).tolist() == [1 / 8]


def test_a_problem_without_samples_has_neither() -> None:
    some = np.zeros(2, np.int64)
    assert np.isnan([entropy(some, some, 2)[1], distinct_share(some, some, 2)[1]]).all()


def test_names_of_categories_and_the_order_of_samples_do_not_matter() -> None:
    random = np.random.default_rng(0)
    problem, category = np.repeat(np.arange(5), 8), random.integers(0, 4, 40)
    shuffled, renamed = random.permutation(40), 9 - 2 * category
    assert entropy(renamed[shuffled], problem[shuffled], 5) == pytest.approx(entropy(category, problem, 5))
    assert (
        distinct_share(renamed[shuffled], problem[shuffled], 5).tolist()
        == distinct_share(category, problem, 5).tolist()
    )


def test_the_correction_brings_the_mean_of_few_samples_near_the_true_entropy() -> None:
    """Four categories, 8 samples: the plain entropy is too low by 0.23 nats, the corrected one by 0.08."""
    random, shares = np.random.default_rng(1), np.array([0.5, 0.25, 0.15, 0.1])
    truth = -float(np.sum(shares * np.log(shares)))
    category, problem = random.choice(4, 80_000, p=shares), np.repeat(np.arange(10_000), 8)
    values = entropy(category, problem, 10_000)
    seen = 8 * distinct_share(category, problem, 10_000)
    plain = (values - (seen - 1) / 16).mean()
    assert plain < values.mean() < truth
    assert truth - values.mean() < (truth - plain) / 2


def test_a_mean_over_problems_leaves_out_what_is_unknown_and_scales_with_its_values() -> None:
    values = np.array([1.0, 2.0, 4.0, math.nan])
    mean, larger = t_mean(values), t_mean(-10 * values)
    assert (mean.value, mean.clusters) == (pytest.approx(7 / 3), 3)
    assert (larger.low, larger.high) == pytest.approx((-10 * mean.high, -10 * mean.low))


def test_problems_that_are_all_alike_leave_the_spread_unknown() -> None:
    assert math.isnan(t_mean(np.ones(4)).low)
    assert math.isnan(t_mean(np.full(3, math.nan)).value)
