"""What each arm-iteration gained, beside the quality of the verdicts that it was trained on.

Takes Findings; gives one TrainedOn an arm and iteration. The verifier's rates are those on the training samples that
the step was drawn from, of all replicates together; the gain is that of the test split, with the spread between seeds
in its interval. Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from restem.harness.store.records import Checkpoint
from restem.reports.analysis.findings import TRAIN, Findings, TrainingData, confusion
from restem.reports.analysis.ranking import claims
from restem.reports.data.run import Arm
from restem.reports.stats.estimates import Difference, Estimate, Ints
from restem.reports.stats.reward_quality import reward_quality


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """An arm's iteration: the verdicts that it was trained on, and what the arm had gained over the base by then.

    Attributes:
        youden: J of its verifier on the samples drawn for this step; 1 for the gold.
        ratio: LR+ of the same; infinite for the gold.
        precision: Share of the kept samples that the gold calls correct.
        gain: Accuracy after this iteration less that of the base; of other seeds on other problems.
        judged: Counts per training problem of its verifier against the gold on the samples drawn for this step.
    """

    arm: Arm
    iteration: int
    youden: Estimate
    ratio: Estimate
    precision: Estimate
    gain: Difference
    judged: Ints


def trained_on(findings: Findings) -> list[TrainedOn]:
    """All arm-iterations that trained on something and whose gain is known, in the suite's order."""
    gains = claims(findings)
    return [
        _trained_on(findings, item, gains[item.arm.name, item.iteration])
        for item in findings.data
        if (item.arm.name, item.iteration) in gains and item.sampled
    ]


def _trained_on(findings: Findings, item: TrainingData, gain: Difference) -> TrainedOn:
    judged = _judged(findings, item)
    youden, ratio = (_exactly(1.0, item), _exactly(math.inf, item)) if item.arm.gold else _rates(judged)
    return TrainedOn(
        arm=item.arm,
        iteration=item.iteration,
        youden=youden,
        ratio=ratio,
        precision=item.precision,
        gain=gain,
        judged=judged,
    )


def _exactly(value: float, item: TrainingData) -> Estimate:
    """A figure of the gold against itself, which is known without doubt."""
    return Estimate(value=value, low=value, high=value, n=item.sampled, clusters=item.problems)


def _rates(table: Ints) -> tuple[Estimate, Estimate]:
    quality = reward_quality(table)
    return quality.youden, quality.likelihood_ratio


def _judged(findings: Findings, item: TrainingData) -> Ints:
    """Confusion per training problem of the samples drawn for the step, in all replicates."""

    def table(replica: Arm, checkpoint: Checkpoint) -> Ints:
        choice = findings.run.choices.get(checkpoint.id)
        rows = choice.rows if choice else np.zeros(0, np.int64)
        return confusion(findings.run, rows, TRAIN, replica.verifier)

    return np.sum([table(replica, checkpoint) for replica, checkpoint in item.steps], axis=0)
