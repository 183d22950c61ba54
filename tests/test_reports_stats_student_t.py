"""Student's t without SciPy: SciPy's numbers."""

import hypothesis.strategies as st
import pytest
from hypothesis import given
from scipy.special import stdtr, stdtrit

from restem.reports.stats.student_t import cdf, quantile

freedoms = st.one_of(st.integers(1, 100_000).map(float), st.floats(0.5, 100))


@given(freedom=freedoms, t=st.floats(-1e6, 1e6))
def test_distribution_is_that_of_scipy_also_far_out(freedom: float, t: float) -> None:
    assert cdf(freedom, t) == pytest.approx(float(stdtr(freedom, t)), rel=1e-8, abs=1e-280)


@given(freedom=freedoms, p=st.floats(0.0005, 0.9995))
def test_quantile_is_that_of_scipy(freedom: float, p: float) -> None:
    assert quantile(freedom, p) == pytest.approx(float(stdtrit(freedom, p)), rel=1e-8, abs=1e-8)


@given(freedom=freedoms, p=st.floats(0.01, 0.99))
def test_the_share_below_a_quantile_is_the_one_asked_for(freedom: float, p: float) -> None:
    assert cdf(freedom, quantile(freedom, p)) == pytest.approx(p, rel=1e-9)


def test_limits_are_certain_and_nothing_is_nothing() -> None:
    assert cdf(3, float("inf")) == 1
    assert cdf(3, float("-inf")) == 0
    assert cdf(3, float("nan")) != cdf(3, float("nan"))
