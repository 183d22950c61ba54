"""Which responses to label first, so that few labels give the verifiers' TPR and FPR: a stratified random order.

Takes the candidates' verdicts on all responses (verifiers x responses: 1, 0, NaN undecided); gives strata, and one
order of all responses of which every beginning is a stratified random sample. So a larger sample holds the smaller one,
a half-labelled sample is a smaller sample, and each of the first n has the inclusion probability n_h / N_h of its
stratum. Nothing here depends on a label, so the probabilities are known, and estimates that are weighted by them
(labelled_rates.py) have no bias of selection. It does not depend on runs or files.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from restem.reports.stats.estimates import Floats, Ints, ratio

FEWEST = 2  # labels of each stratum that has so many responses: one shows no spread
SMALLEST = 0.02  # share of the responses below which a pattern of verdicts is no stratum by itself
MOST = 8  # patterns that are strata by themselves
POOLS = 4  # strata, at most, of all other patterns
SURE = 0.9  # how sure the candidates' verdicts may make us of a stratum's labels before any is known


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Strata:
    """Responses grouped by the candidates' verdicts on them.

    Attributes:
        of: The stratum of each response.
        size: Responses of each stratum.
        patterns: Of each stratum the verdicts that occur in it (patterns x verifiers; NaN undecided).
    """

    of: Ints
    size: Ints
    patterns: tuple[Floats, ...]

    @property
    def fewest(self) -> int:
        """The least sample that has labels of every stratum."""
        return int(np.minimum(self.size, FEWEST).sum())


def stratify(verdicts: Floats) -> Strata:
    """A stratum for each common pattern of verdicts; rare patterns are pooled with those of about as many accepts."""
    codes = np.where(np.isnan(verdicts), 2, verdicts).astype(np.int64)
    kinds, kind, count = np.unique(codes.T, axis=0, return_inverse=True, return_counts=True)
    votes = _votes(np.where(kinds == 2, np.nan, kinds).T)
    least = max(FEWEST, SMALLEST * count.sum())
    alone = [place for place in np.argsort(-count, kind="stable")[:MOST] if count[place] >= least]
    rest = [place for place in np.argsort(votes, kind="stable") if place not in alone]
    groups = [[place] for place in alone] + _pooled(rest, count, max(least, count[rest].sum() / POOLS))
    if len(groups) > 1 and count[groups[-1]].sum() < least:  # all that is rare is too little for a stratum
        lone = groups.pop()
        nearest = min(groups, key=lambda group: abs(votes[group].mean() - votes[lone].mean()))
        nearest += lone
    groups.sort(key=lambda group: -votes[group].mean())
    stratum = np.zeros(len(kinds), np.int64)
    for number, group in enumerate(groups):
        stratum[group] = number
    return Strata(
        of=stratum[kind.reshape(-1)],
        size=np.array([count[group].sum() for group in groups], np.int64),
        patterns=tuple(np.where(kinds[group] == 2, np.nan, kinds[group]) for group in groups),
    )


def _pooled(kinds: list[int], count: Ints, least: float) -> list[list[int]]:
    """Neighbouring kinds put together until each pool has `least` responses; what is left over joins the last pool."""
    pools: list[list[int]] = []
    for place in kinds:
        if pools and count[pools[-1]].sum() < least:
            pools[-1].append(place)
        else:
            pools.append([place])
    if len(pools) > 1 and count[pools[-1]].sum() < least:
        pools[-2:] = [pools[-2] + pools[-1]]
    return pools


def _votes(verdicts: Floats) -> Floats:
    """Share of accepts among the decided verdicts on each response; 1/2 where none is decided."""
    votes = ratio(np.nansum(verdicts, axis=0), (~np.isnan(verdicts)).sum(axis=0))
    return np.where(np.isnan(votes), 0.5, votes)


def guessed(verdicts: Floats, strata: Strata) -> Floats:
    """Share of right responses of each stratum before any is labelled: the share of accepts, never surer than SURE."""
    votes = np.bincount(strata.of, _votes(verdicts), len(strata.size)) / strata.size
    return np.clip(votes, 1 - SURE, SURE)


def importance(verdicts: Floats, strata: Strata) -> Floats:
    """What each stratum's sample is drawn in proportion to: N_h S_h (Neyman 1934) for all rates together.

    S_h^2 is the sum, over every verifier's TPR and FPR, of the variance of the rate's linearised residuals in the
    stratum, at the guessed shares of right responses. So the sample makes the sum of the rates' variances small
    (Cochran 1977, Sampling Techniques, section 5A.3). The difference of two verifiers is not the target: its sample
    would leave out what both accept or reject, which decides both verifiers' rates.
    """
    return np.asarray(strata.size * np.sqrt(_spreads(verdicts, strata).sum(axis=0)), np.float64)


def expected_errors(verdicts: Floats, strata: Strata, drawn: Ints) -> Floats:
    """Standard error of each verifier's TPR and FPR from so many labels of each stratum, at the guessed shares."""
    labels = np.maximum(drawn, 1)
    return np.sqrt((strata.size**2 * (1 / labels - 1 / strata.size) * _spreads(verdicts, strata)).sum(axis=1))


def _spreads(verdicts: Floats, strata: Strata) -> Floats:
    """S_h^2 of each rate (TPR and FPR of each verifier; no row where none is decided) in each stratum."""
    right = guessed(verdicts, strata)[strata.of]
    accepts, decided = np.nan_to_num(verdicts), ~np.isnan(verdicts)
    spreads: list[Floats] = []
    for share in (right, 1 - right):
        for accept, known in zip(accepts, decided, strict=True):
            counted = (known * share).sum()
            if not counted:
                continue
            residual = (accept - (accept * share).sum() / counted * known) / counted
            mean = np.bincount(strata.of, residual * share, len(strata.size)) / strata.size
            square = np.bincount(strata.of, residual**2 * share, len(strata.size)) / strata.size
            spreads.append(np.maximum(square - mean**2, 0))
    return np.stack(spreads) if spreads else np.zeros((0, len(strata.size)))


def ordered(strata: Strata, weight: Floats, key: Floats) -> Ints:
    """All responses in the order in which to label them.

    FEWEST of every stratum come first; each further one is of the stratum where it takes most off the variance: that
    with the largest weight / sqrt(n (n + 1)) (Wright 2012, The American Statistician 66:217, exact optimal allocation).

    Args:
        weight: Of each stratum, as `importance` gives it.
        key: A random number for each response; a stratum is labelled by it.
    """
    drawn = ranks(strata, key)
    gain = weight[strata.of] / np.sqrt(np.maximum(drawn, 1) * (drawn + 1.0))
    return np.lexsort((strata.of, -gain, np.where(drawn < FEWEST, drawn, FEWEST)))


def ranks(strata: Strata, key: Floats) -> Ints:
    """How many responses of its stratum stand before each."""
    order = np.lexsort((key, strata.of))
    starts = np.cumsum(strata.size) - strata.size
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - starts[strata.of[order]]
    return places
