"""What an imported run cannot show, and how far, as codes and counts.

Takes what analysis/imported.py gives; gives Limits. Holds no English: `restem.reports.pages` words them.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np

from restem.harness.names import RECORDED
from restem.reports.analysis.findings import TEST, TRAIN
from restem.reports.analysis.imported import Imported, rewards

NEARLY_ALL = 0.98


class Limit(enum.StrEnum):
    """What is not known."""

    NO_GOLD = "no_gold"
    """Nothing says which samples are right: no gold is named."""
    GOLD_UNASKED = "gold_unasked"
    """A gold is named that has judged no sample."""
    GOLD_UNDECIDED = "gold_undecided"
    """The gold was asked and decided none."""
    GOLD_PARTIAL = "gold_partial"
    """The gold decided a part of the samples."""
    NO_REFERENCES = "no_references"
    """Problems without a reference answer, on which no verifier by value can decide."""
    NO_REWARD = "no_reward"
    """The source recorded no reward."""
    ONE_STEP = "one_step"
    """Samples of one training step alone."""
    OTHER_PROBLEMS = "other_problems"
    """Training steps have other problems each, so that a change may be one of the problems."""
    NOT_HELD_OUT = "not_held_out"
    """All samples are training rollouts."""
    ONE_SAMPLE = "one_sample"
    """No problem has two samples at a step."""
    ONE_TRAINING = "one_training"
    """One series, so that nothing is known of another training by the same recipe."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NotKnown:
    """One thing that is not known.

    Attributes:
        count: Of problems or samples that it is about.
        whole: Of how many.
        name: Of the gold.
    """

    code: Limit
    count: int = 0
    whole: int = 0
    name: str = ""


def not_known(found: Imported) -> list[NotKnown]:
    """All that the run cannot show, the gold first."""
    run, whole = found.run, found.whole
    limits = [limit for limit in [_gold(found)] if limit]
    problems = whole.problems[TEST]
    without = sum(not problem.references for problem in problems)
    if without:
        limits.append(NotKnown(code=Limit.NO_REFERENCES, count=without, whole=len(problems)))
    if not any(name.startswith(RECORDED) for name in rewards(run)):
        limits.append(NotKnown(code=Limit.NO_REWARD))
    steps = {checkpoint for checkpoint, _ in run.places}
    if len(steps) == 1:
        limits.append(NotKnown(code=Limit.ONE_STEP))
    else:
        again = _problems_seen_again(found)
        if again < NEARLY_ALL * len(problems):
            limits.append(NotKnown(code=Limit.OTHER_PROBLEMS, count=len(problems) - again, whole=len(problems)))
        limits.append(NotKnown(code=Limit.ONE_TRAINING, count=len({course.series for course in found.courses})))
    if all(course.split == TRAIN for course in found.courses):
        limits.append(NotKnown(code=Limit.NOT_HELD_OUT))
    if _most_samples(found) < 2:
        limits.append(NotKnown(code=Limit.ONE_SAMPLE))
    return limits


def _gold(found: Imported) -> NotKnown | None:
    run = found.run
    if not run.gold:
        return NotKnown(code=Limit.NO_GOLD)
    if run.gold not in run.outcomes:
        return NotKnown(code=Limit.GOLD_UNASKED, name=run.gold)
    if not found.gold:
        return NotKnown(code=Limit.GOLD_UNDECIDED, name=run.gold)
    decided, samples = int((~np.isnan(run.outcomes[run.gold].value)).sum()), len(run.samples.id)
    partial = NotKnown(code=Limit.GOLD_PARTIAL, count=decided, whole=samples, name=run.gold)
    return partial if decided < NEARLY_ALL * samples else None


def _problems_seen_again(found: Imported) -> int:
    """Problems that the first and the last point of some course share, or that have samples at several points."""
    size = found.whole.size(TEST)
    seen = np.zeros(size, np.int64)
    for course in found.courses:
        for block in course.blocks:
            seen[np.unique(found.whole.samples.problem[block.rows])] += 1
    return int((seen > 1).sum())


def _most_samples(found: Imported) -> int:
    problem = found.whole.samples.problem
    return max((int(np.bincount(problem[rows]).max()) for rows in found.whole.places.values() if len(rows)), default=0)
