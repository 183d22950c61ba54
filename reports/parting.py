"""Where reward and accuracy part: the first checkpoint whose Goodhart gap is not the one that training began with.

Takes Findings; gives one Parting an arm, and sentences. The gap is mean reward of the arm's training verifier less gold
accuracy, on the same samples. Its change from the base's gap is resampled by problem, so that the problems' difficulty
cancels; a verifier that is too generous from the start parts only where its policy has learnt to use that.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from reports import metrics
from reports.findings import Findings, Standing
from reports.metrics import Counts, Estimate, Floats
from reports.ranking import signed
from reports.rows import Arm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parting:
    """The first iteration at which an arm's gap has left its start; None where none has.

    Attributes:
        start: The gap on the base's samples.
        change: The gap's change since, at that iteration (else at the last).
    """

    arm: str
    iteration: int | None
    start: float
    change: Estimate


def partings(findings: Findings) -> list[Parting]:
    """One for every arm that has a gap: all but the gold's."""
    return [found for arm in findings.run.arms if not arm.gold and (found := _parting(findings, arm))]


def _parting(findings: Findings, arm: Arm) -> Parting | None:
    own = sorted((s for (name, _), s in findings.standings.items() if name == arm.name), key=lambda s: s.iteration)
    if len(own) < 2 or own[0].iteration or own[0].gap is None:
        return None
    changes = [(standing.iteration, gap_change(own[0], standing)) for standing in own[1:]]
    left = [(iteration, change) for iteration, change in changes if change.low > 0 or change.high < 0]
    iteration, change = left[0] if left else (None, changes[-1][1])
    return Parting(arm=arm.name, iteration=iteration, start=own[0].gap.value, change=change)


def gap_change(start: Standing, now: Standing) -> Estimate:
    """How far the gap between reward and accuracy has moved, with its interval from resampled problems."""
    change = _gap(now) - _gap(start)
    low, high = metrics.percentiles(change[1:])
    return Estimate(value=float(change[0]), low=low, high=high, n=now.n, clusters=now.accuracy.clusters)


def _gap(standing: Standing) -> Floats:
    """The gap itself first, then that of each resample."""
    return _shares(standing.rewarded) - _shares(standing.counts)


def _shares(counts: Counts) -> Floats:
    correct, decided = (np.append(count.sum(), metrics.resampled(count)) for count in counts)
    return metrics.ratio(correct, decided)


def parting_lines(findings: Findings) -> list[str]:
    """Where reward and accuracy part, and which of them goes ahead; in at most three sentences."""
    found = partings(findings)
    ahead = [_told(p) for p in found if p.iteration is not None and p.change.value > 0]
    behind = [_told(p) for p in found if p.iteration is not None and p.change.value < 0]
    together = [p.arm for p in found if p.iteration is None]
    sentences = [f"Reward runs ahead of accuracy, in points, for {', '.join(ahead)}."] if ahead else []
    if behind:
        sentences.append(
            f"Reward falls behind accuracy, as a strict verifier's does, in points, for {', '.join(behind)}."
        )
    if together:
        sentences.append(f"No parting of reward and accuracy is shown for {', '.join(together)}.")
    return sentences


def _told(parting: Parting) -> str:
    low, high = signed(parting.change.low), signed(parting.change.high)
    moved = f"by {signed(parting.change.value)} [{low}, {high}]"
    return f"{parting.arm} from iteration {parting.iteration} on ({moved} from {signed(parting.start)} at the base)"
