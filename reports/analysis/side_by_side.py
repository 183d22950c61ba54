"""All arms of a suite side by side, whatever they differ in: their settings, what they sampled, and what they gained.

Takes Findings and their Ranking; gives one Side an arm, in the suite's order, each at the iteration at which it is
ranked. Every arm is compared with one reference, the suite's first arm that was trained: these are one family of tests.
Does not depend on tables or pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from restem.reports.analysis.contest import Contest, arm_of, family
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.ranking import Ranking
from restem.reports.data.run import Run


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """An arm beside the others.

    Attributes:
        settings: Those of the suite in which any two arms differ.
        sampled: Training samples that one seed drew for it in all, those shared with other arms included.
        gain: The arm against the base; None where it trained nothing.
        contest: The arm less the reference; None for the reference itself.
    """

    standing: Standing
    settings: Mapping[str, Any]
    sampled: float
    gain: Contest | None
    contest: Contest | None

    @property
    def reference(self) -> bool:
        """Whether the others are compared with this arm."""
        return self.contest is None and self.gain is not None


def differing(run: Run) -> tuple[str, ...]:
    """The settings in which any two arms differ, in the suite's order of keys."""
    keys = dict.fromkeys(key for arm in run.arms for key in arm.settings)
    return tuple(key for key in keys if len({repr(arm.settings.get(key)) for arm in run.arms}) > 1)


def side_by_side(findings: Findings, ranking: Ranking) -> list[Side]:
    """Every arm that is ranked or idle; empty where there are fewer than two."""
    run, keys = findings.run, differing(findings.run)
    by_name = {arm_of(s).name: s for s in (*ranking.standings, *ranking.idle)}
    standings = [by_name[arm.name] for arm in run.arms if arm.name in by_name]
    if len(standings) < 2:
        return []
    trained = [s for s in standings if s not in ranking.idle]
    contests = {c.left: c for c in family([(s, trained[0]) for s in trained[1:]])}
    return [
        Side(
            standing=standing,
            settings={key: arm_of(standing).settings.get(key) for key in keys},
            sampled=sum(
                item.sampled / len(item.steps)
                for item in findings.data
                if item.arm == standing.arm and item.iteration <= standing.iteration
            ),
            gain=ranking.gain(standing),
            contest=contests.get(arm_of(standing).name),
        )
        for standing in standings
    ]
