"""How different a policy's samples of one problem are, as a table.

Takes what analysis/diversity.py gives; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.diversity import Diversity
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.table import CLUSTERED, Column, Table


def diversity(items: Sequence[Diversity], samples: int) -> Table:
    """A row a checkpoint."""
    return Table.of(
        items,
        [
            Column("arm", "Arm", lambda d: arm_cell(d.arm), names=True),
            Column("iteration", "Iteration", lambda d: str(d.iteration)),
            Column("distinct", "Distinct texts, %", lambda d: estimate(d.distinct)),
            Column("texts", "Entropy of texts, nats", lambda d: estimate(d.texts, 2, 1)),
            Column("answers", "Entropy of answers, nats", lambda d: estimate(d.answers, 2, 1)),
            Column("change", "Its change since the base", lambda d: difference(d.change, 2, 1)),
        ],
        id="diversity",
        title="Distinct texts and entropy over iterations",
        note=(
            "Read how fast a policy narrows: beside a gain it has grown surer, without one it repeats its errors. "
            f"Of the {samples} test samples of a problem, mean over problems. Entropy is corrected for so few samples "
            "(Miller and Madow), and still too low where nearly all differ. Answers as the gold reads them: all "
            f"correct ones are one answer, all unread ones another. Of these seeds. {CLUSTERED}"
        ),
    )
