"""A plan.json read back, and the plan in it beside what the run's first iteration gave.

Takes a file, and Findings; gives what the plan recorded, and a PlanCheck. A plan is of one step from the base, so it is
compared with the first iteration.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from pydantic import FiniteFloat, PositiveFloat

from restem.harness.errors import ConfigError
from restem.reports.analysis import plan
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.plan import PlanDifference, plan_differences
from restem.reports.analysis.ranking import arm_of
from restem.reports.stats import law
from restem.reports.stats.estimates import Difference, Estimate, apart

Bounds = tuple[FiniteFloat, FiniteFloat | None, FiniteFloat | None]


class _Entry(pydantic.BaseModel):
    """What the check reads of a verifier in a plan.json."""

    rank: int
    verifier: str
    fingerprint: str
    gold: bool
    likelihood_ratio: tuple[FiniteFloat | None, FiniteFloat | None, FiniteFloat | None] | None  # null: infinite
    gain: Bounds | None


class _Written(pydantic.BaseModel):
    """What the check reads of a plan.json. One without its problems and sampling is not held to them."""

    eta: PositiveFloat
    labels: int
    early: bool
    base_sha256: str
    problems_sha256: str | None = None
    sampling: dict[str, Any] | None = None
    accuracy: Bounds
    verifiers: list[_Entry]


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
        raise ConfigError(f"{path}: no plan of version {plan.VERSION}")
    try:
        _Written.model_validate(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: no plan: {place}: {first['msg']}, found {first['input']!r:.60}") from None
    return data


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckedVerifier:
    """A verifier of a plan, and the first iteration of the first arm that it trained.

    Attributes:
        planned_gain: With the plan's eta, on the training problems.
        carried_gain: With the plan's likelihood ratio and this run's eta, from the base's accuracy on the test split.
        residual: Observed less carried gain, both intervals together.
    """

    verifier: str
    gold: bool
    arm: str
    planned_rank: int
    observed_rank: int
    planned_gain: Estimate
    carried_gain: Estimate
    observed_gain: Difference
    residual: Estimate
    accuracy: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanCheck:
    """A plan compared with the results of a run.

    Attributes:
        differences: Why the plan does not apply to this run; nothing is compared where there are any.
        changed: Verifiers that have another fingerprint here than in the plan.
        verifiers: In the planned order.
        labels: Labelled problems that the plan was made from; early: whether it was made before any training.
        planned_accuracy: Of the base on the training problems; accuracy: on the test problems of this run.
    """

    differences: tuple[PlanDifference, ...]
    changed: tuple[str, ...]
    verifiers: tuple[CheckedVerifier, ...]
    planned_eta: float
    eta: float
    labels: int
    early: bool
    planned_accuracy: float
    accuracy: float

    @property
    def order_kept(self) -> tuple[int, int]:
        """Of the pairs in the planned order, how many were observed in that order; and how many there are."""
        pairs = list(itertools.combinations(self.verifiers, 2))
        return sum(first.accuracy > second.accuracy for first, second in pairs), len(pairs)


def check_plan(findings: Findings, planned: Mapping[str, Any], eta: Estimate) -> PlanCheck:
    """The plan that was read back beside this run, whose fitted eta is given."""
    entries = {entry["verifier"]: entry for entry in planned["verifiers"] if entry["gain"]}
    differences = plan_differences(findings.run, planned)
    observed, changed = ({}, []) if differences else _observed(findings, entries)
    accuracy = findings.base.accuracy.value if findings.base else math.nan
    return PlanCheck(
        differences=tuple(differences),
        changed=tuple(changed),
        verifiers=tuple(_checked(entries, observed, accuracy, eta)),
        planned_eta=planned["eta"],
        eta=eta.value,
        labels=planned["labels"],
        early=planned["early"],
        planned_accuracy=planned["accuracy"][0],
        accuracy=accuracy,
    )


def _checked(
    entries: Mapping[str, Any], observed: Mapping[str, tuple[Standing, Difference]], accuracy: float, eta: Estimate
) -> list[CheckedVerifier]:
    planned_order = sorted(observed, key=lambda name: entries[name]["rank"])
    observed_order = sorted(observed, key=lambda name: -observed[name][0].accuracy.value)
    checked: list[CheckedVerifier] = []
    for rank, name in enumerate(planned_order, 1):
        entry, (standing, gain) = entries[name], observed[name]
        carried = _carried(entry, accuracy, eta)
        checked.append(
            CheckedVerifier(
                verifier=name,
                gold=entry["gold"],
                arm=arm_of(standing).name,
                planned_rank=rank,
                observed_rank=observed_order.index(name) + 1,
                planned_gain=_interval([math.nan if bound is None else bound for bound in entry["gain"]]),
                carried_gain=carried,
                observed_gain=gain,
                residual=apart(gain, carried),
                accuracy=standing.accuracy.value,
            )
        )
    return checked


def _observed(
    findings: Findings, entries: Mapping[str, Any]
) -> tuple[dict[str, tuple[Standing, Difference]], list[str]]:
    """The first iteration of each planned verifier's first arm; and those that have another fingerprint here."""
    observed: dict[str, tuple[Standing, Difference]] = {}
    changed: list[str] = []
    for arm in findings.run.arms:
        standing = findings.standings.get((arm.name, 1))
        if arm.verifier not in entries or not standing or not standing.gain:
            continue
        if entries[arm.verifier]["fingerprint"] == findings.run.fingerprints.get(arm.verifier):
            observed.setdefault(arm.verifier, (standing, standing.gain))
        elif arm.verifier not in changed:
            changed.append(arm.verifier)
    return observed, changed


def _carried(entry: Mapping[str, Any], accuracy: float, eta: Estimate) -> Estimate:
    """F1 and F3 with the planned likelihood ratio and this run's eta, from the base's accuracy on the test split.

    A verifier multiplies the odds of a correct sample; what that adds depends on the accuracy it starts from, and the
    training problems may be harder than the test problems.
    """
    bounds = [math.inf] * 3 if entry["gold"] else entry["likelihood_ratio"] or [math.nan] * 3
    likelihood_ratio = np.array([math.inf if bound is None else bound for bound in bounds])
    with np.errstate(invalid="ignore"):  # none correct, times infinity
        ideal = law.share(law.odds(accuracy) * likelihood_ratio)
    return _interval((eta.value * (ideal - accuracy)).tolist())


def _interval(bounds: Sequence[float]) -> Estimate:
    return Estimate(value=bounds[0], low=bounds[1], high=bounds[2], n=0, clusters=0)
