"""A second opinion without a gold: what verifiers' agreement alone says of their errors (Dawid and Skene 1979).

Takes ratings (verifiers x samples: 1, 0, NaN for missing); gives sensitivities, specificities and a prevalence. The
model has one hidden class a sample and errors that are independent given it. **Where verifiers share errors it is
wrong with confidence**: it takes the shared error for the truth and blames the verifiers that are right. Shared errors
show as residual correlations of pairs, which `fit` returns, but only from four verifiers on: three leave the model as
many rates as the table has cells, and its residuals vanish whatever happened. Never a reference, always beside the
gold.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from restem.reports.stats.estimates import TINY, Floats, ratio

FEWEST = 3  # verifiers; with two the model has more parameters than the table of their verdicts has cells
MOST_ROUNDS = 5000
CLOSE = 1e-9  # change of a posterior below which the fit has converged


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LatentClasses:
    """What the model makes of the ratings; arrays are in the verifiers' order.

    Attributes:
        sensitivity: Chance that the verifier accepts a sample of the hidden class "correct".
        specificity: Chance that it rejects one of the other class.
        residual: Pairs' observed correlation less the model's; far from 0 where errors are shared. NaN on the diagonal
            and for a pair of which one never varies.
        converged: Whether no posterior moved by more than CLOSE in the last round.
    """

    n: int
    prevalence: float
    sensitivity: Floats
    specificity: Floats
    residual: Floats
    rounds: int
    converged: bool


def fit(ratings: Floats) -> LatentClasses | None:
    """The maximum-likelihood fit by EM, started from the majority's verdicts; deterministic.

    Returns:
        None with fewer than three verifiers, or no verdict: the model is not identified.
    """
    if len(ratings) < FEWEST or np.isnan(ratings).all():
        return None
    accepts, decided, weight = _patterns(ratings)
    posterior, rounds, moved = accepts.sum(axis=1) / decided.sum(axis=1), 0, np.inf
    while moved > CLOSE and rounds < MOST_ROUNDS:
        prevalence, sensitivity, specificity = _rates(accepts, decided, weight, posterior)
        new = _posterior(accepts, decided, prevalence, sensitivity, specificity)
        posterior, moved, rounds = new, float(np.abs(new - posterior).max()), rounds + 1
    prevalence, sensitivity, specificity = _rates(accepts, decided, weight, posterior)
    return LatentClasses(
        n=int(weight.sum()),
        prevalence=prevalence,
        sensitivity=sensitivity,
        specificity=specificity,
        residual=_residual(accepts, decided, weight, posterior, sensitivity + specificity - 1),
        rounds=rounds,
        converged=moved <= CLOSE,
    )


def _patterns(ratings: Floats) -> tuple[Floats, Floats, Floats]:
    """The distinct rows of verdicts as accepts and decided (patterns x verifiers), and how often each occurs."""
    known = ~np.isnan(ratings)
    used = known.any(axis=0)
    code = np.where(known, np.nan_to_num(ratings), 2).astype(np.int8)[:, used]
    rows, weight = np.unique(np.ascontiguousarray(code.T), axis=0, return_counts=True)
    return (rows == 1).astype(np.float64), (rows != 2).astype(np.float64), weight.astype(np.float64)


def _rates(accepts: Floats, decided: Floats, weight: Floats, posterior: Floats) -> tuple[float, Floats, Floats]:
    """M-step. A rate that no sample shows is NaN."""
    correct, wrong = weight * posterior, weight * (1 - posterior)
    sensitivity = ratio(correct @ accepts, correct @ decided)
    specificity = ratio(wrong @ (decided - accepts), wrong @ decided)
    return float(correct.sum() / weight.sum()), sensitivity, specificity


def _posterior(accepts: Floats, decided: Floats, prevalence: float, sensitivity: Floats, specificity: Floats) -> Floats:
    """E-step: each pattern's chance of the class "correct", by Bayes on the logit scale; no rate is quite 0 or 1."""
    prior, hit, pass_ = (np.clip(x, TINY, 1 - TINY) for x in (prevalence, sensitivity, 1 - specificity))
    rejects = decided - accepts
    given_correct = xlogy(accepts, hit) + xlog1py(rejects, -hit)
    given_wrong = xlogy(accepts, pass_) + xlog1py(rejects, -pass_)
    evidence = np.nansum(given_correct - given_wrong, axis=1)
    return expit(np.log(prior / (1 - prior)) + evidence)


def _residual(accepts: Floats, decided: Floats, weight: Floats, posterior: Floats, youden: Floats) -> Floats:
    """Pairs' correlation less what the hidden class explains, on samples that both decided (Qu, Tan, Kutner 1996)."""
    count = (decided * weight[:, None]).T @ decided
    correct = ratio((decided * (weight * posterior)[:, None]).T @ decided, count)
    left = ratio((accepts * weight[:, None]).T @ decided, count)
    both = ratio((accepts * weight[:, None]).T @ accepts, count)
    spread = np.sqrt(left * (1 - left) * left.T * (1 - left.T))
    explained = correct * (1 - correct) * np.outer(youden, youden)
    residual = ratio(both - left * left.T - explained, spread)
    np.fill_diagonal(residual, np.nan)
    return residual
