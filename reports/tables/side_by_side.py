"""All arms of a suite side by side, as a table: what they differ in, what they sampled, what they gained.

Takes Findings and their Ranking; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.contest import arm_of
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.ranking import Ranking
from restem.reports.analysis.side_by_side import Side, differing, side_by_side
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, difference, estimate, number, p_value
from restem.reports.tables.phrases import compared, contest_words
from restem.reports.tables.settings import heading, words
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def arms_side_by_side(findings: Findings, ranking: Ranking) -> Table:
    """A row an arm; none where there are fewer than two."""
    sides = side_by_side(findings, ranking)
    return Table.of(
        sides,
        [
            Column("arm", "Arm", lambda s: arm_cell(s.standing.arm), names=True),
            *(_setting(key) for key in _shown(findings)),
            Column("sampled", "Training samples in all", lambda s: number(s.sampled, 0, 1)),
            Column("accuracy", "Gold accuracy, %", lambda s: estimate(s.standing.accuracy)),
            Column("gain", "Gain over base, points", lambda s: difference(s.gain.claim if s.gain else None)),
            Column("contest", f"Difference from {_reference(sides)}, points", _contest),
            Column("p", "p (Holm)", lambda s: p_value(s.contest.adjusted_p) if s.contest else DASH),
            Column("result", "Result", lambda s: contest_words(s.contest) if s.contest else DASH, names=True),
        ],
        id="side_by_side",
        title="Arms side by side",
        note=(
            f"{compared(ranking)} Settings: those in which any two arms differ. Training samples: of one "
            "seed, over all these iterations; the base's, which arms share, count in each arm that trains on them. "
            "Gains and differences are paired by problem and hold for other seeds on other problems; p is corrected "
            f"for all arms against the reference. Accuracy: {CLUSTERED[0].lower()}{CLUSTERED[1:]}"
        ),
    )


def _shown(findings: Findings) -> Sequence[str]:
    """The differing settings, but for the verifier where arms are named by it."""
    named = all(arm.name == arm.verifier for arm in findings.run.arms)
    return [key for key in differing(findings.run) if not (named and key == "verifier")]


def _setting(key: str) -> Column[Side]:
    def cell(side: Side) -> str:
        return words(key, side.settings[key])

    return Column(f"setting_{key}", heading(key), cell)


def _reference(sides: Sequence[Side]) -> str:
    return next((arm_of(side.standing).name for side in sides if side.reference), "the reference")


def _contest(side: Side) -> Cell:
    return Cell("reference") if side.reference else difference(side.contest.claim if side.contest else None)
