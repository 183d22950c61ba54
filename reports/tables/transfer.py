"""Accuracy and gain of every arm on further test sets, as a table.

Takes Findings; gives a Table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restem.harness.names import TESTS
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.transfer import transfers
from restem.reports.data.run import Run
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.decoding import decoding_note
from restem.reports.tables.format import difference, estimate, setting
from restem.reports.tables.table import Column, Table


def transfer(findings: Findings) -> Table:
    """A row an arm and test set."""
    run = findings.run
    return Table.of(
        transfers(findings),
        [
            Column("set", "Test set", lambda t: t.split.removeprefix(TESTS), names=True),
            Column("arm", "Arm", lambda t: arm_cell(t.last.arm), names=True),
            Column("iteration", "Iteration", lambda t: str(t.last.iteration)),
            Column("problems", "Problems", lambda t: str(run.size(t.split))),
            Column("base", "Base accuracy, %", lambda t: estimate(t.base.accuracy)),
            Column("accuracy", "Accuracy, %", lambda t: estimate(t.last.accuracy)),
            Column("gain", "Gain over base, points", lambda t: difference(t.gain.claim if t.gain else None)),
            Column("gap", "Reward gap, points", lambda t: difference(t.last.gap)),
        ],
        id="transfer",
        title="Transfer",
        note=(
            f"Gold accuracy on every test set, {_sets(run)}; `test` is the suite's own. Each arm after its last "
            "iteration. Gain: paired by problem, of other problems and other seeds. Reward gap: the reward of the "
            "training verifier less gold accuracy on the same samples; a verifier that asks a judge is not asked about "
            f"further test sets. Intervals are 95 %.{decoding_note(run)}"
        ),
    )


def _sets(run: Run) -> str:
    """What the further test sets are made of."""
    tables: Mapping[str, Mapping[str, Any]] = run.suite.get("tests") or {}
    names = [split.removeprefix(TESTS) for split in run.further_tests]
    return ", ".join(f"{name} of {_problems(tables[name])}" for name in names)


def _problems(table: Mapping[str, Any]) -> str:
    """The benchmarks of a set, with their regimes."""
    parts: Mapping[str, Any] = table.get("parts") or {table["name"]: table.get("regime")}
    return " and ".join(name if regime is None else f"{name} ({setting(regime)})" for name, regime in parts.items())
