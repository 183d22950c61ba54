"""The law against simulation, and at its limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import law

shares = st.floats(0.01, 0.99)


@given(shares, shares, shares)
def test_an_ideal_step_multiplies_the_odds_by_the_likelihood_ratio(p: float, t: float, f: float) -> None:
    after = law.filtered_precision(p, t, f)
    assert law.odds(after) == pytest.approx(float(law.odds(p)) * t / f)


@given(shares)
def test_share_undoes_odds(p: float) -> None:
    assert law.share(law.odds(p)) == pytest.approx(p)


@given(shares, shares, shares, st.integers(0, 6))
def test_steps_add_up_on_the_logit_scale(p: float, t: float, f: float, steps: int) -> None:
    logit = math.log(p / (1 - p)) + steps * math.log(t / f)
    assert law.after_steps(p, t, f, steps) == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-9)


def test_limits_of_an_ideal_step() -> None:
    assert law.filtered_precision(0.3, 0.4, 0.0) == 1.0
    assert law.filtered_precision(0.3, 0.0, 0.4) == 0.0
    assert np.isnan(law.filtered_precision(0.3, 0.0, 0.0))
    assert law.filtered_precision(1.0, 0.5, np.nan) == 1.0
    assert law.filtered_precision(0.0, np.nan, 0.5) == 0.0
    assert law.share(np.inf) == 1.0
    assert np.isinf(law.odds(1.0))


def test_accepting_all_changes_nothing() -> None:
    assert law.filtered_precision(0.37, 1.0, 1.0) == pytest.approx(0.37)


def test_a_policy_is_not_moved_by_an_empty_selection() -> None:
    assert law.partial_step(0.4, law.filtered_precision(0.4, 0.0, 0.0), 0.5) == 0.4


def test_eta_is_found_again_from_its_own_predictions() -> None:
    p, precision = np.array([0.2, 0.5]), np.array([1.0, 1.0])
    after = law.partial_step(p, precision, 0.35)
    assert law.fitted_eta(p, precision, after) == pytest.approx(0.35)
    assert np.isnan(law.fitted_eta(precision, precision, precision))


def test_eta_leaves_out_steps_without_a_prediction() -> None:
    found = law.fitted_eta(np.array([0.2, 0.5]), np.array([1.0, np.nan]), np.array([0.6, 0.9]))
    assert found == pytest.approx(0.5)


@given(shares, shares, shares, st.integers(1, 8))
def test_f4_poisoned_problems_are_those_with_wrong_samples_only(p: float, t: float, f: float, samples: int) -> None:
    accepted = p * t + (1 - p) * f
    expected = (1 - p * t) ** samples - (1 - accepted) ** samples
    found = law.training_set(np.full((1, samples), p), t, f)
    assert found.poisoned[0] == pytest.approx(expected, abs=1e-12)
    assert found.kept[0] == pytest.approx(samples * accepted)
    assert found.precision == pytest.approx(float(law.filtered_precision(p, t, f)))


def test_f4_yield_is_the_mean_of_the_capped_binomial() -> None:
    p, t, f, samples, cap = 0.3, 0.9, 0.2, 12, 3
    accepted = p * t + (1 - p) * f
    binomial = [math.comb(samples, k) * accepted**k * (1 - accepted) ** (samples - k) for k in range(samples + 1)]
    found = law.training_set(np.full((1, samples), p), t, f, cap)
    assert found.kept[0] == pytest.approx(sum(min(k, cap) * share for k, share in enumerate(binomial)))


def test_f5_a_cap_lowers_the_precision_of_the_training_set() -> None:
    """32 samples, cap 10, TPR .95, FPR .05, p ~ Beta(.3, 1.2): .828 without the cap, .767 with it, 27.6 % poisoned."""
    p = np.random.default_rng(0).beta(0.3, 1.2, 12_000)
    correct = np.repeat(p[:, None], 32, axis=1)
    uncapped, capped = law.training_set(correct, 0.95, 0.05), law.training_set(correct, 0.95, 0.05, 10)
    assert uncapped.precision == pytest.approx(0.828, abs=0.01)
    assert capped.precision == pytest.approx(0.767, abs=0.01)
    assert uncapped.poisoned.mean() == pytest.approx(0.276, abs=0.01)


def test_a_training_set_is_what_a_simulated_verifier_keeps() -> None:
    """Given the gold's word on every sample: kept, correct kept and poisoned, against 4000 simulated selections."""
    random, cap, t, f = np.random.default_rng(5), 2, 0.8, 0.3
    correct = (random.random((6, 7)) < 0.4).astype(float)
    correct[0, 4:] = np.nan
    kept, right, poisoned = np.zeros(6), np.zeros(6), np.zeros(6)
    for _ in range(4000):
        accepted = random.random(correct.shape) < np.where(correct == 1, t, np.where(correct == 0, f, 0))
        taken = accepted & (np.cumsum(accepted, axis=1) <= cap)
        kept += taken.sum(axis=1)
        right += (taken & (correct == 1)).sum(axis=1)
        poisoned += taken.any(axis=1) & ~(taken & (correct == 1)).any(axis=1)
    found = law.training_set(correct, t, f, cap)
    np.testing.assert_allclose(found.kept, kept / 4000, atol=0.04)
    np.testing.assert_allclose(found.right, right / 4000, atol=0.04)
    np.testing.assert_allclose(found.poisoned, poisoned / 4000, atol=0.04)


def test_nothing_accepted_leaves_no_precision() -> None:
    found = law.training_set(np.array([[1.0, 0.0]]), 0.0, 0.0)
    assert found.kept.sum() == 0
    assert math.isnan(found.precision)


def test_corrected_accuracy_undoes_a_verifiers_errors() -> None:
    p, t, f = 0.42, 0.9, 0.2
    assert law.corrected_accuracy(p * t + (1 - p) * f, t, f) == pytest.approx(p)
    assert np.isnan(law.corrected_accuracy(0.5, 0.4, 0.4))
