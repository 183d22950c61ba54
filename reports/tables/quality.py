"""Each verifier against the gold, as tables: its rates, how steady it is, and what a verdict takes.

Takes a Run and what was measured of its verifiers; gives Tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from restem.harness.names import MARK
from restem.reports.analysis.verifier_quality import Constant, Measured, Steadiness, constants, steadiness
from restem.reports.data.run import Run
from restem.reports.tables.format import DASH, estimate, milliseconds, number
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

NAMED = {True: "accept_all", False: "reject_all"}  # the constants as verifiers that a suite may have
LONGEST_REASON = 60  # characters
BY_DEFINITION = "by definition"


def _samples(measured: Measured) -> Cell:
    decided = (measured.scored - measured.undecided) / measured.scored
    return Cell(str(measured.scored), f"{number(decided)} % decided")


RATES: tuple[Column[Measured], ...] = (
    Column("samples", "Samples", _samples),
    Column("correct", "Correct, %", lambda m: number(m.quality.prevalence.value)),
    Column("tpr", "TPR, %", lambda m: estimate(m.quality.tpr)),
    Column("fpr", "FPR, %", lambda m: estimate(m.quality.fpr)),
    Column("ratio", "LR+", lambda m: estimate(m.quality.likelihood_ratio, 2, 1)),
    Column("youden", "J", lambda m: estimate(m.quality.youden, 3, 1)),
    Column("precision", "Precision of accepted, %", lambda m: estimate(m.quality.precision)),
    Column("mcc", "MCC", lambda m: estimate(m.quality.mcc, 3, 1)),
    Column("ac1", "AC1 with the gold", lambda m: estimate(m.quality.ac1, 3, 1)),
)


def verifier_quality(run: Run, measured: Sequence[Measured]) -> Table:
    """Each verifier against the gold over all test samples; constant verdicts first."""
    given = constants(run)
    best = "".join(f" The best constant verdict is to {_says(item)} all." for item in given if item.best)
    shown = [_constant_row(constant) for constant in given if NAMED[constant.accepts] not in run.compared]
    table = Table.of(
        [item for item in measured if not item.checkpoint],
        [_verifier_column(run), *RATES],
        id="quality",
        title="Verifier quality, over all test samples",
        note=(
            "Against the gold, on samples that both decided, of all checkpoints that the verifier was asked about. "
            "Correct: by the gold. LR+ = TPR / FPR multiplies the odds of a correct answer in an ideal step; 1 carries "
            "no information. J = TPR − FPR (Youden): 1 is exact, 0 carries none. MCC, the correlation with the "
            "gold, falls by itself as nearly all samples become correct; "
            f"AC1, agreement with the gold beyond chance (Gwet), does not, and may be high for a constant.{best} "
            f"{pooled(run)}{CLUSTERED}"
        ),
    )
    return table.after(shown)


def by_checkpoint(run: Run, measured: Sequence[Measured]) -> Table:
    """The same on each checkpoint's own test samples, where there are several."""
    each = [item for item in measured if item.checkpoint]
    return Table.of(
        each if len({item.checkpoint for item in each}) > 1 else [],
        [_verifier_column(run), Column("checkpoint", "Checkpoint", lambda m: m.checkpoint, names=True), *RATES],
        id="checkpoints",
        title="Verifier quality, on each checkpoint's own test samples",
        note=f"As above. {pooled(run)}{CLUSTERED}",
    )


def _verifier_column(run: Run) -> Column[Measured]:
    return Column("verifier", "Verifier", lambda m: _verifier(m.verifier, run), names=True)


def _verifier(name: str, run: Run) -> Cell:
    return Cell(name, "control" if name in run.controls else "")


def _says(constant: Constant) -> str:
    return "accept" if constant.accepts else "reject"


def _constant_row(constant: Constant) -> dict[str, Cell]:
    """The row of a verifier that always says the same, by the keys of the table of quality."""
    accepts, nothing = constant.accepts, Cell(DASH)
    rate = Cell("100.0" if accepts else "0.0", BY_DEFINITION)
    return {
        "verifier": Cell(f"always {_says(constant)}", "best constant" if constant.best else "constant"),
        "samples": Cell(str(constant.n)),
        "correct": Cell(number(constant.prevalence.value)),
        "tpr": rate,
        "fpr": rate,
        "ratio": Cell("1.00", BY_DEFINITION) if accepts else nothing,
        "youden": Cell("0.000", BY_DEFINITION),
        "precision": estimate(constant.prevalence) if accepts else nothing,
        "mcc": nothing,
        "ac1": estimate(constant.agreement.ac1, 3, 1),
    }


def pooled(run: Run) -> str:
    """For a note: what a row holds of an arm with replicates, and what its interval covers; else empty."""
    if int(run.suite.get("replicates", 1)) < 2:
        return ""
    again = "; a verifier that errs under another seed in each judges the base's samples once in each" * errs_anew(run)
    return f"All replicates of an arm together, all samples of a problem as one unit{again}: intervals of these seeds. "


def errs_anew(run: Run) -> bool:
    """Whether a verifier of the run errs under another seed in each replicate."""
    return any(MARK in name for name in run.outcomes)


class _Steady(NamedTuple):
    """A verifier's agreement with itself, and its outcomes over all test samples."""

    again: Steadiness
    whole: Measured


def steady(run: Run, measured: Iterable[Measured]) -> Table:
    """Whether a verifier judges the same text alike, what a verdict takes, and why it cannot tell."""
    whole = {item.verifier: item for item in measured if not item.checkpoint}
    return Table.of(
        [_Steady(item, whole[item.verifier]) for item in steadiness(run) if item.verifier in whole],
        [
            Column("verifier", "Verifier", lambda r: _verifier(r.whole.verifier, run), names=True),
            Column("again", "Texts judged again", lambda r: str(r.again.flips.n)),
            Column("flips", "Another verdict, %", lambda r: estimate(r.again.flips)),
            Column("median", "Median, ms", lambda r: milliseconds(r.again.median)),
            Column("slow", "95 % take at most, ms", lambda r: milliseconds(r.again.slow)),
            Column("usd", "USD per 1000 verdicts", lambda r: f"{1000 * r.again.usd:.4f}" if r.again.usd else DASH),
            Column("undecided", "Undecided, %", lambda r: _undecided(r.whole)),
            Column("reasons", "Commonest reasons", lambda r: _reasons(r.whole)),
        ],
        id="steady",
        title="The same text judged again, what a verdict takes, and undecided ones",
        note=(
            "Another verdict: where several test samples of a problem have the same text, the share of pairs of "
            "verdicts that differ, mean over such texts; 0 where a verifier looks at the text alone or remembers what "
            "it said. Milliseconds and USD: of all stored verdicts, training and test; a judge's as it was waited for, "
            f"with others asked at the same time. Undecided: of the test samples that it was asked about. {CLUSTERED}"
        ),
    )


def _undecided(measured: Measured) -> Cell:
    return Cell(number(measured.undecided / measured.scored), str(measured.undecided))


def _reasons(measured: Measured) -> str:
    return "; ".join(f"{reason[:LONGEST_REASON]} ({count})" for reason, count in measured.reasons[:3]) or DASH
