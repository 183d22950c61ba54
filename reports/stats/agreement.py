"""How far several verifiers agree on the same samples, some verdicts missing: pure functions over arrays.

Takes ratings (verifiers x samples: 1, 0, NaN for undecided or not asked); gives chance-corrected coefficients with
intervals from resampled problems. For one pair see `restem.reports.stats.reward_quality`. Agreement is no measure of
who is right.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from restem.reports.stats.estimates import NOTHING, Estimate, Floats, Ints, bootstrapped, proportion, ratio, resampled


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reliability:
    """Agreement of several verifiers; to be read beside the prevalence, as all but AC1 fall with it.

    Attributes:
        n: Samples that at least two verifiers decided.
        raw: Share of pairs of verdicts on a sample that are equal, mean over samples.
        alpha: Krippendorff's, nominal.
        ac1: Gwet's AC1.
        fleiss: Fleiss' kappa, with Gwet's weights where verdicts are missing.
        prevalence: Share called correct, mean over samples.
    """

    n: int
    raw: Estimate
    alpha: Estimate
    ac1: Estimate
    fleiss: Estimate
    prevalence: float


def reliability(ratings: Floats, problem: Ints, size: int) -> Reliability:
    """Krippendorff's alpha, Gwet's AC1 and Fleiss' kappa over all verifiers."""
    decided = (~np.isnan(ratings)).sum(axis=0)
    sums = _sums(np.nansum(ratings, axis=0), decided, problem, size)
    n, clusters = int(sums[:, 1].sum()), int((sums[:, 1] > 0).sum())
    if not n:
        return Reliability(n=0, raw=NOTHING, alpha=NOTHING, ac1=NOTHING, fleiss=NOTHING, prevalence=np.nan)
    whole, draws = _coefficients(sums.sum(axis=0)), _coefficients(resampled(sums))

    def estimate(place: int) -> Estimate:
        return bootstrapped(float(whole[place]), draws[place], n, clusters)

    return Reliability(
        n=n,
        raw=proportion(sums[:, 0], sums[:, 1].astype(np.int64)),
        alpha=estimate(0),
        ac1=estimate(1),
        fleiss=estimate(2),
        prevalence=float(sums[:, 2].sum() / sums[:, 3].sum()),
    )


def _sums(accepts: Floats, decided: Ints, problem: Ints, size: int) -> Floats:
    """What the coefficients are made of, summed per problem (rows).

    Columns: share of equal pairs, samples with a pair, share called correct, samples with a verdict; then over samples
    with a pair Krippendorff's disagreement, verdicts `correct`, and verdicts.
    """
    rejects, two = decided - accepts, decided >= 2
    unequal = ratio(2 * accepts * rejects, decided - 1)
    columns = (
        *(np.where(two, 1 - ratio(unequal, decided), 0), two, np.nan_to_num(ratio(accepts, decided)), decided > 0),
        *(np.where(two, unequal, 0), np.where(two, accepts, 0), np.where(two, decided, 0)),
    )
    return np.stack([np.bincount(problem, column, minlength=size) for column in columns], axis=1)


def _coefficients(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Alpha, AC1 and Fleiss' kappa of sums (last axis); NaN where chance alone would agree on all.

    Alpha: 1 - Do / De, De = 2 n1 n0 / (n - 1) (Krippendorff 2011). AC1: pe = 2 q (1 - q), and Fleiss: pe = q^2 + (1 -
    q)^2, with q the mean share called correct (Gwet 2014, Handbook of Inter-Rater Reliability, chapter 5).
    """
    equal, pairs, called, seen, unequal, accepts, verdicts = np.moveaxis(sums, -1, 0)
    agreed, share = ratio(equal, pairs), ratio(called, seen)
    by_chance = ratio(2 * accepts * (verdicts - accepts), np.maximum(verdicts - 1, 0))
    alpha = 1 - ratio(unequal, by_chance)
    apart = 2 * share * (1 - share)
    return alpha, ratio(agreed - apart, 1 - apart), ratio(agreed - (1 - apart), apart)


def self_flip_rate(outcome: Floats, text: Ints, problem: Ints, size: int) -> Estimate:
    """How often a verifier gives another outcome on the same text: share of pairs, mean over texts.

    Args:
        outcome: Its outcome on each sample; undecided ones (NaN) form no pair.
        text: A number for each sample's text; equal where problem and text are.
        problem: Each sample's problem.
        size: Problems.
    """
    _, first, place = np.unique(text, return_index=True, return_inverse=True)
    accepts, decided = (np.bincount(place[some], minlength=len(first)) for some in (outcome == 1, ~np.isnan(outcome)))
    sums = _sums(accepts.astype(np.float64), decided, problem[first], size)
    return proportion(sums[:, 1] - sums[:, 0], sums[:, 1].astype(np.int64))
