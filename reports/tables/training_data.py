"""What each M-step was given, as a table.

Takes Findings; gives a Table.
"""

from __future__ import annotations

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, estimate, share
from restem.reports.tables.table import CLUSTERED, Column, Table

OWN_COLUMN = ("wrong", "undecided", "duplicate", "cap")  # rules that other columns count
NEGATIVES = (
    "Negatives: samples with a negative weight, which the policy learns to write less often; of an arm that is trained "
    "by GRPO, kept are those with a positive advantage. "
)


def training_data(findings: Findings) -> Table:
    """What each M-step was given, audited by the gold."""
    negatives = any(data.negatives for data in findings.data)
    return Table.of(
        findings.data,
        [
            Column("arm", "Arm", lambda data: arm_cell(data.arm), names=True),
            Column("iteration", "Iteration", lambda data: str(data.iteration)),
            Column("sampled", "Sampled", lambda data: str(data.sampled)),
            Column("accepted", "Accepted", lambda data: share(data.accepted, data.sampled)),
            Column("accepted_precision", "Precision of accepted, %", lambda data: estimate(data.accepted_precision)),
            Column("undecided", "Undecided", lambda data: str(data.undecided)),
            Column("duplicates", "Duplicates", lambda data: str(data.dropped.get("duplicate", 0))),
            Column("cap", "Over cap", lambda data: str(data.dropped.get("cap", 0))),
            Column("otherwise", "Otherwise dropped", lambda data: _otherwise(data)),
            Column("kept", "Kept", lambda data: str(data.kept)),
            Column("negatives", "Negatives", lambda data: str(data.negatives)) if negatives else None,
            Column("precision", "Precision of kept, %", lambda data: estimate(data.precision)),
            Column("covered", "Problems covered", lambda data: f"{data.covered} of {data.problems}"),
            Column("poisoned", "Poisoned problems", lambda data: str(data.poisoned)),
        ],
        id="data",
        title="Training data",
        note=(
            "Precision: by the gold. Kept texts have another precision than accepted samples, as right answers are "
            "written more often and equal texts are kept once. Poisoned: all kept samples of the problem are wrong. Of "
            f"an arm with replicates: sums over them. {NEGATIVES if negatives else ''}{CLUSTERED}"
        ),
    )


def _otherwise(data: TrainingData) -> str:
    others = (f"{rule} {count}" for rule, count in data.dropped.items() if rule not in OWN_COLUMN)
    return ", ".join(others) or DASH
