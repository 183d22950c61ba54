"""What reward quality predicts about accuracy: pure functions over numbers and arrays.

With p the pass rate of the policy that is sampled from, t and f the verifier's TPR and FPR on its samples, K samples a
problem and a cap of M kept ones, and verdicts that are independent given the gold:

    F1  odds(pi) = odds(p) t / f             pi: precision of the accepted samples, and accuracy after an ideal step
    F2  logit p_T = logit p_0 + T log(t/f)   after T ideal steps with one t and f
    F3  p' = p + eta (pi - p)                after a real, partial step
    F4  poisoned = (1 - p t)^K - (1 - a)^K   problems with wrong training samples only; a = p t + (1 - p) f
    F5  precision = sum E[true kept] / sum E[kept], E[kept] = E[min(M, accepted)]   of a capped training set

Every function works element by element. NaN means that the formula says nothing: no sample was accepted, or a rate that
it needs was never seen.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics import Floats, Ints, ratio


def odds(p: ArrayLike) -> Floats:
    """p / (1 - p), infinite at 1."""
    share = np.asarray(p, np.float64)
    with np.errstate(divide="ignore"):
        return share / (1 - share)


def share(odds: ArrayLike) -> Floats:
    """The probability with these odds; the inverse of `odds`."""
    value = np.asarray(odds, np.float64)
    return np.where(np.isinf(value), 1.0, value / (1 + np.where(np.isinf(value), 0.0, value)))


def acceptance(p: ArrayLike, t: ArrayLike, f: ArrayLike) -> Floats:
    """a = p t + (1 - p) f; a rate that no sample could show (t at p = 0, f at p = 1) is not needed and may be NaN."""
    p, t, f = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in (p, t, f)))
    return np.where(p == 0, 0.0, p * t) + np.where(p == 1, 0.0, (1 - p) * f)


def filtered_precision(p: ArrayLike, t: ArrayLike, f: ArrayLike) -> Floats:
    """F1: pi = p t / a. 1 where f = 0, 0 where t = 0, NaN where nothing is accepted."""
    accepted = acceptance(p, t, f)
    return ratio(np.where(np.asarray(p) == 0, 0.0, np.asarray(p) * np.asarray(t)), accepted)


def after_steps(p: ArrayLike, t: ArrayLike, f: ArrayLike, steps: int) -> Floats:
    """F2: accuracy after `steps` ideal steps with one verifier quality: odds times (t / f) to the power of steps."""
    value = np.asarray(p, np.float64)
    for _ in range(steps):
        value = filtered_precision(value, t, f)
    return value


def partial_step(p: ArrayLike, precision: ArrayLike, eta: ArrayLike) -> Floats:
    """F3: p + eta (pi - p); where nothing was accepted there is no step and p stays."""
    p, precision = np.asarray(p, np.float64), np.asarray(precision, np.float64)
    return np.where(np.isnan(precision), p, p + np.asarray(eta) * (precision - p))


def fitted_eta(p: ArrayLike, precision: ArrayLike, after: ArrayLike) -> Floats:
    """F3 solved for eta by least squares through the origin over the first axis: what the gold arm's steps achieved.

    NaN where no step had anything to gain.
    """
    room = np.asarray(precision, np.float64) - np.asarray(p)
    gained = np.asarray(after, np.float64) - np.asarray(p)
    known = ~np.isnan(room) & ~np.isnan(gained)
    room, gained = np.where(known, room, 0.0), np.where(known, gained, 0.0)
    return ratio(np.sum(gained * room, axis=0), np.sum(room * room, axis=0))


def poisoned(p: ArrayLike, t: ArrayLike, f: ArrayLike, samples: int) -> Floats:
    """F4: chance that a problem is kept with wrong samples only."""
    correct_accepted = np.asarray(p, np.float64) * np.asarray(t)
    return (1 - correct_accepted) ** samples - (1 - acceptance(p, t, f)) ** samples


def poisoned_given(correct: Ints, wrong: Ints, t: float, f: float) -> Floats:
    """F4 given that a problem drew `correct` and `wrong` samples: (1 - t)^correct (1 - (1 - f)^wrong).

    Its mean over binomial draws is `poisoned`. Taken for a run, because p of one problem is not known and putting
    correct / K in its place is biased.
    """
    t, f = np.nan_to_num(t), np.nan_to_num(f)
    return (1 - t) ** correct * (1 - (1 - f) ** wrong)


def kept_given(correct: int, wrong: int, t: float, f: float, cap: int | None) -> tuple[float, float]:
    """F4 and F5 of a problem that drew `correct` and `wrong` samples: expected kept samples, and correct ones of them.

    The cap keeps a uniform choice of the accepted samples.
    """
    right, false = np.meshgrid(np.arange(correct + 1), np.arange(wrong + 1), indexing="ij")
    chance = np.outer(_binomial(correct, float(np.nan_to_num(t))), _binomial(wrong, float(np.nan_to_num(f))))
    accepted = right + false
    kept = accepted if cap is None else np.minimum(accepted, cap)
    share_right = np.divide(right, accepted, out=np.zeros(accepted.shape), where=accepted > 0)
    return float(np.sum(chance * kept)), float(np.sum(chance * kept * share_right))


@functools.lru_cache(maxsize=4096)
def _binomial(n: int, p: float) -> Floats:
    """P(X = 0..n) for X ~ Bin(n, p)."""
    pmf = np.ones(1)
    for _ in range(n):
        pmf = np.append(pmf * (1 - p), 0.0) + np.append(0.0, pmf * p)
    return pmf


def dataset(correct: Ints, wrong: Ints, t: float, f: float, cap: int | None) -> tuple[float, float]:
    """F4 and F5 over problems: expected number of kept samples, and the expected precision of the training set."""
    drawn, times = np.unique(np.stack([correct, wrong]), axis=1, return_counts=True)
    expected = np.array([kept_given(int(c), int(w), t, f, cap) for c, w in drawn.T]).reshape(-1, 2)
    kept, right = (times[:, None] * expected).sum(axis=0)
    return float(kept), float(ratio(right, kept))


def corrected_accuracy(measured: ArrayLike, t: ArrayLike, f: ArrayLike) -> Floats:
    """F6: accuracy behind a verifier's mean reward, (m - f) / (t - f), in [0, 1] (Rogan and Gladen 1978)."""
    spread = np.asarray(t, np.float64) - np.asarray(f)
    return np.clip(ratio(np.asarray(measured) - np.asarray(f), spread), 0.0, 1.0)
