"""Over-optimisation: the first checkpoint whose reward gap has grown more than its accuracy predicts.

Takes Findings; gives one Parting an arm, as a code and numbers. The gap is the mean reward of the arm's training
verifier less gold accuracy p, on the samples that both decided: f + (t - f - 1) p with the verifier's TPR t and FPR f.
With constant TPR and FPR the gap falls as accuracy rises. Only the part of its change that accuracy does not explain is
evidence of reward hacking. Reward and accuracy are resampled by problem together, so that the problems' difficulty
cancels.
"""

from __future__ import annotations

import dataclasses
import enum
import math

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, Findings, Standing, confusion
from restem.reports.data.run import Arm
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Counts, Estimate, Floats

LEAST = 0.02  # a move of the gap that is of practical interest


class GapMove(enum.StrEnum):
    """How an arm's gap between reward and accuracy has moved."""

    GROWN = "grown"
    """Up by over 2 points more than the new accuracy predicts: the policy has learnt errors of its verifier."""
    FALLEN = "fallen"
    """Over 2 points below what the new accuracy predicts: the verifier accepts less of what is now written."""
    EXPLAINED = "explained"
    """Not shown to have moved more than the new accuracy predicts."""
    NONE = "none"
    """Not shown to have moved at all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parting:
    """The first iteration at which an arm's gap has grown, by over LEAST more than the new accuracy predicts.

    Where there is none, the first at which the gap has moved by more than LEAST, in whichever direction.

    Attributes:
        iteration: None where the gap has never left its start; the figures are then of the last iteration.
        start: The gap on the base's samples.
        change: The gap's change since.
        beyond: What of the change TPR and FPR on the base's samples do not give a policy of the new accuracy.
    """

    arm: str
    iteration: int | None
    start: float
    change: Estimate
    beyond: Estimate

    @property
    def move(self) -> GapMove:
        """What is shown of the gap."""
        if self.iteration is None:
            return GapMove.NONE
        if self.beyond.low > LEAST:
            return GapMove.GROWN
        return GapMove.FALLEN if self.beyond.high < -LEAST else GapMove.EXPLAINED


def partings(findings: Findings) -> list[Parting]:
    """One for every arm that has a gap: all but the gold's."""
    return [parting for arm in findings.run.arms if not arm.gold and (parting := _parting(findings, arm))]


def _parting(findings: Findings, arm: Arm) -> Parting | None:
    chain = sorted((s for (name, _), s in findings.standings.items() if name == arm.name), key=lambda s: s.iteration)
    if len(chain) < 2 or chain[0].iteration or chain[0].gap is None:
        return None
    slope = _slope(findings, arm)
    moves = [(s.iteration, gap_change(chain[0], s), _beyond(chain[0], s, slope)) for s in chain[1:]]
    grown = [move for move in moves if move[1].low > 0 and move[2].low > LEAST]
    left = grown or [move for move in moves if move[1].low > LEAST or move[1].high < -LEAST]
    iteration, change, beyond = (left or moves[-1:])[0]
    return Parting(
        arm=arm.name,
        iteration=iteration if left else None,
        start=chain[0].gap.value,
        change=change,
        beyond=beyond,
    )


def gap_change(start: Standing, now: Standing) -> Estimate:
    """How far the gap between reward and accuracy has moved, with its interval from resampled problems."""
    return _estimate(_gap(now) - _gap(start), now)


def _slope(findings: Findings, arm: Arm) -> Floats:
    """t - f - 1, what the gap moves by a gained point: itself on the base's samples, then that of each resample."""
    run = findings.run
    rows = run.rows(BASE, TEST)
    table = np.sum([confusion(run, rows, TEST, replica.verifier) for replica in run.replicates(arm)], axis=0)
    tpr, fpr = reward_quality.rates(np.vstack([table.sum(axis=0), estimates.resampled(table)]))
    return tpr - fpr - 1


def _beyond(start: Standing, now: Standing, slope: Floats) -> Estimate:
    """The gap's change less what that of accuracy gives it while TPR and FPR are as on the base's samples."""
    learnt = _shares(now.audited[1]) - _shares(start.audited[1])
    return _estimate(_gap(now) - _gap(start) - slope * learnt, now)


def _estimate(draws: Floats, now: Standing) -> Estimate:
    """The first draw is the value; the others give the interval: none below two problems, which resample alike."""
    low, high = estimates.percentiles(draws[1:]) if now.accuracy.clusters > 1 else (math.nan, math.nan)
    return Estimate(value=float(draws[0]), low=low, high=high, n=now.n, clusters=now.accuracy.clusters)


def _gap(standing: Standing) -> Floats:
    """The gap itself first, then that of each resample."""
    reward, gold = standing.audited
    return _shares(reward) - _shares(gold)


def _shares(counts: Counts) -> Floats:
    correct, decided = (np.append(count.sum(), estimates.resampled(count)) for count in counts)
    return estimates.ratio(correct, decided)
