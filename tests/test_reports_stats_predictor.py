"""The predictor's formulas: laws, and an example by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.reports.stats import predictor
from restem.reports.stats.rogan_gladen import corrected_accuracy

shares = st.floats(0.02, 0.98)


@given(shares, shares)
def test_texts_as_good_as_the_bases_distinct_ones_change_nothing(accuracy: float, distinct: float) -> None:
    assert predictor.gain(distinct, distinct) == 0
    assert predictor.moved(accuracy, 0.0) == pytest.approx(accuracy)


@given(shares, shares, shares, shares)
def test_better_texts_gain_more(accuracy: float, distinct: float, a: float, b: float) -> None:
    worse, better = sorted((a, b))
    gained = [predictor.moved(accuracy, predictor.gain(kept, distinct)) for kept in (worse, better)]
    assert gained[0] <= gained[1]
    assert 0 < gained[0] <= gained[1] < 1


def test_a_prediction_by_hand() -> None:
    """Base 50 %, distinct texts 25 % right, kept texts 65 % right: log-odds rise from 0 by 2.5 x 0.4 = 1."""
    ((kept, change),) = predictor.chain(0.65, 0.25, 1, copies=False)
    assert (float(kept), float(change)) == (0.65, pytest.approx(1.0))
    assert predictor.moved(0.5, change) == pytest.approx(1 / (1 + math.exp(-1)))


@given(shares, shares, st.booleans())
def test_copies_follow_the_policy_more_than_distinct_texts_do(kept: float, distinct: float, up: bool) -> None:
    change = 0.5 if up else -0.5
    texts, copies = (float(predictor.next_kept(kept, change, copies=copies)) for copies in (False, True))
    assert (kept < texts < copies) if up else (kept > texts > copies)


def test_the_gold_keeps_only_right_texts_in_every_iteration() -> None:
    steps = predictor.chain(1.0, 0.3, 4, copies=False)
    assert [float(kept) for kept, _ in steps] == [1.0] * 4
    assert {float(change) for _, change in steps} == {predictor.KAPPA * 0.7}


def test_an_unknown_precision_predicts_nothing() -> None:
    assert all(math.isnan(change) for _, change in predictor.chain(math.nan, 0.3, 2, copies=True))


def test_every_element_is_predicted_by_itself() -> None:
    kept, distinct = np.array([0.4, math.nan, 1.0]), np.array([0.2, 0.3, 0.4])
    together = predictor.chain(kept, distinct, 3, copies=True)
    for index in range(3):
        alone = predictor.chain(kept[index], distinct[index], 3, copies=True)
        np.testing.assert_allclose([change[index] for _, change in together], [change for _, change in alone])


@given(shares, st.floats(0.6, 1.0), st.floats(0.0, 0.4))
def test_corrected_accuracy_undoes_a_verifiers_errors(p: float, t: float, f: float) -> None:
    assert corrected_accuracy(p * t + (1 - p) * f, t, f) == pytest.approx(p)
