"""The law beside the run: predicted and observed accuracy of every step, predicted and audited training data.

Takes Findings; gives, per arm and iteration, what `stats/law.py` predicts from the verifier's quality on the training
samples of the sampling policy and that policy's accuracy on the test split, with the observed values. One free
parameter, eta, is fitted on the gold arm and used for the other arms unchanged. Where the M-step starts again from the
base, F3's p is the base's accuracy, and pi still that of the data: the policy moves from where training started towards
the accuracy of its data. Every figure is a mean over the arm's replicates. Problems of the test and of the training
split are resampled, and everything that a prediction uses is computed anew in each resample: so its interval holds for
other problems and these seeds. The residual has an interval for other seeds as well. For it each replicate is treated
as a separate run and predicted with the eta of its own gold arm, so that the variance that seeds give to eta is in it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from restem.harness.names import BASE, unmarked
from restem.harness.store.records import Checkpoint
from restem.reports.analysis.findings import TEST, TRAIN, Findings, TrainingData, confusion
from restem.reports.analysis.selection import expected_training_set, selectable
from restem.reports.data.run import Arm, Run, base_of, tested
from restem.reports.stats import estimates, law, reward_quality
from restem.reports.stats.estimates import Estimate, Floats, Ints
from restem.reports.stats.seeds import of_both


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """A prediction and the observation, with intervals by problem.

    Attributes:
        seeded: The residual, of other seeds on other problems; NaN limits where there is one replicate alone.
    """

    predicted: Estimate
    observed: Estimate
    residual: Estimate
    seeded: Estimate


def within(estimate: Estimate) -> bool:
    """Whether 0 lies within the interval."""
    return estimate.low <= 0 <= estimate.high


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictedStep:
    """One M-step: predicted and observed.

    Attributes:
        before: Gold accuracy on the test split of the policy that was sampled from.
        quality: The training verifier's quality on the training samples of that policy.
        ideal: F1: accuracy after an ideal step.
        ideal_chain: F2: accuracy after as many ideal steps from the base, with the quality seen at the base.
        accuracy: F3, a partial step with the gold arm's eta, beside the new checkpoint's gold accuracy on the test
            split.
        change: The same as changes of log-odds from the policy that training started from.
    """

    arm: str
    gold: bool
    control: bool
    iteration: int
    before: float
    quality: reward_quality.RewardQuality
    ideal: Estimate
    ideal_chain: float
    accuracy: Compared
    change: Compared


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
    """A step's ingredients in one replicate: the value itself first, then one for each resample.

    Attributes:
        seed: What follows the names of this replicate.
        start: Accuracy of the policy that training started from: the base, where the M-step starts again.
    """

    seed: str
    before: Floats
    start: Floats
    after: Floats
    tpr: Floats
    fpr: Floats

    @property
    def ideal(self) -> Floats:
        return law.filtered_precision(self.before, self.tpr, self.fpr)


def predict(findings: Findings) -> tuple[Estimate, list[PredictedStep]]:
    """Eta of the gold arm, and every step of every arm as the law predicts it and as it was observed."""
    drawn = [(item, [_draw(findings.run, *step) for step in item.steps]) for item in findings.data]
    gold = [draws for item, replicates in drawn if item.arm.gold for draws in replicates]
    eta = _eta(gold)
    alone = {seed: _eta([draws for draws in gold if draws.seed == seed]) for seed in {draws.seed for draws in gold}}
    return _estimate(eta, findings), [_step(findings, item, each, eta, alone) for item, each in drawn]


def _eta(gold: Sequence[_Draws]) -> Floats:
    if not gold:
        return np.full(estimates.DRAWS + 1, np.nan)
    start = np.stack([draws.start for draws in gold])
    ideal = np.stack([draws.ideal for draws in gold])
    after = np.stack([draws.after for draws in gold])
    return law.fitted_eta(start, ideal, after)


def _draw(run: Run, arm: Arm, trained: Checkpoint) -> _Draws:
    sampled_from = base_of(trained)
    table = confusion(run, run.rows(sampled_from, TRAIN), TRAIN, arm.verifier)
    if not len(table):
        table = np.zeros((1, 4), np.int64)
    tpr, fpr = reward_quality.rates(np.vstack([table.sum(axis=0), estimates.resampled(table)]))
    return _Draws(
        seed=arm.name.removeprefix(unmarked(arm.name)),
        before=_accuracy(run, sampled_from),
        start=_accuracy(run, trained.started_from or sampled_from),
        after=_accuracy(run, trained.id),
        tpr=tpr,
        fpr=fpr,
    )


def _accuracy(run: Run, checkpoint: str) -> Floats:
    """Gold accuracy on the test split: the value, then that of each resample."""
    rows = run.rows(tested(checkpoint), TEST)
    counts = estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(TEST))
    if not run.size(TEST):
        return np.full(estimates.DRAWS + 1, np.nan)
    correct, decided = (np.append(count.sum(), estimates.resampled(count)) for count in counts)
    return estimates.ratio(correct, decided)


def _estimate(draws: Floats, findings: Findings) -> Estimate:
    """The first draw is the value; the others give the interval: none below two problems, which resample alike."""
    base = findings.base
    clusters = base.accuracy.clusters if base else 0
    known = clusters > 1 and not math.isnan(draws[0])
    low, high = estimates.percentiles(draws[1:]) if known else (math.nan, math.nan)
    return Estimate(value=float(draws[0]), low=low, high=high, n=clusters, clusters=clusters)


def _step(
    findings: Findings, item: TrainingData, replicates: Sequence[_Draws], eta: Floats, alone: Mapping[str, Floats]
) -> PredictedStep:
    """The step; `eta` of the gold arm, and `alone` of each of its replicates by itself."""
    run, unknown = findings.run, np.full_like(eta, np.nan)
    start, after = np.stack([draws.start for draws in replicates]), np.stack([draws.after for draws in replicates])
    ideal = np.stack([draws.ideal for draws in replicates])
    own_eta = np.stack([alone.get(draws.seed, unknown) for draws in replicates])
    predicted, with_own_eta = (_partial(start, ideal, each, item) for each in (eta, own_eta))
    at_base = _pooled(run, [(arm, BASE) for arm, _ in item.steps]).sum(axis=0)
    from_base = findings.base.accuracy.value if findings.base else math.nan
    tables = _pooled(run, [(arm, base_of(checkpoint)) for arm, checkpoint in item.steps])
    was = law.log_odds(start)
    with np.errstate(invalid="ignore"):  # infinite less infinite: nothing is known
        change = [law.log_odds(share) - was for share in (predicted, with_own_eta, after)]
    return PredictedStep(
        arm=item.arm.name,
        gold=item.arm.gold,
        control=item.arm.control,
        iteration=item.iteration,
        before=float(np.mean([draws.before[0] for draws in replicates])),
        quality=reward_quality.reward_quality(tables),
        ideal=_estimate(ideal.mean(axis=0), findings),
        ideal_chain=float(law.after_steps(from_base, *reward_quality.rates(at_base), item.iteration)),
        accuracy=_compared(findings, predicted, with_own_eta, after),
        change=_compared(findings, *change),
    )


def _partial(start: Floats, ideal: Floats, eta: Floats, item: TrainingData) -> Floats:
    """F3. Where samples were accepted, an unknown ideal means a rate that could not be measured, so NaN is returned."""
    predicted = law.partial_step(start, ideal, eta)
    return np.where(np.isnan(ideal), np.nan, predicted) if item.accepted else predicted


def _compared(findings: Findings, predicted: Floats, with_own_eta: Floats, observed: Floats) -> Compared:
    """All from values by replicate (rows) and resample (columns); `with_own_eta` has each replicate's own."""
    with np.errstate(invalid="ignore"):  # infinite less infinite, in one replicate or between two: nothing is known
        residual, alone = observed - predicted, observed - with_own_eta
        means = [values.mean(axis=0) for values in (predicted, observed, residual)]
    of_predicted, of_observed, mean = (_estimate(values, findings) for values in means)
    return Compared(
        predicted=of_predicted,
        observed=of_observed,
        residual=mean,
        seeded=of_both(mean.value, alone, mean.clusters),
    )


def _pooled(run: Run, sampled: Sequence[tuple[Arm, str]]) -> Ints:
    """Counts per training problem of each arm's verifier against the gold, on a checkpoint's samples, summed."""
    tables = [confusion(run, run.rows(id, TRAIN), TRAIN, arm.verifier) for arm, id in sampled]
    return np.sum(tables, axis=0)


def forecasts(findings: Findings) -> list[DataForecast]:
    """F4 and F5 for every training set; the quality used is measured on other problems than the set's."""
    return [_forecast(findings.run, item) for item in findings.data if item.sampled]


def _forecast(run: Run, item: TrainingData) -> DataForecast:
    expected = [_expected(run, arm, checkpoint) for arm, checkpoint in item.steps]
    kept = sum(float(part.kept.sum()) for part in expected)
    right = sum(float(part.right.sum()) for part in expected)
    return DataForecast(
        arm=item.arm.name,
        iteration=item.iteration,
        precision=right / kept if kept else math.nan,
        audited=item.precision,
        kept=kept,
        observed_kept=item.kept,
        poisoned=sum(float(part.poisoned.sum()) for part in expected),
        observed_poisoned=item.poisoned,
    )


def _expected(run: Run, arm: Arm, trained: Checkpoint) -> law.ExpectedTrainingSet:
    sampled_from, choice = base_of(trained), run.choices.get(trained.id)
    rows = run.rows(sampled_from, TRAIN)
    rows = rows[np.isin(rows, choice.rows if choice else [])]
    held_out = selectable(run, arm, run.rows(tested(sampled_from), TEST))
    tpr, fpr = reward_quality.rates(confusion(run, held_out, TEST, arm.verifier).sum(axis=0))
    return expected_training_set(run, arm, rows, float(tpr), float(fpr), run.size(TRAIN))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count:
    """A number of successes, and the number that they are out of."""

    part: int
    whole: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class LawTally:
    """How many changes of log-odds came within the interval of what the law predicted.

    Attributes:
        others: Of all arms but the gold's, with intervals by problem.
        controls: Of the control arms among them; None where these are all or none of them.
        seeded: Of the others with an interval over seeds and problems; None where there are none.
        misfit: Iterations at which the gold arm's own residual leaves its interval. Empty with a single step, which
            eta was solved for.
    """

    others: Count
    controls: Count | None
    seeded: Count | None
    misfit: tuple[int, ...]


def tally(steps: Sequence[PredictedStep]) -> LawTally | None:
    """The tally of all steps; None where the law predicted nothing for arms other than the gold's.

    The gold arm is counted apart, as eta was fitted on it: its residuals show only how well one eta fits.
    """
    known = [step for step in steps if not math.isnan(step.change.residual.low)]
    others = [step for step in known if not step.gold]
    if not others:
        return None
    controls = [step for step in others if step.control]
    seeded = [step.change.seeded for step in others if not math.isnan(step.change.seeded.low)]
    gold = [step for step in known if step.gold]
    missed = tuple(step.iteration for step in gold if not within(step.change.residual))
    return LawTally(
        others=_within(others),
        controls=_within(controls) if 0 < len(controls) < len(others) else None,
        seeded=Count(part=sum(map(within, seeded)), whole=len(seeded)) if seeded else None,
        misfit=missed if len(gold) > 1 else (),
    )


def _within(steps: Sequence[PredictedStep]) -> Count:
    return Count(part=sum(within(step.change.residual) for step in steps), whole=len(steps))
