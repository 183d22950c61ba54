"""TPR, FPR, LR+ and precision of verifiers from a stratified random sample of labels.

Takes the candidates' verdicts on the labelled responses, their labels and strata; gives estimates. A response of
stratum h stands for N_h / n_h responses, and rates are ratios of such totals (Hajek; Sarndal, Swensson and Wretman
1992, Model Assisted Survey Sampling, results 5.6.2 and 5.7.1). Intervals put together each stratum's Wilson limits,
with the finite population correction. They hold the value that labels of *all* these responses would give, not that of
other problems. It does not depend on how the sample was drawn, on runs or on files.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq

from restem.reports.stats.estimates import LEVEL, POWER, Estimate, Floats, Ints, apart
from restem.reports.stats.two_rates import logarithm

CLOSE = 1e-9  # how exactly a limit is searched for
ENDS = ((0.0, -1), (1.0, 1))  # of the scale of a rate, and which side of a value they are on


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Influence:
    """What each labelled response adds to the error of a statistic, were it right and were it wrong."""

    right: Floats
    wrong: Floats

    def __sub__(self, other: Influence) -> Influence:
        return Influence(right=self.right - other.right, wrong=self.wrong - other.wrong)

    def times(self, factor: float) -> Influence:
        return Influence(right=factor * self.right, wrong=factor * self.wrong)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Ratio:
    """A ratio of two totals: what a response adds to each if it is right, and if it is wrong.

    Attributes:
        value: NaN where no label counts for it.
        soft: Its value at the softened labels, which is never 0 or 1.
        influence: At the soft value.
    """

    top: Influence
    bottom: Influence
    value: float
    soft: float
    influence: Influence


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSample:
    """Labelled responses of a stratified random sample.

    Attributes:
        verdicts: Verifiers x labelled responses: 1, 0, NaN undecided.
        label: 1 right, 0 wrong, NaN where the person could not tell: it then counts for no rate.
        stratum: Of each labelled response.
        size: Responses of each stratum, labelled or not; each stratum has two labels, or one of its only response.
    """

    verdicts: Floats
    label: Floats
    stratum: Ints
    size: Ints

    @functools.cached_property
    def drawn(self) -> Ints:
        """Labelled responses of each stratum."""
        return np.bincount(self.stratum, minlength=len(self.size)).astype(np.int64)

    @functools.cached_property
    def weight(self) -> Floats:
        """How many responses each labelled one stands for: 1 / its inclusion probability."""
        return (self.size / np.maximum(self.drawn, 1))[self.stratum]

    @functools.cached_property
    def shares(self) -> tuple[Floats, Floats]:
        """Each label as shares of right and wrong."""
        return (self.label == 1).astype(np.float64), (self.label == 0).astype(np.float64)

    def softened(self, drawn: Ints | None = None) -> tuple[Floats, Floats]:
        """The labels moved to 1/2 by as much as half a right and half a wrong label more in their stratum would do.

        A stratum whose labels are all alike has a spread then: that n labels show no error does not mean there is none.

        Args:
            drawn: As if each stratum had so many labels, which matters where it is fewer than there are.
        """
        labels = self.drawn if drawn is None else np.minimum(self.drawn, drawn)
        moved = 1 / (labels[self.stratum] + 1)
        right, wrong = self.shares
        told = right + wrong
        return right + moved * (told / 2 - right), wrong + moved * (told / 2 - wrong)

    def total(self, part: Influence, shares: tuple[Floats, Floats]) -> float:
        """The weighted total of what responses add, given each one's shares of right and wrong."""
        return float(self.weight @ (shares[0] * part.right + shares[1] * part.wrong))

    def ratio(self, top: Influence, bottom: Influence) -> Ratio:
        """The ratio of two totals."""
        value, soft = (
            self.total(top, shares) / below if (below := self.total(bottom, shares)) > 0 else math.nan
            for shares in (self.shares, self.softened())
        )
        counted = self.total(bottom, self.softened())
        influence = (top - bottom.times(soft)).times(1 / counted if counted > 0 else math.nan)
        return Ratio(top=top, bottom=bottom, value=value, soft=soft, influence=influence)

    def margins(self, influence: Influence, level: float = LEVEL) -> tuple[float, float]:
        """How far below and above its value a total of influences may lie (MOVER; Zou and Donner 2008).

        The roots of the strata's summed squares: each stratum's share of right labels may lie at its Wilson limit for
        n_h / (1 - n_h / N_h) labels. Where a pooled stratum's responses differ in their influence, the spread of that
        is added on both sides.
        """
        quantile = NormalDist().inv_cdf((1 + level) / 2)
        share, below, above, still_open = self.limits if level == LEVEL else self._limits(level)
        right, wrong = self.shares
        told, of, size = right + wrong, self.stratum, len(self.size)
        slope = told * (influence.right - influence.wrong)
        middle = told * (share[of] * influence.right + (1 - share[of]) * influence.wrong)
        labels = np.maximum(self.drawn, 1)
        mean, square, centre, spread = (
            np.bincount(of, part, size) / labels for part in (slope, slope**2, middle, middle**2)
        )
        between = quantile**2 * np.maximum(spread - centre**2, 0) / np.maximum(labels - 1, 1) * still_open
        falling = mean < 0
        lower, upper = (
            math.sqrt(float((self.size**2 * (square * np.where(falling, *moves) ** 2 + between)).sum()))
            for moves in ((above, below), (below, above))
        )
        return lower, upper

    @functools.cached_property
    def limits(self) -> tuple[Floats, Floats, Floats, Floats]:
        """`_limits` at 95 %, which a search for a limit asks for often."""
        return self._limits(LEVEL)

    def _limits(self, level: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Each stratum's share of right labels, its distances from Wilson's limits, and the share not labelled."""
        right, wrong = (np.bincount(self.stratum, part, len(self.size)) for part in self.shares)
        told, still_open = right + wrong, 1 - self.drawn / self.size
        share = np.where(told > 0, right / np.maximum(told, 1), 0.5)
        quantile = NormalDist().inv_cdf((1 + level) / 2)
        square = quantile**2 * still_open / np.maximum(told, 0.5)  # with the finite population correction
        centre = (share + square / 2) / (1 + square)
        half = np.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
        return share, np.maximum(0, half - centre + share), np.maximum(0, half + centre - share), still_open

    def correlation(self, left: Influence, right: Influence) -> float:
        """Correlation of the errors of two statistics; 0 where one of them has none."""
        together, apart, one, other = (
            self.variance(influence) for influence in (left - right.times(-1), left - right, left, right)
        )
        return (together - apart) / (4 * math.sqrt(one * other)) if one > 0 and other > 0 else 0.0

    def variance(self, influence: Influence, drawn: Ints | None = None) -> float:
        """Variance of a statistic: the sum of N_h^2 (1 / n_h - 1 / N_h) S_h^2, each S_h^2 at the softened labels.

        Args:
            drawn: As if each stratum had so many labels of the same kind; what it has where None.
        """
        right, wrong = self.softened(drawn)
        size, here = len(self.size), np.maximum(self.drawn, 1)
        first = np.bincount(self.stratum, right * influence.right + wrong * influence.wrong, size) / here
        second = np.bincount(self.stratum, right * influence.right**2 + wrong * influence.wrong**2, size) / here
        labels = np.maximum(self.drawn if drawn is None else drawn, 1)
        spread = np.maximum(second - first**2, 0) * labels / np.maximum(labels - 1, 1)
        return float((self.size**2 * (1 / labels - 1 / self.size) * spread).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledRates:
    """A verifier's rates on all responses that the labelled ones were drawn from; `youden` is TPR - FPR."""

    tpr: Estimate
    fpr: Estimate
    likelihood_ratio: Estimate
    precision: Estimate
    youden: Estimate


def labelled_rates(sample: LabelledSample, verifier: int) -> LabelledRates:
    """The rates of one of the sample's verifiers, with 95 % intervals."""
    accepts_right, accepts_wrong, precision = ratios(sample, verifier)
    tpr, fpr = interval(sample, accepts_right), interval(sample, accepts_wrong)
    between = sample.correlation(accepts_right.influence, accepts_wrong.influence)
    j = apart(tpr, fpr, between)
    return LabelledRates(
        tpr=tpr,
        fpr=fpr,
        likelihood_ratio=_likelihood_ratio(sample, tpr, fpr, between),
        precision=interval(sample, precision),
        youden=_estimate(sample, j.value, j.low, j.high),
    )


def ratios(sample: LabelledSample, verifier: int) -> tuple[Ratio, Ratio, Ratio]:
    """TPR, FPR and precision of the accepted of a verifier."""
    verdict = sample.verdicts[verifier]
    accepts, decided, none = np.nan_to_num(verdict), (~np.isnan(verdict)).astype(np.float64), np.zeros(len(verdict))
    accepts_right, accepts_wrong = Influence(right=accepts, wrong=none), Influence(right=none, wrong=accepts)
    return (
        sample.ratio(accepts_right, Influence(right=decided, wrong=none)),
        sample.ratio(accepts_wrong, Influence(right=none, wrong=decided)),
        sample.ratio(accepts_right, Influence(right=accepts, wrong=accepts)),
    )


def interval(sample: LabelledSample, rate: Ratio) -> Estimate:
    """A rate with its 95 % interval: the rates at which top - rate * bottom may be 0 (Fieller 1954)."""
    if math.isnan(rate.value):
        return _estimate(sample, math.nan, math.nan, math.nan)

    def outside(value: float, side: int) -> float:
        """By how much top - value * bottom is farther from 0 than its margin."""
        influence = rate.top - rate.bottom.times(value)
        return -side * sample.total(influence, sample.shares) - sample.margins(influence)[side > 0]

    low, high = (_limit(lambda value, side=side: outside(value, side), rate.value, end) for end, side in ENDS)
    return _estimate(sample, rate.value, low, high)


def _limit(outside: Callable[[float], float], value: float, end: float) -> float:
    """Where, from a value to the end of the scale, `outside` becomes positive."""
    if outside(end) <= 0:
        return end
    if outside(value) >= 0:  # no margin: all is labelled
        return value
    return float(brentq(outside, value, end, xtol=CLOSE))  # pyright: ignore[reportArgumentType]


def _likelihood_ratio(sample: LabelledSample, tpr: Estimate, fpr: Estimate, correlation: float) -> Estimate:
    """TPR / FPR; where one of them may be 0 the interval runs between the quotients of their own limits."""
    if math.isnan(tpr.value) or math.isnan(fpr.value) or tpr.value == fpr.value == 0:
        return _estimate(sample, math.nan, math.nan, math.nan)
    if tpr.low == 0 or fpr.low == 0:
        low = tpr.low / fpr.high if fpr.high else math.inf
        high = tpr.high / fpr.low if fpr.low else math.inf
        return _estimate(sample, tpr.value / fpr.value if fpr.value else math.inf, low, high)
    return _exponential(sample, apart(logarithm(tpr), logarithm(fpr), correlation))


def _exponential(sample: LabelledSample, logs: Estimate) -> Estimate:
    return _estimate(sample, math.exp(logs.value), math.exp(logs.low), math.exp(logs.high))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateDifference:
    """How much better one verifier is than another.

    Attributes:
        youden: Difference of Youden's J, TPR - FPR.
        equal: The 90 % limits of the same: where both lie within a margin, the verifiers are equal within it.
        likelihood_ratio: LR+ of the first over that of the second; NaN where one is 0 or infinite.
    """

    youden: Estimate
    equal: tuple[float, float]
    likelihood_ratio: Estimate


def rate_difference(sample: LabelledSample, left: int, right: int) -> RateDifference:
    """Two verifiers on the same labels; equal verdicts cancel, so their errors are those of the disagreements."""
    value, influence = _difference(sample, left, right)
    (below, above), (near_below, near_above) = (sample.margins(influence, level) for level in (LEVEL, 2 * LEVEL - 1))
    return RateDifference(
        youden=_estimate(sample, value, max(-2.0, value - below), min(2.0, value + above)),
        equal=(value - near_below, value + near_above),
        likelihood_ratio=_ratio_of_likelihoods(sample, left, right),
    )


def _difference(sample: LabelledSample, left: int, right: int) -> tuple[float, Influence]:
    """The difference of Youden's J."""
    (t, f, _), (other_t, other_f, _) = ratios(sample, left), ratios(sample, right)
    influence = (t.influence - f.influence) - (other_t.influence - other_f.influence)
    return (t.value - f.value) - (other_t.value - other_f.value), influence


def _ratio_of_likelihoods(sample: LabelledSample, left: int, right: int) -> Estimate:
    ours, theirs = (labelled_rates(sample, verifier).likelihood_ratio for verifier in (left, right))
    if not all(0 < rate.low <= rate.high < math.inf for rate in (ours, theirs)):
        return _estimate(sample, math.nan, math.nan, math.nan)
    logs = []
    for verifier in (left, right):
        t, f, _ = ratios(sample, verifier)
        logs.append(t.influence.times(1 / t.soft) - f.influence.times(1 / f.soft))
    return _exponential(sample, apart(logarithm(ours), logarithm(theirs), sample.correlation(*logs)))


def labels_needed(sample: LabelledSample, left: int, right: int, order: Ints, margin: float = 0.0) -> int:
    """Labels, those of the sample included, that settle which verifier has the larger J, 80 % of the time.

    Settled: the 95 % interval of the difference leaves out 0, or its 90 % interval lies within the margin. This takes
    the sample's difference and spreads for the true ones.

    Args:
        order: The stratum of every response, in the order in which they are labelled.
    """
    value, influence = _difference(sample, left, right)
    power = NormalDist().inv_cdf(POWER)

    def settled(labels: int) -> bool:
        drawn = np.bincount(order[:labels], minlength=len(sample.size))
        error = math.sqrt(sample.variance(influence, drawn))
        shown, equal = ((NormalDist().inv_cdf(p) + power) * error for p in ((1 + LEVEL) / 2, LEVEL))
        return shown <= abs(value) or equal <= margin - abs(value)

    low, high = int(np.minimum(sample.size, 2).sum()), len(order)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle + 1, high)
    return low


def _estimate(sample: LabelledSample, value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=len(sample.label), clusters=len(sample.size))
