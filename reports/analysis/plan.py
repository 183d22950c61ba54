"""Which verifier to train on, before any training: what the base's training samples and verdicts alone predict.

Takes a Run that has the base's samples on the training split; gives a Plan. The gold's labels of some problems (the
first N, or all) give each verifier's TPR and FPR; F1 and F3 then predict the gain of a step, F4 and F5 the training set
under the cap. A plan rests on verdicts on the base alone, while TPR and FPR drift as a policy learns. Eta, the share of
an ideal step that a real one makes, is not known before training: 1 is an upper bound of every gain, and does not
change the order of the verifiers.
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
from scipy.special import ndtr, ndtri

from restem.harness.errors import ConfigError
from restem.harness.names import BASE
from restem.harness.sampling_settings import measuring_settings
from restem.reports.analysis.findings import TRAIN, confusion
from restem.reports.analysis.probe import Tried, accepting_attacks, problems_probed
from restem.reports.analysis.selection import expected_training_set
from restem.reports.data.run import Run
from restem.reports.stats import estimates, law, reward_quality
from restem.reports.stats.estimates import Estimate, Floats, Ints

VERSION = 1
ALPHA = 1 - estimates.LEVEL


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prospect:
    """What training on one verifier is predicted to do.

    Attributes:
        coverage: Share of the base's training samples that it decided.
        accepted: Share of them that it accepted.
        quality: On the labelled problems. Its precision is F1's: the accuracy after an ideal step.
        gain: F3: eta times (precision - accuracy of the base).
        kept: F4: samples kept a problem, under the cap.
        kept_precision: F5: precision of those.
        poisoned: F4: share of the problems whose kept samples are all wrong.
    """

    verifier: str
    fingerprint: str
    gold: bool
    control: bool
    coverage: float
    accepted: float
    quality: reward_quality.RewardQuality
    gain: Estimate
    kept: float
    kept_precision: float
    poisoned: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProspectPair:
    """Two verifiers, the better one first.

    Attributes:
        difference: Of their predicted gains, over the same labelled problems.
        adjusted_p: That there is none, from the resamples' spread; corrected for all pairs (Holm).
        labels: Labelled problems with which such a difference is found 80 % of the time, as the first of all pairs;
            more than there are where these did not show it, as a spread seen on few problems is often too small.
        tests: Test problems, sampled as often as the training problems, with which a full run finds it 80 % of the
            time (F10). At least: policies that differ more on some problems than on others need more.
    """

    left: str
    right: str
    difference: Estimate
    adjusted_p: float
    labels: float
    tests: float

    @property
    def told_apart(self) -> bool:
        return self.adjusted_p < ALPHA


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Prospects by predicted gain, best first, and every pair of them.

    Attributes:
        problems_sha256: Of the training problems with their references, in any order.
        sampling: How the base was sampled: the settings that change what accuracy means.
        labels: Problems whose gold labels were used.
        without: Verifiers of the run that have judged no training sample of the base.
        early: Whether no policy had been trained yet.
        accepting_attacks: Verifiers, controls left out, that accept an attack of the probe on some problem.
        problems_probed: Number of problems that the probe was constructed for.
    """

    suite: str
    base_sha256: str
    problems_sha256: str
    sampling: dict[str, Any]
    eta: float
    labels: int
    problems: int
    accuracy: Estimate
    prospects: tuple[Prospect, ...]
    pairs: tuple[ProspectPair, ...]
    without: tuple[str, ...]
    early: bool
    accepting_attacks: tuple[Tried, ...]
    problems_probed: int


def make(run: Run, *, eta: float = 1.0, labels: int | None = None) -> Plan:
    """The plan from the base's training samples.

    Args:
        eta: M-step efficiency; 1 is an upper bound.
        labels: Use the gold's verdicts on the first problems only, this many; all where None.

    Raises:
        ConfigError: The base has no training samples, or the gold decided none of them.
    """
    rows, size = run.rows(BASE, TRAIN), run.size(TRAIN)
    if not len(rows) or not run.arms:
        raise ConfigError("no training samples of the base here; `restem run SUITE --until base` draws them")
    used = min(labels or size, size)
    base = confusion(run, rows, TRAIN, run.gold)[:used]
    if not base.sum():
        raise ConfigError(f"the gold, {run.gold}, decided none of the base's samples of {used} training problems")
    known = (run.gold, *run.compared)
    judged = [name for name in known if run.scored(name, rows)]
    gains = {name: eta * _ideal_gain(confusion(run, rows, TRAIN, name)[:used], base) for name in judged}
    prospects = sorted(
        (_prospect(run, name, used, gains[name], eta) for name in judged),
        key=lambda prospect: (math.isnan(prospect.gain.value), -prospect.gain.value),
    )
    return Plan(
        suite=str(run.suite.get("name", "")),
        **origin(run),
        eta=eta,
        labels=used,
        problems=size,
        accuracy=reward_quality.reward_quality(base).prevalence,
        prospects=tuple(prospects),
        pairs=_pairs([prospect.verifier for prospect in prospects], gains, used, _noise(base)),
        without=tuple(name for name in known if name not in judged),
        early=all(checkpoint.iteration == 0 for checkpoint in run.checkpoints.values()),
        accepting_attacks=tuple(accepting_attacks(run, [name for name in known if name not in run.controls])),
        problems_probed=problems_probed(run),
    )


def origin(run: Run) -> dict[str, Any]:
    """What a plan must share with the run that it is checked against: base, training problems, sampling."""
    problems = sorted((problem.id, problem.question, problem.reference) for problem in run.problems.get(TRAIN, ()))
    return {
        "base_sha256": str(run.facts.get("base_sha256", "")),
        "problems_sha256": hashlib.sha256(json.dumps(problems).encode()).hexdigest(),
        "sampling": measuring_settings(run.suite.get("sampling") or {}),
    }


def _ideal_gain(table: Ints, base: Ints) -> Floats:
    """What an ideal step gains (F1): the value, then that of each resample of the labelled problems."""
    counted, whole = (np.vstack([counts.sum(axis=0), estimates.resampled(counts)]) for counts in (table, base))
    p = estimates.ratio(whole[:, reward_quality.TRUE_ACCEPT], whole.sum(axis=1))
    return law.filtered_precision(p, *reward_quality.rates(counted)) - p


def _prospect(run: Run, name: str, used: int, gains: Floats, eta: float) -> Prospect:
    rows, gold = run.rows(BASE, TRAIN), name == run.gold
    verdict = run.outcome(name, rows)
    quality = reward_quality.reward_quality(confusion(run, rows, TRAIN, name)[:used])
    low, high = estimates.percentiles(gains[1:])
    if not gold:  # with hardly any false accept the bootstrap has no spread; Wilson's limits have one
        low = min(low, eta * (quality.precision.low - quality.prevalence.value))
        high = max(high, eta * (quality.precision.high - quality.prevalence.value))
    expected = _training_set(run, name, used, quality)
    return Prospect(
        verifier=name,
        fingerprint=run.fingerprints.get(name, ""),
        gold=gold,
        control=name in run.controls,
        coverage=float(np.mean(~np.isnan(verdict))),
        accepted=float(np.mean(verdict == 1)),
        quality=quality,
        gain=Estimate(value=float(gains[0]), low=low, high=high, n=quality.n, clusters=used),
        kept=float(expected.kept.mean()),
        kept_precision=expected.precision,
        poisoned=float(expected.poisoned.mean()),
    )


def _training_set(run: Run, name: str, used: int, quality: reward_quality.RewardQuality) -> law.ExpectedTrainingSet:
    """F4 and F5 on the labelled problems, capped as in the verifier's own arm, or else in the first."""
    arm = next((arm for arm in run.arms if arm.verifier == name), run.arms[0])
    arm, rows = dataclasses.replace(arm, verifier=name), run.rows(BASE, TRAIN)
    return expected_training_set(run, arm, rows, quality.tpr.value, quality.fpr.value, used)


def _noise(base: Ints) -> float:
    """F10: variance that a problem's test samples give to the difference of two policies, each sampled so often."""
    correct, total = base[:, reward_quality.TRUE_ACCEPT], base.sum(axis=1)
    several = total > 1
    p = estimates.ratio(correct[several], total[several])
    return float(np.mean(2 * p * (1 - p) / (total[several] - 1))) if several.any() else math.nan


def _pairs(ranked: Sequence[str], gains: Mapping[str, Floats], labels: int, noise: float) -> tuple[ProspectPair, ...]:
    """Every two verifiers whose gains are known, as one family of tests."""
    known = [name for name in ranked if not math.isnan(gains[name][0])]
    couples = list(itertools.combinations(known, 2))
    draws = [gains[left] - gains[right] for left, right in couples]
    adjusted = estimates.holm([_p_value(difference) for difference in draws])
    return tuple(
        _pair(*names, difference, p, labels, noise, len(couples))
        for names, difference, p in zip(couples, draws, adjusted, strict=True)
    )


def _p_value(draws: Floats) -> float:
    """Two-sided, of a normal difference with the resamples' spread; 1 without a spread."""
    spread = float(np.nanstd(draws[1:]))
    return 2 * float(ndtr(-abs(draws[0]) / spread)) if spread > 0 else 1.0


def _pair(left: str, right: str, draws: Floats, p: float, labels: int, noise: float, family: int) -> ProspectPair:
    low, high = estimates.percentiles(draws[1:])
    value, spread = float(draws[0]), float(np.nanstd(draws[1:]))
    wanted = needed(labels * spread**2, value, family)
    return ProspectPair(
        left=left,
        right=right,
        difference=Estimate(value=value, low=low, high=high, n=labels, clusters=labels),
        adjusted_p=p,
        labels=wanted if p < ALPHA or math.isnan(wanted) else max(wanted, labels + 1),
        tests=needed(noise, value, family),
    )


def needed(variance: float, effect: float, family: int = 1) -> float:
    """Problems that find an effect 80 % of the time as the first of this many tests (Holm); NaN without a spread.

    (z + 0.84)^2 variance / effect^2, z that of 5 % divided by the tests: 1.96 for one alone.
    """
    if math.isnan(effect) or not variance > 0:
        return math.nan
    powered = float(ndtri(1 - ALPHA / 2 / family) + ndtri(estimates.POWER))
    return math.ceil(powered**2 * variance / effect**2) if effect else math.inf


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
    return [key for key in PlanDifference if recorded[key] != here[key]]
