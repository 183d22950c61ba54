"""The law beside the run: predicted and observed accuracy of every step, predicted and audited training data.

Takes Findings; gives, per arm and iteration, what `reports.law` predicts from the verifier's quality on the training
samples of the sampling policy and that policy's accuracy on the test split, with the observed values. One free
number, eta, is fitted on the gold arm and carried to the other arms unchanged. Where the M-step starts again from the
base, F3's p is the base's accuracy, and pi still that of the data: the policy moves from where training started towards
the accuracy of its data. Intervals: problems of the test and of
the training split are resampled, everything that a prediction uses anew in each resample.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from harness.records import BASE
from reports import law, metrics, quality
from reports.findings import TEST, TRAIN, Findings, TrainingData, confusion, measure
from reports.metrics import Estimate, Floats, Ints
from reports.rows import Arm, Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One M-step: predicted and observed.

    Attributes:
        before: Gold accuracy on the test split of the policy that was sampled from.
        start: The same of the policy that training started from: the base, where the M-step starts again.
        quality: The training verifier's quality on the training samples of that policy.
        ideal: F1: accuracy after an ideal step.
        ideal_chain: F2: accuracy after so many ideal steps from the base, with the quality seen at the base.
        predicted: F3: accuracy after a partial step with the gold arm's eta.
        observed: Gold accuracy of the new checkpoint on the test split.
        residual: Observed minus predicted.
    """

    arm: str
    gold: bool
    iteration: int
    before: float
    start: float
    quality: quality.RewardQuality
    ideal: Estimate
    ideal_chain: float
    predicted: Estimate
    observed: float
    residual: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataForecast:
    """F4 and F5: what the verifier's quality on the test samples of the sampling policy says of the training set."""

    arm: str
    iteration: int
    precision: float
    audited: Estimate
    kept: float
    observed_kept: int
    poisoned: float
    observed_poisoned: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Draws:
    """A step's ingredients: the value itself first, then one for each resample."""

    before: Floats
    start: Floats
    after: Floats
    tpr: Floats
    fpr: Floats

    @property
    def ideal(self) -> Floats:
        return law.filtered_precision(self.before, self.tpr, self.fpr)


def predict(findings: Findings) -> tuple[Estimate, list[Step]]:
    """Eta of the gold arm, and every step of every arm with what the law says of it."""
    run = findings.run
    drawn = {(item.arm.name, item.iteration): _draw(run, item) for item in findings.data}
    gold = [draws for item in findings.data if item.arm.gold for draws in [drawn[item.arm.name, item.iteration]]]
    eta = _eta(gold)
    return _estimate(eta, findings), [
        _step(findings, item, drawn[item.arm.name, item.iteration], eta) for item in findings.data
    ]


def _eta(gold: Sequence[_Draws]) -> Floats:
    if not gold:
        return np.full(metrics.DRAWS + 1, np.nan)
    start = np.stack([draws.start for draws in gold])
    ideal = np.stack([draws.ideal for draws in gold])
    after = np.stack([draws.after for draws in gold])
    return law.fitted_eta(start, ideal, after)


def _draw(run: Run, item: TrainingData) -> _Draws:
    table = confusion(run, run.rows(item.sampled_from, TRAIN), TRAIN, item.arm.verifier)
    if not len(table):
        table = np.zeros((1, 4), np.int64)
    tpr, fpr = quality.rates(np.vstack([table.sum(axis=0), metrics.resampled(table)]))
    return _Draws(
        before=_accuracy(run, item.sampled_from),
        start=_accuracy(run, run.checkpoints[item.checkpoint].started_from or item.sampled_from),
        after=_accuracy(run, item.checkpoint),
        tpr=tpr,
        fpr=fpr,
    )


def _accuracy(run: Run, checkpoint: str) -> Floats:
    """Gold accuracy on the test split: the value, then that of each resample."""
    rows = run.rows(checkpoint, TEST)
    counts = metrics.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(TEST))
    if not run.size(TEST):
        return np.full(metrics.DRAWS + 1, np.nan)
    correct, decided = (np.append(count.sum(), metrics.resampled(count)) for count in counts)
    return metrics.ratio(correct, decided)


def _estimate(draws: Floats, findings: Findings) -> Estimate:
    """The first draw is the value; the others give the interval."""
    low, high = metrics.percentiles(draws[1:]) if not math.isnan(draws[0]) else (math.nan, math.nan)
    base = findings.base
    clusters = base.accuracy.clusters if base else 0
    return Estimate(value=float(draws[0]), low=low, high=high, n=clusters, clusters=clusters)


def _step(findings: Findings, item: TrainingData, draws: _Draws, eta: Floats) -> Step:
    run = findings.run
    predicted = law.partial_step(draws.start, draws.ideal, eta)
    if item.accepted:  # a NaN is then a rate that was never seen, not an empty selection
        predicted = np.where(np.isnan(draws.ideal), np.nan, predicted)
    at_base = confusion(run, run.rows(BASE, TRAIN), TRAIN, item.arm.verifier).sum(axis=0)
    base_tpr, base_fpr = quality.rates(at_base)
    from_base = findings.base.accuracy.value if findings.base else math.nan
    return Step(
        arm=item.arm.name,
        gold=item.arm.gold,
        iteration=item.iteration,
        before=float(draws.before[0]),
        start=float(draws.start[0]),
        quality=measure(run, item.sampled_from, TRAIN, item.arm.verifier).quality,
        ideal=_estimate(draws.ideal, findings),
        ideal_chain=float(law.after_steps(from_base, base_tpr, base_fpr, item.iteration)),
        predicted=_estimate(predicted, findings),
        observed=float(draws.after[0]),
        residual=_estimate(draws.after - predicted, findings),
    )


def forecasts(findings: Findings) -> list[DataForecast]:
    """F4 and F5 for every training set; the quality used is measured on other problems than the set's."""
    return [_forecast(findings.run, item) for item in findings.data if item.sampled]


def _forecast(run: Run, item: TrainingData) -> DataForecast:
    arm, chosen = item.arm, run.choices[item.checkpoint].rows
    rows = _trainable(run, arm, run.rows(item.sampled_from, TRAIN))
    rows = rows[np.isin(rows, chosen)]
    held_out = _trainable(run, arm, run.rows(item.sampled_from, TEST))
    tpr, fpr = quality.rates(confusion(run, held_out, TEST, arm.verifier).sum(axis=0))
    expected = law.training_set(_in_order(run, rows), float(tpr), float(fpr), arm.cap)
    return DataForecast(
        arm=arm.name,
        iteration=item.iteration,
        precision=expected.precision,
        audited=item.precision,
        kept=float(expected.kept.sum()),
        observed_kept=item.kept,
        poisoned=float(expected.poisoned.sum()),
        observed_poisoned=item.poisoned,
    )


def _trainable(run: Run, arm: Arm, rows: Ints) -> Ints:
    """Rows that a selection may keep: not cut off and, where it drops duplicates, the first of each text."""
    rows = rows[~run.samples.cut[rows]]
    return rows[run.samples.distinct[rows]] if arm.dedupe else rows


def _in_order(run: Run, rows: Ints) -> Floats:
    """Gold outcomes of rows, a line for each problem, in the order of sampling; NaN where there is no more."""
    problem, gold = run.samples.problem[rows], run.outcome(run.gold, rows)
    first = np.searchsorted(problem, problem)  # rows come problem by problem
    place = np.arange(len(rows)) - first
    table = np.full((run.size(TRAIN), int(place.max(initial=0)) + 1), np.nan)
    table[problem, place] = gold
    return table
