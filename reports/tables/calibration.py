"""The scores of verifiers that grade, as tables: calibration, reliability by bin, and a threshold sweep.

Takes what analysis/calibration.py gives; gives Tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from restem.reports.analysis.calibration import Calibration, Cut
from restem.reports.stats.calibration import Bin
from restem.reports.tables.format import estimate, number
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


class _InBin(NamedTuple):
    verifier: str
    bin: Bin


class _AtCut(NamedTuple):
    verifier: str
    cut: Cut


def calibration(items: Sequence[Calibration]) -> Table:
    """A row a verifier that grades."""
    return Table.of(
        items,
        [
            Column("verifier", "Verifier", lambda c: c.verifier, names=True),
            Column("samples", "Samples", lambda c: str(c.n)),
            Column("brier", "Brier score", lambda c: estimate(c.brier, 3, 1)),
            Column("constant", "Brier of the best constant", lambda c: number(c.constant, 3, 1)),
            Column("auroc", "AUROC", lambda c: estimate(c.auroc, 3, 1)),
        ],
        id="calibration",
        title="Calibration of scores",
        note=(
            "Read AUROC for how well scores order correct above wrong samples (0.5 is chance), and whether the Brier "
            "score lies below that of a constant: else the scores are worse than none as probabilities. All test "
            f"samples of all checkpoints that the verifier and the gold decided. {CLUSTERED}"
        ),
    )


def reliability(items: Sequence[Calibration]) -> Table:
    """A row a bin that has samples."""
    return Table.of(
        [_InBin(item.verifier, each) for item in items for each in item.bins if each.correct.n],
        [
            Column("verifier", "Verifier", lambda r: r.verifier, names=True),
            Column("bin", "Score", lambda r: f"{r.bin.low:.1f} to {r.bin.high:.1f}", names=True),
            Column("samples", "Samples", lambda r: str(r.bin.correct.n)),
            Column("score", "Mean score", lambda r: number(r.bin.score, 3, 1)),
            Column("correct", "Correct, %", lambda r: estimate(r.bin.correct)),
        ],
        id="reliability",
        title="Share of correct samples by score",
        note=(
            "Read each row: of samples with a mean score of 0.8, 80 % are correct where the scores are probabilities. "
            f"Ten bins of equal width, empty ones left out. {CLUSTERED}"
        ),
    )


def thresholds(items: Sequence[Calibration]) -> Table:
    """A row a verifier and threshold."""
    return Table.of(
        [_AtCut(item.verifier, cut) for item in items for cut in item.cuts],
        [
            Column("verifier", "Verifier", lambda r: r.verifier, names=True),
            Column("threshold", "Accepts from", _threshold),
            Column("accepted", "Accepted, %", lambda r: number(r.cut.accepted)),
            Column("tpr", "TPR, %", lambda r: estimate(r.cut.quality.tpr)),
            Column("fpr", "FPR, %", lambda r: estimate(r.cut.quality.fpr)),
            Column("youden", "J", lambda r: estimate(r.cut.quality.youden, 3, 1)),
            Column("precision", "Precision of accepted, %", lambda r: estimate(r.cut.quality.precision)),
        ],
        id="thresholds",
        title="Another threshold of acceptance",
        note=(
            "Read whether another threshold buys precision for a TPR that you can spare. Best J is chosen on these "
            "very samples, so on others it is lower. Samples as in the calibration of scores; the verifier's own "
            f"outcomes need not lie at any one threshold. {CLUSTERED}"
        ),
    )


def _threshold(row: _AtCut) -> Cell:
    return Cell(f"{row.cut.threshold:.3g}", "best J" if row.cut.best else "")
