"""A plan.json read back, and the plan in it beside what the run gave.

Takes a file, and Findings; gives what the plan recorded, and a PlanCheck: every planned iteration that was trained.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from pydantic import FiniteFloat

from restem.harness.errors import ConfigError
from restem.reports.analysis import plan
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.plan import PlanDifference, plan_differences
from restem.reports.analysis.ranking import claims
from restem.reports.data.run import EM
from restem.reports.stats import predictor
from restem.reports.stats.estimates import Difference, Estimate, apart

Bounds = tuple[FiniteFloat | None, FiniteFloat | None, FiniteFloat | None]


class _Iteration(pydantic.BaseModel):
    """What the check reads of a planned iteration in a plan.json."""

    gain: Bounds | None
    log_odds: Bounds | None


class _Entry(pydantic.BaseModel):
    """What the check reads of a prospect in a plan.json."""

    name: str
    verifier: str
    fingerprint: str
    gold: bool
    iterations: list[_Iteration]


class _Written(pydantic.BaseModel):
    """What the check reads of a plan.json. One without its problems and sampling is not held to them."""

    labels: int
    early: bool
    base_sha256: str
    problems_sha256: str | None = None
    sampling: dict[str, Any] | None = None
    accuracy: Bounds
    prospects: list[_Entry]


def read_plan(path: Path) -> dict[str, Any]:
    """A plan.json, read back.

    Raises:
        ConfigError: It is none, or of another version, or a field is not as `restem.reports.pages.plan` writes it.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ConfigError(f"{path}: no plan: {error}") from None
    if not isinstance(data, dict) or data.get("version") != plan.VERSION:
        raise ConfigError(
            f"{path}: no plan of version {plan.VERSION}: move it away, or make it anew with `restem report RUN --plan`"
        )
    try:
        _Written.model_validate(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: no plan: {place}: {first['msg']}, found {first['input']!r:.60}") from None
    return data


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckedStep:
    """A planned iteration of an arm, and what was observed.

    Attributes:
        planned_gain: On the labelled training problems.
        carried_gain: With the planned change of log-odds, from this run's base accuracy on the test split.
        residual: Observed less carried gain, both intervals together.
    """

    arm: str
    gold: bool
    iteration: int
    planned_gain: Estimate
    carried_gain: Estimate
    observed_gain: Difference
    residual: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanCheck:
    """A plan compared with the results of a run.

    Attributes:
        differences: Why the plan does not apply to this run; nothing is compared where there are any.
        changed: Arms whose verifier has another fingerprint here than in the plan.
        steps: In the planned order of arms.
        labels: Labelled problems that the plan was made from; early: whether it was made before any training.
        planned_accuracy: Of the base on the training problems; accuracy: on the test problems of this run.
    """

    differences: tuple[PlanDifference, ...]
    changed: tuple[str, ...]
    steps: tuple[CheckedStep, ...]
    labels: int
    early: bool
    planned_accuracy: float
    accuracy: float

    @property
    def order_kept(self) -> tuple[int, int]:
        """Of the pairs of arms at one iteration: how many were observed in the planned order, and all."""
        couples = [(a, b) for a, b in itertools.combinations(self.steps, 2) if a.iteration == b.iteration]
        kept = (
            (a.planned_gain.value > b.planned_gain.value) == (a.observed_gain.value > b.observed_gain.value)
            for a, b in couples
        )
        return sum(kept), len(couples)


def check_plan(findings: Findings, planned: Mapping[str, Any]) -> PlanCheck:
    """The plan that was read back beside this run."""
    written, run = _Written.model_validate(planned), findings.run
    differences = plan_differences(run, planned)
    accuracy = findings.base.accuracy.value if findings.base else math.nan
    verifiers = {arm.name: arm.verifier for arm in run.arms if arm.algorithm == EM}
    trained = [entry for entry in written.prospects if verifiers.get(entry.name) == entry.verifier]
    same = [entry for entry in trained if entry.fingerprint == run.fingerprints.get(entry.verifier)]
    return PlanCheck(
        differences=tuple(differences),
        changed=() if differences else tuple(entry.name for entry in trained if entry not in same),
        steps=() if differences else tuple(_steps(findings, same, accuracy)),
        labels=written.labels,
        early=written.early,
        planned_accuracy=_interval(written.accuracy).value,
        accuracy=accuracy,
    )


def _steps(findings: Findings, entries: Sequence[_Entry], accuracy: float) -> Iterator[CheckedStep]:
    observed = claims(findings)
    for entry in entries:
        for number, step in enumerate(entry.iterations, 1):
            gain = observed.get((entry.name, number))
            if gain is None or step.gain is None or step.log_odds is None:
                continue
            change = np.array([math.nan if bound is None else bound for bound in step.log_odds])
            carried = _interval((predictor.moved(accuracy, change) - accuracy).tolist())
            yield CheckedStep(
                arm=entry.name,
                gold=entry.gold,
                iteration=number,
                planned_gain=_interval(step.gain),
                carried_gain=carried,
                observed_gain=gain,
                residual=apart(gain, carried),
            )


def _interval(bounds: Sequence[float | None]) -> Estimate:
    value, low, high = (math.nan if bound is None else bound for bound in bounds)
    return Estimate(value=value, low=low, high=high, n=0, clusters=0)
