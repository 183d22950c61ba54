"""What the folded tables and the figures below them both show, computed once.

Takes Findings and their Ranking; gives Details. Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses

from restem.reports.analysis.calibration import Calibration, calibrations
from restem.reports.analysis.difficulty import ByDifficulty, by_difficulty
from restem.reports.analysis.diversity import Diversity, diversities
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.gain_by_quality import TrainedOn, trained_on
from restem.reports.analysis.over_optimisation import Curve, curves
from restem.reports.analysis.quality_over_arms import Group, quality_over_arms
from restem.reports.analysis.ranking import Ranking
from restem.reports.analysis.sweep import Sweep, sweep
from restem.reports.analysis.train_test_gap import TrainTest, train_test_gaps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
    """Each is empty, or None, where the run has nothing of the kind."""

    trained: tuple[TrainedOn, ...]
    groups: tuple[Group, ...]
    difficulty: tuple[ByDifficulty, ...]
    curves: tuple[Curve, ...]
    calibrations: tuple[Calibration, ...]
    diversities: tuple[Diversity, ...]
    gaps: tuple[TrainTest, ...]
    swept: Sweep | None


def details(findings: Findings, ranking: Ranking) -> Details:
    """All of them."""
    trained = tuple(trained_on(findings))
    return Details(
        trained=trained,
        groups=tuple(quality_over_arms(findings, ranking, trained)),
        difficulty=tuple(by_difficulty(findings)),
        curves=tuple(curves(findings)),
        calibrations=tuple(calibrations(findings.run)),
        diversities=tuple(diversities(findings)),
        gaps=tuple(train_test_gaps(findings)),
        swept=sweep(findings, ranking),
    )
