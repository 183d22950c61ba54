"""Delay, plateau or collapse of long runs, and their turning points, as a table.

Takes what analysis/curve_shape.py gives; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.contest import Contest
from restem.reports.analysis.curve_shape import LEAST, LongCurve, Shape, Turn
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, difference
from restem.reports.tables.table import Cell, Column, Table

WORDS = {
    Shape.COLLAPSE: "collapse",
    Shape.PLATEAU: "plateau",
    Shape.DELAY: "delay",
    Shape.LEVEL: "level with the gold",
    Shape.UNDECIDED: "undecided",
}


def curve_shapes(curves: Sequence[LongCurve]) -> Table:
    """A row an arm of four iterations or more."""
    return Table.of(
        curves,
        [
            Column("arm", "Arm", lambda c: arm_cell(c.last.arm), names=True),
            Column("shape", "Shape", _shape, names=True),
            Column("turn", "Best iteration", lambda c: _turn(c.turn)),
            Column("last", "Last iteration", lambda c: str(c.last.iteration)),
            Column("gain", "Last − base, points", lambda c: _claim(c.gain)),
            Column("fallen", "Last − best before, points", lambda c: _claim(c.fallen)),
            Column("grown", "Last − middle, points", lambda c: _claim(c.grown)),
            Column("behind", "Last − the gold's arm, points", lambda c: _claim(c.behind)),
        ],
        id="curve_shapes",
        title="Delay, plateau or collapse",
        note=(
            f"Arms of {LEAST} iterations and more. The first that is shown: collapse, the last iteration is below the "
            "base, or below an earlier one of the arm; plateau, it is below the gold's own arm, and above the "
            "middle one by less than 5 points; delay, it is no worse than the gold's own arm by 5 points, and an "
            "earlier one was below that arm at the same iteration; level with the gold, the same without that. Else "
            "undecided, as is what has not collapsed where the gold has no arm of as many iterations. Shown: by the "
            "rule for two arms, Holm over the earlier iterations alone; equal within 5 points is not below. "
            "Intervals: 95 %, of other seeds on other problems. "
            "Best iteration: of the highest gold accuracy, the base counted as 0, chosen on these test "
            "problems; below it the share of 2000 resamples of the problems that choose it, and the iterations that "
            "95 % of them choose, of these seeds."
        ),
    )


def _shape(curve: LongCurve) -> str:
    """A dash for the gold's own arm, which the others are held against, unless it collapsed."""
    gold = curve.last.arm is not None and curve.last.arm.gold
    return DASH if gold and curve.shape is Shape.UNDECIDED else WORDS[curve.shape]


def _claim(contest: Contest | None) -> Cell:
    return difference(contest.claim if contest else None)


def _turn(turn: Turn) -> Cell:
    return Cell(str(turn.iteration), f"{100 * turn.chosen:.0f} % of resamples; {turn.low} to {turn.high}")
