"""Which verifier to train on, before any training: what the base's training samples and verdicts alone predict.

Takes a Run that has the base's samples on the training split; gives a Plan. Each arm's selection is run on the stored
samples and verdicts, and what it keeps predicts the gain of every iteration (`forecast.py`); a verifier of the suite
that trains no arm is taken as if it trained one with the first arm's selection. The gold's labels of some problems (the
first N, or all) say which kept texts are right. TPR and FPR are printed beside the prediction, and are not what it is
made from: two verifiers with the same rates may keep texts of different precision.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from restem.harness.errors import ConfigError
from restem.harness.names import BASE, LABEL, can_be_asked
from restem.harness.sampling_settings import measuring_settings
from restem.reports.analysis.findings import TRAIN, confusion
from restem.reports.analysis.forecast import Forecast, ahead, forecast, share_of
from restem.reports.analysis.imported import imported_place
from restem.reports.analysis.probe import Tried, accepting_attacks, problems_probed
from restem.reports.data.imported import as_base
from restem.reports.data.run import EM, Arm, Run
from restem.reports.stats import predictor, reward_quality
from restem.reports.stats.estimates import Estimate, Floats

VERSION = 2
SELECTION = {"rule": "filter", "cap": 10, "dedupe": True}  # what is planned for an import: the default suite's
SETTLED = 0.95  # probability of gaining more from which on two verifiers count as told apart


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedIteration:
    """What one iteration is predicted to bring.

    Attributes:
        kept_precision: Share of right ones among the texts that are trained on.
        gain: In accuracy on problems like the labelled ones.
        change: In the log-odds of accuracy, by which a plan is carried to problems of another difficulty.
    """

    kept_precision: Estimate
    gain: Estimate
    change: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prospect:
    """What training on one verifier, by one selection, is predicted to do.

    Attributes:
        name: Of the arm; of the verifier where it trains none.
        coverage: Share of the base's training samples that it decided.
        accepted: Share of them that it accepted.
        quality: TPR, FPR and so on, on the labelled problems.
        kept: Kept texts a problem.
        poisoned: Share of the problems whose kept texts are all wrong.
        share: Of the ceiling's gain in the last iteration; None where there is no ceiling, or this is it.
    """

    name: str
    verifier: str
    fingerprint: str
    gold: bool
    control: bool
    coverage: float
    accepted: float
    quality: reward_quality.RewardQuality
    kept: float
    poisoned: float
    iterations: tuple[PlannedIteration, ...]
    share: Estimate | None

    @property
    def gain(self) -> Estimate:
        """After the last iteration."""
        return self.iterations[-1].gain


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProspectPair:
    """Two prospects, the better one first.

    Attributes:
        difference: Of their predicted gains after the last iteration.
        ahead: Probability that the first one gains more, with the predictor's own error in it.
        labels: Labelled problems with which that probability reaches SETTLED, if the difference is as it looks;
            infinite where the predictor's own error alone keeps it below.
    """

    left: str
    right: str
    difference: Estimate
    ahead: float
    labels: float

    @property
    def settled(self) -> bool:
        return self.ahead >= SETTLED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Prospects by predicted gain, best first, and every pair of them.

    Attributes:
        problems_sha256: Of the training problems with their references, in any order.
        sampling: How the base was sampled: the settings that change what accuracy means.
        labels: Problems whose gold labels were used.
        accuracy: Of the base on these.
        distinct: Precision of the base's distinct texts: training on texts of this precision changes nothing.
        without: Verifiers of the run that have judged no training sample of the base.
        early: Whether no policy had been trained yet.
        step: Of an imported run the checkpoint whose samples stand for the base's, and their split; else empty.
        accepting_attacks: Verifiers, controls left out, that accept an attack of the probe on some problem.
        problems_probed: Number of problems that the probe was constructed for.
    """

    suite: str
    base_sha256: str
    problems_sha256: str
    sampling: dict[str, Any]
    labels: int
    problems: int
    accuracy: Estimate
    distinct: Estimate
    prospects: tuple[Prospect, ...]
    pairs: tuple[ProspectPair, ...]
    without: tuple[str, ...]
    early: bool
    accepting_attacks: tuple[Tried, ...]
    problems_probed: int
    step: str = ""


def make(run: Run, *, labels: int | None = None, checkpoint: str | None = None) -> Plan:
    """The plan from the base's training samples; of an imported run from those of one of its steps.

    Args:
        labels: Use the gold's verdicts on the first problems only, this many; all where None.
        checkpoint: The step; where None the last one that has two samples of a problem.

    Raises:
        ConfigError: The base has no training samples, the suite has no arms, or the gold decided none of the samples.
    """
    if run.imported:
        return _of_step(run, labels, checkpoint)
    if checkpoint is not None:
        raise ConfigError("--checkpoint goes with an imported run; a plan of this run is made from its base")
    return _make(run, labels)


def _of_step(run: Run, labels: int | None, checkpoint: str | None) -> Plan:
    """The plan as if training with the default selection began at a step of an imported run."""
    if checkpoint is not None and checkpoint not in run.checkpoints:
        known = ", ".join([*run.checkpoints][-3:])
        raise ConfigError(f"--checkpoint {checkpoint}: expected a step of this run, as {known}")
    step, split = imported_place(run, checkpoint, fewest=2)
    if step is None or split is None:
        raise ConfigError(
            f"no problem has two samples at {checkpoint or 'any step'}: a gain is predicted from what a verifier keeps "
            "of several responses"
        )
    names = [name for name in (run.gold, *run.compared) if name in run.outcomes and name != LABEL]
    arms = [{"name": name, "verifier": name, "selection": SELECTION} for name in names]
    suite = {**run.suite, "arms": arms, "iterations": 1}
    seen = as_base(dataclasses.replace(run, facts={**run.facts, "suite": suite}), step, split)
    return dataclasses.replace(_make(seen, labels), step=f"{step}, {split}", early=True)


def _make(run: Run, labels: int | None) -> Plan:
    rows, size = run.rows(BASE, TRAIN), run.size(TRAIN)
    if not len(rows):
        raise ConfigError("no training samples of the base here; `restem run SUITE --until base` draws them")
    if not _by_em(run):
        raise ConfigError(
            "no arms in the suite of this run that are trained by EM, so that there is no selection to plan with"
        )
    used = min(labels or size, size)
    if not confusion(run, rows, TRAIN, run.gold)[:used].sum():
        raise ConfigError(
            f"the gold, {run.gold or 'of which there is none'}, decided none of the samples of {used} problems; "
            "without a gold, `restem label` draws responses for a person to label, and compares the verifiers by them"
        )
    arms = [arm for arm in _arms(run) if run.scored(arm.verifier, rows)]
    forecasts = {arm.name: forecast(run, arm, [arm], used) for arm in arms}
    gains = {name: each.iterations[-1].gain(each.accuracy) for name, each in forecasts.items()}
    ceiling = next((gains[arm.name] for arm in arms if arm.gold), None)
    prospects = sorted(
        (_prospect(run, each, gains[name], ceiling) for name, each in forecasts.items()),
        key=lambda prospect: (math.isnan(prospect.gain.value), -prospect.gain.value),
    )
    known, any_forecast = (run.gold, *run.compared), forecasts[_usual(arms).name]
    return Plan(
        suite=str(run.suite.get("name", "")),
        **origin(run),
        labels=used,
        problems=size,
        accuracy=any_forecast.estimate(any_forecast.accuracy),
        distinct=any_forecast.estimate(any_forecast.distinct),
        prospects=tuple(prospects),
        pairs=_pairs([prospect.name for prospect in prospects], forecasts, gains, used),
        without=tuple(name for name in known if name and can_be_asked(name) and not run.scored(name, rows)),
        early=all(checkpoint.iteration == 0 for checkpoint in run.checkpoints.values()),
        accepting_attacks=tuple(accepting_attacks(run, [name for name in known if name not in run.controls])),
        problems_probed=problems_probed(run),
    )


def _arms(run: Run) -> list[Arm]:
    """The arms of the suite, and one for each verifier that trains none, with the selection of the first usual arm."""
    planned = _by_em(run)
    taken = {name for arm in planned for name in (arm.name, arm.verifier)}
    idle = [name for name in (run.gold, *run.compared) if name not in taken]
    made = [
        dataclasses.replace(
            _usual(planned), name=name, verifier=name, gold=name == run.gold, control=name in run.controls
        )
        for name in idle
    ]
    return [*planned, *made]


def _by_em(run: Run) -> list[Arm]:
    """The arms that have a selection: GRPO has none, and nothing is predicted of it."""
    return [arm for arm in run.arms if arm.algorithm == EM]


def _usual(arms: Sequence[Arm]) -> Arm:
    """The first arm whose gain can be predicted; the first one where there is none."""
    return next((arm for arm in arms if arm.predictable), arms[0])


def origin(run: Run) -> dict[str, Any]:
    """What a plan must share with the run that it is checked against: base, training problems, sampling."""
    problems = sorted((problem.id, problem.question, problem.reference) for problem in run.problems.get(TRAIN, ()))
    return {
        "base_sha256": run.base_hashes[0],
        "problems_sha256": hashlib.sha256(json.dumps(problems).encode()).hexdigest(),
        "sampling": measuring_settings(run.suite.get("sampling") or {}),
    }


def _prospect(run: Run, planned: Forecast, gains: Floats, ceiling: Floats | None) -> Prospect:
    rows, arm = run.rows(BASE, TRAIN), planned.arm
    verdict = run.outcome(arm.verifier, rows)
    share = None if ceiling is None or arm.gold else planned.estimate(share_of(gains, ceiling))
    return Prospect(
        name=arm.name,
        verifier=arm.verifier,
        fingerprint=run.fingerprints.get(arm.verifier, ""),
        gold=arm.gold,
        control=arm.control,
        coverage=float(np.mean(~np.isnan(verdict))),
        accepted=float(np.mean(verdict == 1)),
        quality=reward_quality.reward_quality(confusion(run, rows, TRAIN, arm.verifier)[: len(planned.counts)]),
        kept=planned.kept,
        poisoned=planned.poisoned,
        iterations=tuple(
            PlannedIteration(
                kept_precision=planned.estimate(step.kept),
                gain=planned.estimate(step.gain(planned.accuracy)),
                change=planned.estimate(step.change + step.error),
            )
            for step in planned.iterations
        ),
        share=share,
    )


def _pairs(
    ranked: Sequence[str], forecasts: Mapping[str, Forecast], gains: Mapping[str, Floats], labels: int
) -> tuple[ProspectPair, ...]:
    known = [name for name in ranked if not math.isnan(gains[name][0])]
    return tuple(
        ProspectPair(
            left=left,
            right=right,
            difference=forecasts[left].estimate(gains[left] - gains[right]),
            ahead=ahead(gains[left], gains[right]),
            labels=_labels_needed(forecasts[left], forecasts[right], labels),
        )
        for left, right in itertools.combinations(known, 2)
    )


def _labels_needed(left: Forecast, right: Forecast, labels: int) -> float:
    """Labelled problems with which the left is ahead of the right with probability SETTLED.

    The error of the difference in log-odds has a part that shrinks with labels and the predictor's own, which does not:
    effect = t sqrt(by problem / labels + 2 ERROR^2). Infinite where its own part is too large already, NaN where the
    labelled problems show no spread.
    """
    change = left.iterations[-1].change - right.iterations[-1].change
    effect, by_problem = float(change[0]), float(np.nanvar(change[1:])) * labels
    if math.isnan(effect) or not by_problem > 0:
        return math.nan
    room = (effect / float(stdtrit(predictor.FREEDOM, SETTLED))) ** 2 - 2 * predictor.ERROR**2
    return math.ceil(by_problem / room) if room > 0 and effect > 0 else math.inf


class PlanDifference(enum.StrEnum):
    """The reasons for which a plan does not apply to a run."""

    BASE = "base_sha256"
    PROBLEMS = "problems_sha256"
    SAMPLING = "sampling"


def plan_differences(run: Run, planned: Mapping[str, Any]) -> list[PlanDifference]:
    """What a run does not share with a plan; a plan that does not record something is not held to it.

    Args:
        planned: Its `base_sha256`, `problems_sha256` and `sampling`, as `origin` gives them.
    """
    here = origin(run)
    # A plan of an earlier version names fewer settings of the sampling, and may name none.
    sampling = {**here["sampling"], **(planned.get("sampling") or {})}
    recorded = {**here, **planned, "sampling": sampling}
    if recorded["base_sha256"] in run.base_hashes:
        recorded["base_sha256"] = here["base_sha256"]
    return [key for key in PlanDifference if recorded[key] != here[key]]
