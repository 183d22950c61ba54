"""The scores of verifiers that grade, against the gold: calibration, discrimination, and a threshold to accept at.

Takes a Run; gives one Calibration a verifier with other scores than 0 and 1, over all test samples that it and the gold
decided. Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from restem.reports.analysis.findings import TEST
from restem.reports.analysis.verifier_quality import called, every
from restem.reports.data.run import Run
from restem.reports.stats import calibration, reward_quality
from restem.reports.stats.calibration import Bin
from restem.reports.stats.estimates import Estimate, Floats, Ints
from restem.reports.stats.reward_quality import RewardQuality

MOST_SHOWN = 12  # thresholds; of more distinct scores, tenths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut:
    """The verifier, were it to accept what scores `threshold` or more.

    Attributes:
        accepted: Share of all samples.
        best: Whether J is highest here; chosen on the same samples, so J is flattered.
    """

    threshold: float
    accepted: float
    quality: RewardQuality
    best: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """A verifier's scores against the gold.

    Attributes:
        brier: Mean squared difference of score and gold.
        constant: The Brier score of a verifier that gives every sample the share of correct ones.
        auroc: Chance that a correct sample scores above a wrong one.
        bins: Share of correct samples by score.
        cuts: By threshold; the best one among them.
    """

    verifier: str
    n: int
    brier: Estimate
    constant: float
    auroc: Estimate
    bins: tuple[Bin, ...]
    cuts: tuple[Cut, ...]


def calibrations(run: Run) -> list[Calibration]:
    """Every compared verifier that grades."""
    return [_calibration(run, name, *rows) for name in run.compared if (rows := _scored(run, name))[0].size]


def _scored(run: Run, verifier: str) -> tuple[Floats, Floats, Ints]:
    """Scores, gold outcomes and problems of the test samples of all checkpoints that both decided."""
    parts = [(run.rows(id, TEST), name) for id, (name,) in called(run, every(run), (verifier,)) if name in run.scores]
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in parts)])
    score = np.concatenate([np.zeros(0), *(run.scores[name][rows] for rows, name in parts)])
    gold = run.outcome(run.gold, rows)
    both = ~np.isnan(score) & ~np.isnan(gold)
    return score[both], gold[both], run.samples.problem[rows[both]]


def _calibration(run: Run, verifier: str, score: Floats, gold: Floats, problem: Ints) -> Calibration:
    size, share = run.size(TEST), float(gold.mean())
    return Calibration(
        verifier=verifier,
        n=len(score),
        brier=calibration.brier(score, gold, problem, size),
        constant=share * (1 - share),
        auroc=calibration.auroc(score, gold, problem, size),
        bins=calibration.reliability(score, gold, problem, size),
        cuts=_cuts(score, gold, problem, size),
    )


def _cuts(score: Floats, gold: Floats, problem: Ints, size: int) -> tuple[Cut, ...]:
    distinct = np.unique(score)
    distinct = distinct[distinct > 0]  # to accept from 0 is to accept all
    best = _best(score, gold, distinct)
    shown = distinct if len(distinct) <= MOST_SHOWN else np.unique([*np.arange(1, 10) / 10, *best])
    return tuple(
        Cut(
            threshold=float(threshold),
            accepted=float((score >= threshold).mean()),
            quality=reward_quality.reward_quality(
                reward_quality.confusion((score >= threshold).astype(np.float64), gold, problem, size)
            ),
            best=threshold in best,
        )
        for threshold in shown
    )


def _best(score: Floats, gold: Floats, thresholds: Floats) -> Floats:
    """The threshold with the highest J, the lowest of several; none where the gold's outcomes are all alike."""
    right, wrong = np.sort(score[gold == 1]), np.sort(score[gold == 0])
    if not len(right) or not len(wrong) or not len(thresholds):
        return np.zeros(0)
    below = [np.searchsorted(side, thresholds) / len(side) for side in (right, wrong)]
    return thresholds[[np.argmax(below[1] - below[0])]]
