"""What a gate measured of each verifier, as tables.

Takes Comparisons or Summaries; gives Tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restem.reports.analysis.gate import Comparison, Summary
from restem.reports.tables.format import DASH, estimate, number
from restem.reports.tables.table import Column, Table


def agreement(comparisons: Sequence[Comparison]) -> Table:
    """All comparisons, a row each; prevalence of the labels and of the verifier on what it decided."""
    return Table.of(
        comparisons,
        [
            Column("verifier", "Verifier", lambda c: c.verifier, names=True),
            Column("pinned", "Pinned", lambda c: "yes" if c.pinned else "no"),
            Column("rows", "Rows", lambda c: str(c.now.agreement.n)),
            Column("agreement", "Agreement, %", lambda c: estimate(c.now.agreement)),
            Column("expected", "Expected, %", lambda c: number(c.bar.agreement) if c.bar else DASH),
            Column("decided", "Decided, %", lambda c: number(c.now.coverage.value)),
            Column("ac1", "AC1", lambda c: number(c.now.decided.ac1.value, 3, 1)),
            Column("kappa", "Kappa", lambda c: number(c.now.decided.kappa.value, 3, 1)),
            Column("prevalence", "Prevalence, %", lambda c: " / ".join(map(number, c.now.decided.prevalence[::-1]))),
            Column("flipped", "Flipped", lambda c: str(len(c.flips))),
            Column("verdict", "Verdict", lambda c: "passed" if c.passed else "FAILED"),
        ],
        id="gate",
    )


def quality(summaries: Mapping[str, Summary]) -> Table:
    """Sensitivity and specificity of each verifier on the labelled rows."""
    return Table.of(
        summaries.items(),
        [
            Column("verifier", "Verifier", lambda named: named[0], names=True),
            Column("tpr", "TPR, %", lambda named: estimate(named[1].sensitivity)),
            Column("tnr", "TNR, %", lambda named: estimate(named[1].specificity)),
            Column("decided", "Decided, %", lambda named: estimate(named[1].coverage)),
            Column("correct", "Correct", lambda named: str(named[1].sensitivity.n)),
            Column("wrong", "Wrong", lambda named: str(named[1].specificity.n)),
            Column("rows", "Rows", lambda named: str(named[1].agreement.n)),
            Column("problems", "Problems", lambda named: str(named[1].agreement.clusters)),
        ],
        id="gate-quality",
    )
