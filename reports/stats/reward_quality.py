"""How good a verifier is against the gold, and how far two verifiers agree: pure functions over arrays.

Takes outcomes of two verifiers on the same samples; gives rates with intervals over problems, from their limits or from
resamples. Only samples that both decided count; how many those are stands beside every figure. Does not depend on runs
or files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from restem.reports.stats.estimates import (
    NOTHING,
    Estimate,
    Floats,
    Ints,
    bootstrapped,
    proportion,
    ratio,
    resampled,
)
from restem.reports.stats.two_rates import likelihood_ratio, youden

TRUE_ACCEPT, FALSE_ACCEPT, FALSE_REJECT, TRUE_REJECT = range(4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """TPR, FPR and LR+ = TPR / FPR on the `n` samples that both the verifier and the gold decided."""

    n: int
    tpr: Estimate
    fpr: Estimate
    likelihood_ratio: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class RewardQuality:
    """The quality of a verifier's reward on one set of samples.

    Attributes:
        n: Samples that both the verifier and the gold decided.
        tpr: Share of the gold's correct samples that the verifier accepts.
        fpr: Share of the gold's wrong samples that the verifier accepts.
        likelihood_ratio: TPR / FPR: what an ideal ReST-EM step multiplies the odds of a correct answer by.
        youden: Youden's J, TPR - FPR: 0 for a verifier without information, below 0 for one that prefers wrong answers.
        precision: Share of the accepted samples that the gold calls correct.
        prevalence: Share of these samples that the gold calls correct.
        mcc: Matthews' correlation with the gold; falls with the prevalence as kappa does.
        ac1: Gwet's AC1 with the gold.
    """

    n: int
    tpr: Estimate
    fpr: Estimate
    likelihood_ratio: Estimate
    youden: Estimate
    precision: Estimate
    prevalence: Estimate
    mcc: Estimate
    ac1: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two verifiers agree; chance-corrected figures are only to be read beside both prevalences.

    Attributes:
        n: Samples that both decided.
        raw: Share of samples on which both have the same outcome.
        mcc: Matthews' correlation; none where one of them never varies.
        kappa: Cohen's kappa; 0 where one of them never varies, unless both never do.
        ac1: Gwet's AC1; near 1 for two that nearly always accept, whatever they know.
        prevalence: Share that each calls correct.
    """

    n: int
    raw: Estimate
    mcc: Estimate
    kappa: Estimate
    ac1: Estimate
    prevalence: tuple[float, float]


def confusion(verifier: Floats, gold: Floats, problem: Ints, size: int) -> Ints:
    """Counts per problem (rows) of true accepts, false accepts, false rejects and true rejects (columns)."""
    both = ~np.isnan(verifier) & ~np.isnan(gold)
    cell = np.where(verifier == 1, np.where(gold == 1, 0, 1), np.where(gold == 1, 2, 3))
    flat = np.bincount(problem[both] * 4 + cell[both], minlength=size * 4)
    return flat.reshape(size, 4).astype(np.int64)


def rates(table: NDArray) -> tuple[Floats, Floats]:
    """TPR and FPR of confusion counts (last axis), NaN where the gold has no such sample."""
    counts = np.asarray(table, np.float64)
    correct = counts[..., TRUE_ACCEPT] + counts[..., FALSE_REJECT]
    wrong = counts[..., FALSE_ACCEPT] + counts[..., TRUE_REJECT]
    return ratio(counts[..., TRUE_ACCEPT], correct), ratio(counts[..., FALSE_ACCEPT], wrong)


def error_rates(table: Ints) -> ErrorRates:
    """The rates alone, from a confusion table per problem: without a resample, so quick."""
    correct = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]
    total = table.sum(axis=1)
    tpr, fpr = proportion(table[:, TRUE_ACCEPT], correct), proportion(table[:, FALSE_ACCEPT], total - correct)
    sides = (table[:, TRUE_ACCEPT], correct, tpr), (table[:, FALSE_ACCEPT], total - correct, fpr)
    return ErrorRates(n=int(total.sum()), tpr=tpr, fpr=fpr, likelihood_ratio=likelihood_ratio(*sides))


def reward_quality(table: Ints) -> RewardQuality:
    """TPR, FPR, LR+ and precision of the accepted, with intervals, from a confusion table per problem."""
    accepted = table[:, TRUE_ACCEPT] + table[:, FALSE_ACCEPT]
    correct = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]
    total = table.sum(axis=1)
    tpr, fpr = proportion(table[:, TRUE_ACCEPT], correct), proportion(table[:, FALSE_ACCEPT], total - correct)
    sides = (table[:, TRUE_ACCEPT], correct, tpr), (table[:, FALSE_ACCEPT], total - correct, fpr)
    return RewardQuality(
        n=int(total.sum()),
        tpr=tpr,
        fpr=fpr,
        likelihood_ratio=likelihood_ratio(*sides),
        youden=youden(*sides),
        precision=proportion(table[:, TRUE_ACCEPT], accepted),
        prevalence=proportion(correct, total),
        mcc=_correlation(table, tpr, fpr),
        ac1=_beyond_chance(gwet_ac1, table),
    )


def matthews(table: NDArray) -> Floats:
    """The correlation of verifier and gold (Matthews 1975); NaN where one of them never varies.

    From shares: products of four counts pass the largest 64-bit integer at 200,000 samples.
    """
    counts = np.asarray(table, np.float64)
    total, both = counts.sum(axis=-1), ratio(counts[..., TRUE_ACCEPT], counts.sum(axis=-1))
    accepted = ratio(counts[..., TRUE_ACCEPT] + counts[..., FALSE_ACCEPT], total)
    truth = ratio(counts[..., TRUE_ACCEPT] + counts[..., FALSE_REJECT], total)
    return ratio(both - accepted * truth, np.sqrt(accepted * (1 - accepted) * truth * (1 - truth)))


def _correlation(table: Ints, tpr: Estimate, fpr: Estimate) -> Estimate:
    """Matthews' correlation; where TPR or FPR is 0 or 1 the interval runs between its values at their limits."""
    pooled, n, clusters = table.sum(axis=0), int(table.sum()), min(tpr.clusters, fpr.clusters)
    value = float(matthews(pooled))
    if math.isnan(value):
        return NOTHING
    if not {tpr.value, fpr.value} & {0.0, 1.0}:
        return bootstrapped(value, matthews(resampled(table)), n, clusters)
    correct, wrong = pooled[TRUE_ACCEPT] + pooled[FALSE_REJECT], pooled[FALSE_ACCEPT] + pooled[TRUE_REJECT]
    limits = np.array([(tpr.low, fpr.high), (tpr.high, fpr.low)])  # it grows with TPR and falls with FPR
    t, f = limits[:, 0], limits[:, 1]
    low, high = matthews(np.stack([t * correct, f * wrong, (1 - t) * correct, (1 - f) * wrong], axis=-1))
    return Estimate(value=value, low=float(low), high=float(high), n=n, clusters=clusters)


def agreement(table: Ints) -> Agreement:
    """Raw agreement, MCC, kappa and AC1 of two verifiers, with intervals, from their confusion table per problem."""
    n, pooled = int(table.sum()), table.sum(axis=0)
    if not n:
        nothing = dict.fromkeys(("raw", "mcc", "kappa", "ac1"), NOTHING)
        return Agreement(n=0, **nothing, prevalence=(math.nan, math.nan))
    return Agreement(
        n=n,
        raw=_equal(table),
        mcc=_beyond_chance(matthews, table),
        kappa=_beyond_chance(cohen_kappa, table),
        ac1=_beyond_chance(gwet_ac1, table),
        prevalence=(float(pooled[:2].sum() / n), float(pooled[[0, 2]].sum() / n)),
    )


def _equal(table: Ints) -> Estimate:
    """The share of samples on which both have the same outcome."""
    return proportion(table[:, TRUE_ACCEPT] + table[:, TRUE_REJECT], table.sum(axis=1))


def _beyond_chance(coefficient: Callable[[NDArray], Floats], table: Ints) -> Estimate:
    """A coefficient of agreement.

    Where both always agree no resample disagrees: its lower limit is then what it would be at that of the raw
    agreement, half of the disagreements on either side.
    """
    pooled, raw = table.sum(axis=0), _equal(table)
    value = float(coefficient(pooled))
    if math.isnan(value) or raw.value < 1:
        return bootstrapped(value, coefficient(resampled(table)), raw.n, raw.clusters)
    apart = (1 - raw.low) / 2 * pooled.sum()
    worst = np.array([raw.low * pooled[TRUE_ACCEPT], apart, apart, raw.low * pooled[TRUE_REJECT]])
    return Estimate(value=value, low=float(coefficient(worst)), high=value, n=raw.n, clusters=raw.clusters)


def _shares(table: NDArray) -> tuple[Floats, Floats, Floats]:
    """Observed agreement and the two prevalences of tables of counts (last axis)."""
    shares = ratio(table, np.sum(table, axis=-1, keepdims=True))
    agreed = shares[..., TRUE_ACCEPT] + shares[..., TRUE_REJECT]
    return agreed, shares[..., 0] + shares[..., 1], shares[..., 0] + shares[..., 2]


def cohen_kappa(table: NDArray) -> Floats:
    """(po - pe) / (1 - pe) with pe from each verifier's own prevalence (Cohen 1960); NaN where pe is 1."""
    agreed, left, right = _shares(table)
    chance = left * right + (1 - left) * (1 - right)
    return ratio(agreed - chance, 1 - chance)


def gwet_ac1(table: NDArray) -> Floats:
    """(po - pe) / (1 - pe) with pe = 2 q (1 - q), q the mean prevalence (Gwet 2008, Br J Math Stat Psychol 61:29)."""
    agreed, left, right = _shares(table)
    middle = (left + right) / 2
    chance = 2 * middle * (1 - middle)
    return ratio(agreed - chance, 1 - chance)
