"""What verifiers decided on a set of rows, as tables: outcomes, and rates against labels.

Takes VerdictSummaries; gives Tables. NumPy is imported only for the rates.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.verdict_summary import VerdictSummary
from restem.reports.tables.table import Cell, Column, Table


def outcomes(summaries: Sequence[VerdictSummary]) -> Table:
    """How many rows each verifier decided, and how."""
    return Table.of(
        summaries,
        [
            Column("verifier", "Verifier", lambda s: s.verifier, names=True),
            Column("rows", "Rows", lambda s: str(s.rows)),
            Column("decided", "Decided", lambda s: _share(s.correct + s.wrong, s.rows)),
            Column("correct", "Correct", lambda s: str(s.correct)),
            Column("wrong", "Wrong", lambda s: str(s.wrong)),
            Column("undecided", "Undecided", lambda s: str(s.undecided)),
        ],
        id="verdict-outcomes",
    )


def rates(summaries: Sequence[VerdictSummary]) -> Table:
    """Each verifier against the labels, of those that were compared with labels."""
    from restem.reports.tables.format import estimate

    rated = [(summary.verifier, summary.rates) for summary in summaries if summary.rates]
    return Table.of(
        rated,
        [
            Column("verifier", "Verifier", lambda r: r[0], names=True),
            Column("decided", "Decided, %", lambda r: estimate(r[1].decided)),
            Column("tpr", "TPR, %", lambda r: estimate(r[1].tpr)),
            Column("fpr", "FPR, %", lambda r: estimate(r[1].fpr)),
            Column("missed", "Right not accepted", lambda r: _of(r[1].right - r[1].right_accepted, r[1].right)),
            Column("refused", "Right called wrong", lambda r: _of(r[1].right_refused, r[1].right)),
            Column("accepted", "Wrong accepted", lambda r: _of(r[1].wrong_accepted, r[1].wrong)),
        ],
        id="verdict-rates",
    )


def _share(part: int, whole: int) -> Cell:
    return Cell(str(part), f"{100 * part / whole:.1f} %" if whole else "")


def _of(part: int, whole: int) -> Cell:
    """A count and of how many, with the share."""
    return Cell(f"{part} of {whole}", f"{100 * part / whole:.1f} %" if whole else "")
