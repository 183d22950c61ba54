"""Which measure of a verifier's quality goes with what training on it gains, over arms that differ in nothing else.

Takes Findings, their Ranking and what `gain_by_quality.py` gives; gives one Group for every set of arms with the same
settings but the verifier. A measure is that of the verdicts on the samples drawn for the first iteration, so known
before any training; the gain is that at the arm's end. PRIME (arXiv:2602.11570) reports R² above .92 for the accuracy
of verifiers. Control arms are counted; the gold's own arm is left out, and counted in a second set of figures. Training
problems, test problems and arms are all resampled. Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from restem.reports.analysis.findings import TRAIN, Findings, TrainingData
from restem.reports.analysis.gain_by_quality import TrainedOn
from restem.reports.analysis.over_optimisation import score_of
from restem.reports.analysis.ranking import Ranking
from restem.reports.data.run import Arm
from restem.reports.stats import association, estimates, reward_quality
from restem.reports.stats.estimates import DRAWS, SEED, Counts, Difference, Estimate, Floats, Ints

FEWEST = 8  # arms: with five, the intervals hold the truth in 80 to 87 % (docs/intervals.md)
DIFFERENT = 3  # of them in a resample, below which every line fits


class Measure(enum.StrEnum):
    """A quality of a verifier's verdicts on the base's training samples."""

    ACCURACY = "accuracy"
    TPR = "tpr"
    FPR = "fpr"
    YOUDEN = "youden"
    LOG_RATIO = "log_ratio"
    """ln LR+, with half a sample more in each cell, so that it is finite."""
    PRECISION = "precision"
    """Share of the accepted samples that the gold calls correct."""
    KEPT = "kept"
    """Precision of what the first iteration was trained on, less that of the base's distinct texts."""
    AUROC = "auroc"
    """By score; of a verifier without scores by outcome. Only where a verifier of the group has scores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """How a measure goes with the gain over arms; nothing where fewer than FEWEST have it.

    Attributes:
        explained: R², what a line in the measure explains of the gain.
        order: Spearman's rank correlation.
    """

    explained: Estimate
    order: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Arms with the same settings but the verifier.

    Attributes:
        settings: In which the groups of a run differ; empty where there is one alone.
        values: Measure -> its value for each arm; NaN where an arm has none.
        gains: Of each arm over the base.
        fits: Measure -> its fit over all arms but the gold's.
        with_gold: The same over all arms.
    """

    settings: Mapping[str, Any]
    arms: tuple[Arm, ...]
    gains: tuple[Difference, ...]
    values: Mapping[Measure, tuple[float, ...]]
    fits: Mapping[Measure, Fit]
    with_gold: Mapping[Measure, Fit]


def quality_over_arms(findings: Findings, ranking: Ranking, steps: Sequence[TrainedOn]) -> list[Group]:
    """A group for each setting of the other keys that has enough arms."""
    gains = {gain.left: gain.claim for gain in ranking.gains}
    first = {step.arm.name: step for step in steps if step.iteration == 1 and step.arm.name in gains}
    groups: dict[str, list[TrainedOn]] = {}
    for step in first.values():
        groups.setdefault(repr(sorted(_others(step.arm).items())), []).append(step)
    large = [group for group in groups.values() if len(group) >= FEWEST]
    return [
        _group(findings, ranking, group, [gains[step.arm.name] for step in group], _telling(group, large))
        for group in large
    ]


def _others(arm: Arm) -> dict[str, Any]:
    return {key: value for key, value in arm.settings.items() if key != "verifier"}


def _telling(group: Sequence[TrainedOn], groups: Sequence[Sequence[TrainedOn]]) -> dict[str, Any]:
    """The settings of a group in which it differs from another one."""
    all_settings = [_others(other[0].arm) for other in groups]
    own = _others(group[0].arm)
    return {key: value for key, value in own.items() if any(other.get(key) != value for other in all_settings)}


def _group(
    findings: Findings,
    ranking: Ranking,
    group: Sequence[TrainedOn],
    gains: Sequence[Difference],
    settings: Mapping[str, Any],
) -> Group:
    arms = tuple(step.arm for step in group)
    data = {item.arm.name: item for item in findings.data if item.iteration == 1}
    measured = [_measured(findings, step, data[step.arm.name]) for step in group]
    if not any(replica.verifier in findings.run.scores for arm in arms for replica in findings.run.replicates(arm)):
        measured = [{m: draws for m, draws in each.items() if m is not Measure.AUROC} for each in measured]
    draws = {measure: np.stack([each[measure] for each in measured], axis=1) for measure in measured[0]}
    gained = np.stack([_gained(findings, ranking, arm) for arm in arms], axis=1)
    informed = np.array([not arm.gold for arm in arms], bool)
    return Group(
        settings=settings,
        arms=arms,
        gains=tuple(gains),
        values={measure: tuple(columns[0].tolist()) for measure, columns in draws.items()},
        fits={measure: _fit(columns, gained, informed) for measure, columns in draws.items()},
        with_gold={measure: _fit(columns, gained, np.ones_like(informed)) for measure, columns in draws.items()},
    )


def _fit(measure: Floats, gained: Floats, used: np.ndarray) -> Fit:
    """Both coefficients over the arms (columns) that are used and have the measure; the first draw is the value."""
    known = used & ~np.isnan(measure[0]) & ~np.isnan(gained[0])
    arms = int(known.sum())
    if arms < FEWEST:
        return Fit(explained=estimates.NOTHING, order=estimates.NOTHING)
    across, up = measure[:, known], gained[:, known]
    drawn = np.random.default_rng((SEED, arms)).integers(arms, size=(DRAWS, arms))
    again = [np.take_along_axis(side[1:], drawn, axis=1) for side in (across, up)]
    few = (np.diff(np.sort(drawn, axis=1), axis=1) > 0).sum(axis=1) + 1 < DIFFERENT

    def estimate(coefficient: Callable[[Floats, Floats], Floats]) -> Estimate:
        draws = np.where(few, np.nan, coefficient(*again))
        return estimates.bootstrapped(float(coefficient(across[:1], up[:1])[0]), draws, arms, arms)

    return Fit(explained=estimate(association.r_squared), order=estimate(association.spearman))


def _gained(findings: Findings, ranking: Ranking, arm: Arm) -> Floats:
    """Gold accuracy at the arm's end less the base's: itself first, then that of each resample of test problems."""
    base = findings.base
    standing = findings.standings[arm.name, ranking.ends[arm.name]]
    return _shares(standing.counts) - (_shares(base.counts) if base else 0.0)


def _measured(findings: Findings, step: TrainedOn, item: TrainingData) -> dict[Measure, Floats]:
    """Every measure: itself first, then that of each resample of training problems."""
    run = findings.run
    tables = _drawn(step.judged)
    accept, wrong_accept, reject, wrong_reject = np.moveaxis(tables, -1, 0)
    tpr, fpr = reward_quality.rates(tables)
    choices = [(replica, run.choices[c.id]) for replica, c in item.steps if c.id in run.choices]
    kept = [_counts(findings, choice.kept) for _, choice in choices]
    distinct = [_counts(findings, _first_of_each(run.samples.text, choice.rows)) for _, choice in choices]
    right, wrong = accept + reject, wrong_accept + wrong_reject
    return {
        Measure.ACCURACY: estimates.ratio(accept + wrong_reject, tables.sum(axis=-1)),
        Measure.TPR: tpr,
        Measure.FPR: fpr,
        Measure.YOUDEN: tpr - fpr,
        Measure.LOG_RATIO: np.log((accept + 0.5) / (right + 1)) - np.log((wrong_accept + 0.5) / (wrong + 1)),
        Measure.PRECISION: estimates.ratio(accept, accept + wrong_accept),
        Measure.KEPT: _shares(_summed(kept)) - _shares(_summed(distinct)),
        Measure.AUROC: _auroc(findings, [(replica.verifier, choice.rows) for replica, choice in choices]),
    }


def _first_of_each(text: Ints, rows: Ints) -> Ints:
    _, first = np.unique(text[rows], return_index=True)
    return rows[first]


def _auroc(findings: Findings, parts: Sequence[tuple[str, Ints]]) -> Floats:
    """Chance that a correct sample scores above a wrong one, ties counted half; scores to two digits."""
    run, size = findings.run, findings.run.size(TRAIN)
    counts = np.zeros((size, 101, 2))
    for verifier, rows in parts:
        score, gold = score_of(run, verifier, rows), run.outcome(run.gold, rows)
        both = ~np.isnan(score) & ~np.isnan(gold)
        level = np.clip(np.round(100 * score[both]), 0, 100).astype(np.int64)
        np.add.at(counts, (run.samples.problem[rows[both]], level, gold[both].astype(np.int64)), 1)
    used = counts.sum(axis=(0, 2)) > 0
    wrong, right = np.moveaxis(_drawn(counts[:, used]), -1, 0)
    below = np.cumsum(wrong, axis=-1) - wrong / 2
    return estimates.ratio((right * below).sum(axis=-1), right.sum(axis=-1) * wrong.sum(axis=-1))


def _counts(findings: Findings, rows: Ints) -> Counts:
    run = findings.run
    return estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(TRAIN))


def _summed(parts: Sequence[Counts]) -> Counts:
    return Counts(np.sum([p.correct for p in parts], axis=0), np.sum([p.decided for p in parts], axis=0))


def _shares(counts: Counts) -> Floats:
    correct, decided = (_drawn(column) for column in counts)
    return estimates.ratio(correct, decided)


def _drawn(values: np.ndarray) -> Floats:
    """The sum over problems (first axis), then that of each resample of them."""
    return np.concatenate([values.sum(axis=0)[None], estimates.resampled(values)])
