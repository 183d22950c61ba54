"""A reward over the training steps of an imported run: how far it and the gold part, and from which step on.

Takes a Run of imported rollouts; gives traces of reward, accuracy and error rates over the steps of each series, and
the onset of reward hacking, as codes and numbers. A trace has at most MOST points: neighbouring steps are pooled, so
that each point rests on enough problems. Training steps have other problems each, so that differences between steps are
not paired: problems are resampled over all steps together, and what a problem has at several steps moves together.
Holds no English.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np

from restem.harness.store.records import Checkpoint
from restem.reports.analysis.findings import TEST, TRAIN
from restem.reports.analysis.reward_gap import LEAST
from restem.reports.analysis.stability import LEAST as LEAST_DRIFT
from restem.reports.data.run import Run
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Estimate, Floats, Ints
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, ErrorRates

MOST = 20  # points of a trace
FEWEST = 5  # problems of a point below which its change is not tested
SPLITS = (TRAIN, "validation", TEST)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Neighbouring training steps of one series, looked at together.

    Attributes:
        rows: Their samples on the course's split, as rows of the run's samples.
    """

    first: int
    last: int
    rows: Ints


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """The training steps of one series on one split, in their order."""

    series: str
    split: str
    steps: int
    blocks: tuple[Block, ...]

    @property
    def samples(self) -> int:
        return sum(len(block.rows) for block in self.blocks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A verifier on one block's samples.

    Attributes:
        n: Samples that the verifier decided.
        undecided: Share of those it was asked about that it left undecided.
        reward: Share that it accepts: its mean reward after the threshold.
        raw: Mean of the numbers that it gave, in their own unit; NaN where it gave none but 0 and 1.
        accuracy: By the gold, of all samples of the block that the gold decided.
        quality: Against the gold, on samples that both decided.
        gap: Reward less accuracy on the same samples.
    """

    first: int
    last: int
    n: int
    undecided: float
    reward: Estimate
    raw: Estimate
    accuracy: Estimate
    quality: ErrorRates
    gap: Estimate


class Onset(enum.StrEnum):
    """What a trace shows of reward hacking."""

    HACKED = "hacked"
    """Reward rose, accuracy is not shown to have risen, and the gap grew more than the accuracy predicts."""
    OVERSTATED = "overstated"
    """The gap grew more than the accuracy predicts, but accuracy rose as well, or reward is not shown to have risen."""
    NONE = "none"
    """No growth of the gap beyond what the accuracy predicts is shown; false accepts may have grown all the same."""
    ONE_POINT = "one_point"
    """The verifier decided samples of one point alone, so there is nothing to compare."""
    NO_GOLD = "no_gold"
    """The gold decided no sample of at least two points."""
    FEW_PROBLEMS = "few_problems"
    """No later point, or not the first one, has enough problems."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """How reward, accuracy and gap have moved from the first point to a later one.

    Limits hold for all later points of the trace at once (simultaneous 95 % bands), so that looking at each of them
    finds no chance; for other problems, not for other trainings.

    Attributes:
        place: Number of the later point.
        beyond: What of the gap's change TPR and FPR at the first point do not give a policy of the new accuracy.
    """

    place: int
    reward: Estimate
    accuracy: Estimate
    beyond: Estimate

    @property
    def grown(self) -> bool:
        return self.beyond.low > LEAST

    @property
    def hacked(self) -> bool:
        return self.grown and self.reward.low > 0 and not self.accuracy.low > 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """A verifier over the steps of a course.

    Attributes:
        quality: Against the gold, on the samples of all steps.
        onset: What is shown.
        at: Number of the first point at which that is shown; None where nothing is.
        lasts: Whether it is shown at the last point as well.
        moved: The change to each later point that could be tested.
    """

    course: Course
    verifier: str
    points: tuple[Point, ...]
    quality: ErrorRates
    onset: Onset
    at: int | None
    lasts: bool
    moved: tuple[Moved, ...]

    @property
    def ends(self) -> tuple[Point, Point]:
        """The first and the last point at which the verifier decided anything."""
        decided = [point for point in self.points if point.n] or self.points
        return decided[0], decided[-1]

    @property
    def drift(self) -> Estimate:
        """FPR at the last point less that at the first one; nothing where there is one point alone."""
        first, last = self.ends
        return estimates.NOTHING if first is last else estimates.apart(last.quality.fpr, first.quality.fpr)

    @property
    def accepts_more(self) -> bool:
        """Whether false accepts are shown to have grown by a size that matters."""
        return self.drift.low > LEAST_DRIFT

    @property
    def shown(self) -> Moved | None:
        """The change at the onset; where there is none, that to the last point."""
        if self.at is None:
            return self.moved[-1] if self.moved else None
        return next(moved for moved in self.moved if moved.place == self.at)


def courses(run: Run) -> list[Course]:
    """The steps of every series on every split that has samples."""
    series = dict.fromkeys(c.arm or "" for c in run.checkpoints.values())
    splits = [*SPLITS, *sorted(set(run.problems) - set(SPLITS))]
    return [course for name in series for split in splits if (course := _course(run, name, split))]


def _course(run: Run, series: str, split: str) -> Course | None:
    of_series = (c for c in run.checkpoints.values() if (c.arm or "") == series)
    steps = sorted((c for c in of_series if len(run.rows(c.id, split))), key=lambda c: (c.iteration, c.id))
    if not steps:
        return None
    width = math.ceil(len(steps) / MOST)
    blocks = [_block(run, steps[start : start + width], split) for start in range(0, len(steps), width)]
    return Course(series=series, split=split, steps=len(steps), blocks=tuple(blocks))


def _block(run: Run, steps: Sequence[Checkpoint], split: str) -> Block:
    rows = np.concatenate([run.rows(step.id, split) for step in steps])
    return Block(first=steps[0].iteration, last=steps[-1].iteration, rows=rows)


def trace_of(run: Run, course: Course, verifier: str, gold: str) -> Trace | None:
    """A verifier over the steps of a course; None where it was asked about none of its samples."""
    asked = [block for block in course.blocks if run.scored(verifier, block.rows)]
    if not asked:
        return None
    points = tuple(_point(run, block, verifier, gold) for block in asked)
    tables = [_table(run, block, verifier, gold) for block in asked]
    several = sum(point.n > 0 for point in points) > 1
    moved, onset = moved_since(tables) if several else ((), Onset.ONE_POINT)
    hacked, grown = ([m.place for m in moved if getattr(m, name)] for name in ("hacked", "grown"))
    places = hacked or grown
    if places:
        onset = Onset.HACKED if hacked else Onset.OVERSTATED
    return Trace(
        course=course,
        verifier=verifier,
        points=points,
        quality=reward_quality.error_rates(np.sum(tables, axis=0)),
        onset=onset,
        at=places[0] if places else None,
        lasts=bool(places and moved) and places[-1] == max(move.place for move in moved),
        moved=moved,
    )


def _point(run: Run, block: Block, verifier: str, gold: str) -> Point:
    rows = block.rows
    used, place = np.unique(run.samples.problem[rows], return_inverse=True)  # of many thousand problems a block has few
    outcome, truth = run.outcome(verifier, rows), run.outcome(gold, rows)
    asked, decided = run.scored(verifier, rows), ~np.isnan(outcome)
    both = decided & ~np.isnan(truth)
    known = [estimates.per_problem(np.where(both, values, np.nan), place, len(used)) for values in (outcome, truth)]
    gap = estimates.paired(*known)
    return Point(
        first=block.first,
        last=block.last,
        n=int(decided.sum()),
        undecided=1 - float(decided.sum()) / asked if asked else math.nan,
        reward=estimates.proportion(*estimates.per_problem(outcome, place, len(used))),
        raw=_raw(run, verifier, rows, place, len(used)),
        accuracy=estimates.proportion(*estimates.per_problem(truth, place, len(used))),
        quality=reward_quality.error_rates(reward_quality.confusion(outcome, truth, place, len(used))),
        gap=Estimate(value=gap.value, low=gap.low, high=gap.high, n=int(both.sum()), clusters=gap.clusters)
        if gap
        else estimates.NOTHING,
    )


def _raw(run: Run, verifier: str, rows: Ints, problem: Ints, size: int) -> Estimate:
    """Mean of the numbers that a verifier gave: over samples, with the error of a ratio clustered by problem."""
    values = run.raw.get(verifier)
    if values is None:
        return estimates.NOTHING
    given = values[rows]
    known = np.isfinite(given)
    total = np.bincount(problem[known], given[known], minlength=size)
    count = np.bincount(problem[known], minlength=size)
    return estimates.clustered_mean(total, count)


def moved_since(tables: Sequence[Ints]) -> tuple[tuple[Moved, ...], Onset]:
    """The changes since the first point, and why there are none, or that none is shown.

    Args:
        tables: Of each point a verifier's counts per problem against the gold, over the same problems.
    """
    known = [place for place, table in enumerate(tables) if table.any()]
    if len(known) < 2:
        return (), Onset.NO_GOLD
    enough = [place for place in known if (tables[place].sum(axis=1) > 0).sum() >= FEWEST]
    if known[0] not in enough or len(enough) < 2:
        return (), Onset.FEW_PROBLEMS
    draws = {place: _draws(tables[place]) for place in enough}
    start = draws.pop(enough[0])
    slope = _slope(tables[enough[0]], np.sum(tables, axis=0))
    places, n = [*draws], [int(tables[place].sum()) for place in draws]
    clusters = [int((tables[place].sum(axis=1) > 0).sum()) for place in draws]
    reward, accuracy = (np.stack([draws[place][side] - start[side] for place in places]) for side in (0, 1))
    bands = [_bands(values, n, clusters) for values in (reward, accuracy, reward - accuracy - slope * accuracy)]
    moved = [Moved(place=p, reward=r, accuracy=a, beyond=b) for p, r, a, b in zip(places, *bands, strict=True)]
    return tuple(moved), Onset.NONE


def _table(run: Run, block: Block, verifier: str, gold: str) -> Ints:
    """Counts per problem of the run, so that a problem's samples at several steps are resampled together."""
    outcome, truth = run.outcome(verifier, block.rows), run.outcome(gold, block.rows)
    return reward_quality.confusion(outcome, truth, run.samples.problem[block.rows], run.size(TEST))


def _sums(table: Ints) -> Floats:
    """The pooled table, then that of each resample."""
    return np.vstack([table.sum(axis=0)[None].astype(np.float64), estimates.resampled(table)])


def _draws(table: Ints) -> tuple[Floats, Floats]:
    """Mean reward and accuracy on samples that both decided: the values, then each resample's."""
    sums = _sums(table)
    total = sums.sum(axis=1)
    accepted, right = sums[:, TRUE_ACCEPT] + sums[:, FALSE_ACCEPT], sums[:, TRUE_ACCEPT] + sums[:, FALSE_REJECT]
    return estimates.ratio(accepted, total), estimates.ratio(right, total)


def _slope(start: Ints, course: Ints) -> Floats:
    """t - f - 1, what the gap moves by a gained point of accuracy while TPR and FPR stay as at the start.

    A rate that the start does not show is that of the whole course.
    """
    tpr, fpr = (np.where(np.isnan(a), b, a) for a, b in zip(*(_rates(t) for t in (start, course)), strict=True))
    return np.nan_to_num(tpr - fpr - 1)


def _rates(table: Ints) -> tuple[Floats, Floats]:
    return reward_quality.rates(_sums(table))


def _bands(draws: Floats, n: Sequence[int], clusters: Sequence[int]) -> list[Estimate]:
    """Values with limits that hold for all of them at once: the largest studentised distance of each resample.

    Where no resample differs the spread is unknown, not 0: the half width is then 3 / problems (the rule of three).
    """
    value, spread = draws[:, 0], np.nanstd(draws[:, 1:], axis=1)
    flat = ~(spread > estimates.TINY)
    distance = np.abs(draws[:, 1:] - value[:, None]) / np.where(flat, np.inf, spread)[:, None]
    largest = np.nanmax(distance, axis=0)
    half = float(np.quantile(largest, estimates.LEVEL)) * spread
    half = np.where(flat, 3 / np.asarray(clusters), half)
    return [
        Estimate(value=float(v), low=float(v - h), high=float(v + h), n=count, clusters=problems)
        for v, h, count, problems in zip(value, half, n, clusters, strict=True)
    ]
