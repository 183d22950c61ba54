"""Accuracy on training and on test problems, as a table.

Takes Findings and what analysis/train_test_gap.py gives; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.findings import Findings
from restem.reports.analysis.train_test_gap import TrainTest
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.decoding import decoding_sentence
from restem.reports.tables.format import DASH, difference, estimate
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

ALIKE = "Gold accuracy of samples drawn alike on both splits."


def train_test_gap(findings: Findings, items: Sequence[TrainTest]) -> Table:
    """A row a checkpoint."""
    return Table.of(
        items,
        [
            Column("arm", "Arm", lambda t: arm_cell(t.arm), names=True),
            Column("iteration", "Iteration", lambda t: str(t.iteration)),
            Column("train", "Training problems, %", _train),
            Column("test", "Test problems, %", lambda t: estimate(t.test)),
            Column("gap", "Train − test, points", lambda t: difference(t.gap)),
            Column("beyond", "Gain on train − gain on test, points", lambda t: difference(t.beyond)),
        ],
        id="train_test_gap",
        title="Training problems against test problems",
        note=(
            "Read the last column: above 0 the arm gained more on the problems that it was trained on; below 0 it has "
            f"also learnt wrong answers to them. {_drawn(findings)} The last column "
            f"compares gains over the base, in which the problems' difficulty cancels. Of these seeds. {CLUSTERED}"
        ),
    )


def _drawn(findings: Findings) -> str:
    """How the samples of both splits were drawn, and which checkpoints have none of the training problems."""
    run = findings.run
    otherwise = decoding_sentence(run)
    alike = f"{otherwise} So their accuracies differ for that reason too." if otherwise else ALIKE
    at_end = (run.suite.get("sampling") or {}).get("train_at_end", False)
    last = " The next iteration samples the training problems, so a last iteration is not sampled on them."
    return alike + last * (not at_end)


def _train(item: TrainTest) -> Cell:
    return estimate(item.train) if item.train.n else Cell(DASH, "not sampled")
