"""What each arm-iteration gained beside J, LR+ and precision of what it was trained on, as a table.

Takes what analysis/gain_by_quality.py gives; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.gain_by_quality import TrainedOn
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.table import Column, Table


def gain_by_quality(steps: Sequence[TrainedOn]) -> Table:
    """A row an arm and iteration."""
    return Table.of(
        steps,
        [
            Column("arm", "Arm", lambda t: arm_cell(t.arm), names=True),
            Column("iteration", "Iteration", lambda t: str(t.iteration)),
            Column("youden", "J", lambda t: estimate(t.youden, 3, 1)),
            Column("ratio", "LR+", lambda t: estimate(t.ratio, 2, 1)),
            Column("precision", "Precision of kept, %", lambda t: estimate(t.precision)),
            Column("gain", "Gain over base, points", lambda t: difference(t.gain)),
        ],
        id="gain_by_quality",
        title="Gain against J and LR+",
        note=(
            "Read down the gains: does the order of J, of LR+ or of the precision of what was kept foretell it? J, LR+ "
            "and precision: of the training samples drawn for this iteration. Gain: after it, on the test split. "
            "Intervals: 95 %, those of J, LR+ and precision clustered by problem, those of the gain of other seeds on "
            "other problems."
        ),
    )
