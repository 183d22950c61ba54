"""A run on one screen: plain text for the terminal, control characters of any origin made visible.

Takes a run folder; gives text. Needs no plotting library, so it is quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from harness.store import Store
from reports import ledger, tables
from reports.findings import find, missing
from reports.ranking import answer, rank
from reports.rows import Run, read_run
from reports.tables import Table
from reports.text import visible

SUMMARY = (
    "Arm",
    "Iteration",
    "Gold accuracy, %",
    "Gain over base, points",
    "Own reward, %",
    "Reward − accuracy, points",
)
MOST_MISSING = 8


def summary(run_folder: Path) -> str:
    """The answer, which judge spoke, and the first table's chief columns.

    Raises:
        ConfigError: The folder holds no run.
    """
    with Store(run_folder) as store:
        findings = find(read_run(store))
    lines = [visible(sentence, 2000) for sentence in answer(findings, rank(findings))]
    lines.append(visible(ledger.judge_line(findings.run)))
    lines += _unfinished(findings.run)
    return "\n".join([*lines, "", _plain(tables.arms(findings), SUMMARY), ""])


def status(run_folder: Path) -> str:
    """Arms, iterations, accuracy with intervals, cost, what is unfinished: one screen.

    Raises:
        ConfigError: The folder holds no run.
    """
    with Store(run_folder) as store:
        findings = find(read_run(store))
    run = findings.run
    usd, calls = sum(cost.usd for cost in run.costs), sum(cost.calls for cost in run.costs)
    verdicts = sum(cost.verdicts for cost in run.costs)
    trained = sum(c.seconds for c in run.checkpoints.values() if c.kind != "candidate")
    head = [
        f"{run.suite.get('name', 'unnamed')}: {len(run.arms)} arms, {run.iterations} iterations, gold {run.gold}",
        f"{len(run.samples.id)} samples, {verdicts} verdicts, {calls} judge calls, {usd:.4f} USD, "
        f"{trained:.0f} s of training",
    ]
    lines = [visible(line) for line in head] + (_unfinished(run) or ["Finished."])
    return "\n".join([*lines, "", _plain(tables.arms(findings), SUMMARY[:5]), ""])


def _unfinished(run: Run) -> list[str]:
    absent = missing(run)
    if not absent:
        return []
    more = [f"  and {len(absent) - MOST_MISSING} more"] if len(absent) > MOST_MISSING else []
    return ["Unfinished:", *(f"  {visible(item)}" for item in absent[:MOST_MISSING]), *more]


def _plain(table: Table, columns: Sequence[str]) -> str:
    places = [table.columns.index(column) for column in columns]
    rows = [[visible(row[place].line, 60) for place in places] for row in table.rows]
    return tabulate(rows, headers=columns, tablefmt="simple", disable_numparse=True)
