"""A suite's run as a small table: accuracies, gains and the effects that findings speak of, with intervals.

Takes a run folder; gives plain data for docs/paper/NAME.json. All numbers come from reports/analysis and reports/stats:
intervals of differences are of other seeds on other problems, as in the report. Shares are given in percent.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from restem.harness.names import BASE
from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, TRAIN, Findings, Standing, find, majority_by_problem, steps_of_two
from restem.reports.analysis.gain_by_quality import TrainedOn, trained_on
from restem.reports.analysis.quality_over_arms import Group, Measure, quality_over_arms
from restem.reports.analysis.ranking import claims, rank
from restem.reports.analysis.train_test_gap import train_test_gaps, trained_from
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Counts, Difference, Estimate
from tests.perf.paper_findings import LARGEST_RATIO, Effect

QUALITIES: dict[str, Callable[[TrainedOn, Findings], float]] = {
    "verifier_accuracy": lambda item, shown: _verifier_accuracy(item, shown),
    "youden": lambda item, _: item.youden.value,
    "log_ratio": lambda item, _: _log_ratio(item.ratio.value),
    "precision": lambda item, _: item.precision.value,
}


def rows_of(folder: Path, effects: Sequence[Effect]) -> dict[str, Any]:
    """The table of one run, with the numbers that its suite is there for."""
    with Store(folder) as store:
        run = read_run(store)
    shown = find(run)
    groups = quality_over_arms(shown, rank(shown), trained_on(shown))
    return {
        "suite": run.suite["name"],
        "finished": bool(run.facts.get("finished")),
        "benchmark": run.suite["benchmark"]["name"],
        "seed": run.suite["seed"],
        "seeds": run.suite["replicates"],
        "problems": {split: len(items) for split, items in run.problems.items() if split != "validation"},
        "samples": {key: run.suite["sampling"][key] for key in ("train_samples", "test_samples")},
        "steps": run.suite["training"]["steps"],
        "date": datetime.date.fromtimestamp((folder / "run.db").stat().st_mtime).isoformat(),
        "seconds": round(sum(seconds for (kind, _), (_, seconds) in run.timed.items() if kind == "finished")),
        "versions": {name: run.facts["versions"][name] for name in ("restem-harness", "jax", "gemma", "numpy")},
        "base": _percent(shown.base.accuracy if shown.base else estimates.NOTHING),
        "rows": [*_rows(run, shown)],
        "groups": [_fits(group) for group in groups],
        "effects": {str(effect): _effect(shown, groups, effect) for effect in effects},
    }


def _rows(run: Run, shown: Findings) -> list[dict[str, Any]]:
    """The base and every arm's iterations."""
    gains, quality = claims(shown), {(item.arm.name, item.iteration): item for item in trained_on(shown)}
    gaps = {(row.arm.name if row.arm else "", row.iteration): row for row in train_test_gaps(shown)}
    rows: list[dict[str, Any]] = []
    for key, standing in shown.standings.items():
        if standing.arm and not standing.iteration:
            continue
        row: dict[str, Any] = {"arm": key[0] or BASE, "iteration": key[1], "accuracy": _percent(standing.accuracy)}
        if key in gains:
            row["gain"] = _percent(gains[key])
        voted = standing.arm is not None and standing.arm.selection.rule == "majority"  # not the verifier's choice
        if standing.arm and not voted:
            row["reward"] = _percent(standing.reward)
        if key in quality:
            names = ("precision",) if voted else QUALITIES
            row |= {name: _rounded(QUALITIES[name](quality[key], shown), 3) for name in names}
        if key in gaps and gaps[key].train.n:
            row["train_accuracy"] = _percent(gaps[key].train)
        if shown.samples_per_problem > 8:
            row["pass"] = {str(k): _percent(value)[0] for k, value in standing.passed.items()}
            row["majority"] = _percent(standing.majority)[0]
        row |= {split: _percent(_difference(shown, Effect(measure=split, left=_place(key)))) for split in _further(run)}
        rows.append(row)
    return rows


def _further(run: Run) -> list[str]:
    return [split for split in run.problems if split.startswith("test:")]


def _place(key: tuple[str, int]) -> str:
    return f"{key[0]}/{key[1]}" if key[0] else BASE


def _effect(shown: Findings, groups: Sequence[Group], effect: Effect) -> list[float | None]:
    """The effect's value and its 95 % interval."""
    if effect.measure.startswith("R2 "):
        return _explained(groups, effect.measure.removeprefix("R2 "))
    if effect.measure == "gap":
        return _percent(_gap(shown, effect))
    return _percent(_difference(shown, effect))


def _gap(shown: Findings, effect: Effect) -> Estimate:
    """Left less right on training problems, less the same on test problems; without a right side over the base."""
    name, _, left = effect.left.partition("/")
    if not effect.right:
        found = (
            row for row in train_test_gaps(shown) if row.arm and (row.arm.name, row.iteration) == (name, int(left))
        )
        return next((row.beyond for row in found), estimates.NOTHING)
    run = shown.run
    drawn = trained_from(run, next(arm for arm in run.arms if arm.name == name))
    trained, tested = [], []
    for iteration in (int(left), int(effect.right.partition("/")[2])):
        rows = np.concatenate(drawn[iteration])
        right = run.outcome(run.gold, rows)
        trained.append(estimates.per_problem(right, run.samples.problem[rows], run.size(TRAIN)))
        tested.append(shown.standings[name, iteration].counts)
    on_training, on_test = estimates.paired(*trained), estimates.paired(*tested)
    return estimates.apart(on_training, on_test) if on_training and on_test else estimates.NOTHING


def _difference(shown: Findings, effect: Effect) -> Difference | Estimate:
    """Left less right, of other seeds on other problems; without a right side the left's own share."""
    places = [place for place in (effect.left, effect.right) if place]
    sides = [_counts(shown, place, effect.measure) for place in places]
    if not all(sides):
        return estimates.NOTHING
    summed = [Counts(side.correct.sum(axis=0), side.decided.sum(axis=0)) for side in map(_stacked, sides)]
    if len(sides) == 1:
        return estimates.proportion(*summed[0])
    difference = estimates.paired(*summed)
    if difference is None:
        return estimates.NOTHING
    trained = [side for side, place in zip(sides, places, strict=True) if place != BASE]
    return seeds.with_seeds(difference, [seeds.crossed(_stacked(side)) for side in trained])


def _stacked(side: Sequence[Counts]) -> Counts:
    """Seeds x problems."""
    return Counts(np.stack([counts.correct for counts in side]), np.stack([counts.decided for counts in side]))


def _counts(shown: Findings, place: str, measure: str) -> list[Counts]:
    """What a measure says of every test problem, for each seed of a checkpoint; a share counts as one sample."""
    arm, _, iteration = place.partition("/")
    standing = shown.standings.get(("", 0) if place == BASE else (arm, int(iteration)))
    if standing is None:
        return []
    return [_measured(shown, alone, measure) for alone in standing.replicates or (standing,)]


def _measured(shown: Findings, standing: Standing, measure: str) -> Counts:
    run, most = shown.run, shown.samples_per_problem
    if measure == "accuracy":
        return standing.counts
    if measure == "reward":
        return standing.audited[0]
    if measure.startswith("test:"):
        rows = run.rows(standing.checkpoint, measure)
        return estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(measure))
    passed = {k: estimates.pass_at_k(*standing.counts, k) for k in steps_of_two(most)}
    if measure.startswith("maj@"):
        rows = run.rows(standing.checkpoint, TEST)
        k = int(measure.removeprefix("maj@"))
        share = majority_by_problem(run, rows, run.outcome(run.gold, rows), run.size(TEST), (k,))[k]
    else:
        first, _, second = measure.replace("pass@", "").partition(" - ")
        share = passed[int(first)] - (passed[int(second)] if second else 0)
    known = ~np.isnan(share)
    shares: Any = np.where(known, share, 0.0)
    return Counts(shares, known.astype(np.int64))


def _explained(groups: Sequence[Group], quality: str) -> list[float | None]:
    """R² of a quality of the verifiers and the gain over all arms of a suite, with the report's interval."""
    return _bounds(groups[0].with_gold[Measure(quality)].explained) if len(groups) == 1 else [None] * 3


def _fits(group: Group) -> dict[str, Any]:
    """How each quality goes with the gain over a group's arms, the gold's own among them."""
    fits = {
        measure.value: {"explained": _bounds(fit.explained), "order": _bounds(fit.order)}
        for measure, fit in group.with_gold.items()
    }
    return {"settings": dict(group.settings), "arms": len(group.arms), "fits": fits}


def _bounds(value: Estimate) -> list[float | None]:
    return [_rounded(number, 3) for number in (value.value, value.low, value.high)]


def _verifier_accuracy(item: TrainedOn, shown: Findings) -> float:
    """Of the samples drawn for a step that the verifier and the gold decided: the share with the same outcome."""
    data = next(d for d in shown.data if (d.arm, d.iteration) == (item.arm, item.iteration))
    run, same = shown.run, []
    for replica, checkpoint in data.steps:
        rows = run.choices[checkpoint.id].rows
        verdict, truth = run.outcome(replica.verifier, rows), run.outcome(run.gold, rows)
        same.append((verdict == truth)[~np.isnan(verdict) & ~np.isnan(truth)])
    return float(np.concatenate(same).mean())


def _log_ratio(ratio: float) -> float:
    return max(-LARGEST_RATIO, min(LARGEST_RATIO, math.log(ratio))) if ratio > 0 else -LARGEST_RATIO


def _percent(value: Estimate | Difference) -> list[float | None]:
    """Value and limits in percent; to two digits, so that a limit just below 0 is not stored as 0."""
    return [_rounded(100 * number, 2) for number in (value.value, value.low, value.high)]


def _rounded(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
