"""What reward quality predicts about accuracy: pure functions over numbers and arrays.

With p the pass rate of the policy that is sampled from, t and f the verifier's TPR and FPR on its samples, K samples a
problem and a cap of M kept ones, and verdicts that are independent given the gold:

    F1  odds(pi) = odds(p) t / f             pi: precision of the accepted samples, and accuracy after an ideal step
    F2  logit p_T = logit p_0 + T log(t/f)   after T ideal steps with one t and f
    F3  p' = p + eta (pi - p)                after a real, partial step from a policy with pass rate p
    F4  poisoned = (1 - p t)^K - (1 - a)^K   problems with wrong training samples only; a = p t + (1 - p) f
    F5  precision = sum E[true kept] / sum E[kept], E[kept] = E[min(M, accepted)]   of a capped training set

Every function works element by element. NaN means that the formula is undefined: no sample was accepted, or a rate that
it needs could not be measured.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from restem.reports.stats.estimates import Floats, ratio


def odds(p: ArrayLike) -> Floats:
    """p / (1 - p), infinite at 1."""
    share = np.asarray(p, np.float64)
    with np.errstate(divide="ignore"):
        return share / (1 - share)


def log_odds(p: ArrayLike) -> Floats:
    """log(p / (1 - p)): infinite at 0 and 1, NaN where p is."""
    with np.errstate(divide="ignore"):
        return np.log(odds(p))


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExpectedTrainingSet:
    """What a verifier is expected to leave of each problem's samples: kept, correct among them, poisoned or not."""

    kept: Floats
    right: Floats
    poisoned: Floats

    @property
    def precision(self) -> float:
        """F5: sum of expected correct kept over sum of expected kept samples."""
        return float(ratio(self.right.sum(keepdims=True), self.kept.sum(keepdims=True))[0])


def training_set(correct: Floats, t: float, f: float, cap: int | None = None) -> ExpectedTrainingSet:
    """F4 and F5, exactly: walks each problem's samples in their order and keeps the first `cap` accepted ones.

    Args:
        correct: For each problem (rows) and sample in order (columns) the chance that it is correct: 1 or 0 where the
            gold decided, p where only the pass rate is known (then the sums are F4 and F5 as written above), NaN
            where there is no sample.
        t: TPR; NaN where it could not be measured, which then has no effect.
        f: FPR; likewise.
        cap: Kept samples a problem; None for no cap.
    """
    problems, samples = correct.shape
    most = samples if cap is None else min(cap, samples)
    right = np.nan_to_num(correct) * np.nan_to_num(t)
    wrong = np.nan_to_num(1 - correct) * np.nan_to_num(f)
    count, clean = np.zeros((problems, most + 1)), np.zeros((problems, most + 1))
    count[:, 0] = clean[:, 0] = 1.0
    kept, kept_right = np.zeros(problems), np.zeros(problems)
    for sample in range(samples):
        accepted, is_right, is_wrong = (right + wrong)[:, sample], right[:, sample], wrong[:, sample]
        room = count[:, :most].sum(axis=1)
        kept, kept_right = kept + accepted * room, kept_right + is_right * room
        count, clean = _kept_one(count, accepted, accepted), _kept_one(clean, accepted, is_wrong)
    return ExpectedTrainingSet(kept=kept, right=kept_right, poisoned=clean.sum(axis=1) - count[:, 0])


def _kept_one(states: Floats, leaving: Floats, arriving: Floats) -> Floats:
    """Chances of 0, 1, ... kept samples after one more sample; the last state is full and stays."""
    new = states.copy()
    new[:, :-1] *= 1 - leaving[:, None]
    new[:, 1:] += states[:, :-1] * arriving[:, None]
    return new


def corrected_accuracy(measured: ArrayLike, t: ArrayLike, f: ArrayLike) -> Floats:
    """F6: accuracy behind a verifier's mean reward, (m - f) / (t - f), in [0, 1] (Rogan and Gladen 1978)."""
    spread = np.asarray(t, np.float64) - np.asarray(f)
    return np.clip(ratio(np.asarray(measured) - np.asarray(f), spread), 0.0, 1.0)
