"""Each arm by difficulty of the problems for the base, as a table.

Takes what analysis/difficulty.py gives; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.difficulty import BANDS, EDGES, ByDifficulty
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.table import CLUSTERED, Column, Table


def difficulty(items: Sequence[ByDifficulty]) -> Table:
    """A row an arm and band."""
    return Table.of(
        items,
        [
            Column("arm", "Arm", lambda d: arm_cell(d.arm), names=True),
            Column("band", "Base solves", lambda d: band_name(d.band), names=True),
            Column("problems", "Test problems", lambda d: str(d.problems)),
            Column("base", "Base accuracy, %", lambda d: estimate(d.base)),
            Column("tpr", "TPR, %", lambda d: estimate(d.tpr)),
            Column("fpr", "FPR, %", lambda d: estimate(d.fpr)),
            Column("precision", "Precision of kept, %", lambda d: estimate(d.precision)),
            Column("gain", "Gain over base, points", lambda d: difference(d.gain)),
        ],
        id="difficulty",
        title="By difficulty of the problem for the base",
        note=(
            "Read whether an arm gains on problems that the base seldom solves, and whether its verifier keeps wrong "
            "answers there. Base solves: the share of a problem's even-numbered base samples that are correct; these "
            "sort the problems, and all figures are of other samples, so that an arm that changes nothing gains "
            "nothing in any row. Base accuracy, TPR and FPR: odd-numbered base samples of test problems. Precision: of "
            "what the arm's selection keeps of the odd-numbered base samples of training problems, sorted likewise. "
            f"Gain: after the arm's last iteration, of these seeds. {CLUSTERED}"
        ),
    )


def band_name(band: int) -> str:
    """`25 to 50 %`: the pass rates of a band; it is below its upper edge, but for the last."""
    closing = "" if band == BANDS - 1 else "under "
    return f"{100 * EDGES[band]:.0f} to {closing}{100 * EDGES[band + 1]:.0f} %"
