"""What the folded tables and the figures below them both show, computed once.

Takes Findings; gives Details. Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses

from restem.reports.analysis.calibration import Calibration, calibrations
from restem.reports.analysis.difficulty import ByDifficulty, by_difficulty
from restem.reports.analysis.diversity import Diversity, diversities
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.gain_by_quality import TrainedOn, trained_on
from restem.reports.analysis.over_optimisation import Curve, curves


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
    """Each is empty where the run has nothing of the kind."""

    trained: tuple[TrainedOn, ...]
    difficulty: tuple[ByDifficulty, ...]
    curves: tuple[Curve, ...]
    calibrations: tuple[Calibration, ...]
    diversities: tuple[Diversity, ...]


def details(findings: Findings) -> Details:
    """All of them."""
    return Details(
        trained=tuple(trained_on(findings)),
        difficulty=tuple(by_difficulty(findings)),
        curves=tuple(curves(findings)),
        calibrations=tuple(calibrations(findings.run)),
        diversities=tuple(diversities(findings)),
    )
