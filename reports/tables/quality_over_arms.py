"""How each measure of a verifier's quality goes with the gain over arms, as tables.

Takes what analysis/quality_over_arms.py gives; gives Tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from restem.reports.analysis.quality_over_arms import FEWEST, Fit, Group, Measure
from restem.reports.data.run import Arm
from restem.reports.stats.estimates import Difference
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import difference, estimate, number, signed
from restem.reports.tables.settings import heading, words
from restem.reports.tables.table import Cell, Column, Table

NAMES = {
    Measure.ACCURACY: "Accuracy",
    Measure.TPR: "TPR",
    Measure.FPR: "FPR",
    Measure.YOUDEN: "J",
    Measure.LOG_RATIO: "ln LR+",
    Measure.PRECISION: "Precision of accepted",
    Measure.KEPT: "Precision of kept − of distinct",
    Measure.AUROC: "AUROC",
}
IN_PERCENT = (Measure.ACCURACY, Measure.TPR, Measure.FPR, Measure.PRECISION)


class _Row(NamedTuple):
    group: Group
    measure: Measure
    alone: Fit
    with_gold: Fit


class _Arm(NamedTuple):
    group: Group
    arm: Arm
    place: int
    gain: Difference


def fits(groups: Sequence[Group]) -> Table:
    """A row a measure, of every group."""
    rows = [_Row(g, m, g.fits[m], g.with_gold[m]) for g in groups for m in g.values]
    return Table.of(
        rows,
        [
            Column("group", "Arms with", lambda r: _named(r.group), names=True) if len(groups) > 1 else None,
            Column("measure", "Quality of the verifier", lambda r: NAMES[r.measure], names=True),
            Column("explained", "R²", lambda r: estimate(r.alone.explained, 2, 1)),
            Column("order", "Rank correlation", lambda r: _signed(r.alone)),
            Column("arms", "Arms", lambda r: str(r.alone.explained.n)),
            Column("explained_with_gold", "R², the gold's arm too", lambda r: estimate(r.with_gold.explained, 2, 1)),
            Column("order_with_gold", "Rank correlation, the gold's arm too", lambda r: _signed(r.with_gold)),
        ],
        id="quality_over_arms",
        title="Which quality of a verifier tells what training on it gains",
        note=(
            "Over arms that differ in the verifier alone, control arms among them: R² of a line, and Spearman's rank "
            "correlation, of the gain at the arm's end with a quality of the verdicts on the samples that its first "
            "iteration was drawn from, which is known before any training. Precision of kept − of distinct: of what "
            "that iteration was trained on, less that of the base's distinct texts. ln LR+ has half a sample more in "
            "each cell. R² does not say in which direction; FPR should go with less gain. Intervals: 95 %, percentiles "
            "of resampled training problems, test problems and arms; of so few arms they are wide. Resamples with "
            f"fewer than three different arms are left out. From {FEWEST} arms on."
        ),
    )


def measures(groups: Sequence[Group]) -> Table:
    """A row an arm, with the measures and the gain."""
    shown = [measure for measure in Measure if any(measure in group.values for group in groups)]
    rows = [
        _Arm(group, arm, place, gain)
        for group in groups
        for place, (arm, gain) in enumerate(zip(group.arms, group.gains, strict=True))
    ]
    return Table.of(
        rows,
        [
            Column("group", "Arms with", lambda r: _named(r.group), names=True) if len(groups) > 1 else None,
            Column("arm", "Arm", lambda r: arm_cell(r.arm), names=True),
            *(Column(m.value, f"{NAMES[m]}{', %' * (m in IN_PERCENT)}", lambda r, m=m: _value(r, m)) for m in shown),
            Column("gain", "Gain over base, points", lambda r: difference(r.gain)),
        ],
        id="measures_of_arms",
        title="Quality of each arm's verifier before training, and its gain",
        note=(
            "The figures of the table before this one, arm by arm. The quality is that on the samples that the first "
            "iteration was drawn from; the gain that at the arm's end, of other seeds on other problems."
        ),
    )


def _named(group: Group) -> str:
    return ", ".join(f"{heading(key).lower()} {words(key, value)}" for key, value in group.settings.items())


def _signed(fit: Fit) -> Cell:
    return difference(fit.order, 2, 1)


def _value(row: _Arm, measure: Measure) -> str:
    values = row.group.values.get(measure)
    if values is None:
        return number(float("nan"))
    if measure is Measure.KEPT:
        return signed(values[row.place])
    return number(values[row.place], 1, 100) if measure in IN_PERCENT else number(values[row.place], 3, 1)
