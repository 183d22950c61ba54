"""What arms gained by the value of the setting that their suite sweeps over.

Takes Findings and their Ranking; gives a Sweep. The suite writes an arm once a value, named ARM-VALUE; each is taken
where it is ranked. Does not depend on figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from restem.reports.analysis.findings import Findings
from restem.reports.analysis.ranking import Ranking
from restem.reports.data.run import Arm
from restem.reports.stats.estimates import Difference

WIDE = 4  # how many times the least value the largest is where values are spread over orders of magnitude


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweptArm:
    """One arm of the suite's file, over the values.

    Attributes:
        name: In the suite's file, without a value.
        arm: The first of those that are written.
        values: Those at which it has a gain, in the suite's order.
        gains: Over the base; of other seeds on other problems.
    """

    name: str
    arm: Arm
    values: tuple[Any, ...]
    gains: tuple[Difference, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """A setting, its values, and the arms that were written for each."""

    key: str
    values: tuple[Any, ...]
    arms: tuple[SweptArm, ...]

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, so that they have an order and distances."""
        return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in self.values)

    @property
    def logarithmic(self) -> bool:
        """Whether they are positive numbers that are far apart."""
        return self.numeric and min(self.values) > 0 and max(self.values) >= WIDE * min(self.values)


def sweep(findings: Findings, ranking: Ranking) -> Sweep | None:
    """The sweep of the run's suite; None where it has none, or no two of its values have a gain."""
    settings = findings.run.suite.get("sweep") or {}
    key, values = str(settings.get("key")), tuple(settings.get("values") or ())
    gains = {gain.left: gain.claim for gain in ranking.gains}
    arms: list[SweptArm] = []
    for name, written in _written(findings.run.arms, tuple(settings.get("arms") or ())).items():
        at = {arm.settings.get(key): arm for arm in written}
        known = [value for value in values if value in at and at[value].name in gains]
        if len(known) > 1:
            found = tuple(gains[at[value].name] for value in known)
            arms.append(SweptArm(name=name, arm=written[0], values=tuple(known), gains=found))
    return Sweep(key=key, values=values, arms=tuple(arms)) if arms else None


def _written(arms: Sequence[Arm], names: Sequence[str]) -> dict[str, list[Arm]]:
    """Name in the suite's file -> the arms that were written from it; of two names that fit, it is the longer one."""
    written: dict[str, list[Arm]] = {}
    for arm in arms:
        fitting = [name for name in names if arm.name.startswith(f"{name}-")]
        if fitting:
            written.setdefault(max(fitting, key=len), []).append(arm)
    return written
