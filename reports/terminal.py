"""A run on one screen: plain text for the terminal, control characters of any origin made visible.

Takes a run folder; gives text. Needs no plotting library, so it is quick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness.store import Store
from reports import ledger, tables
from reports.findings import find, missing
from reports.metrics import Difference, Estimate
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
        findings = find(read_run(store, brief=True), brief=True)
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
        findings = find(read_run(store, brief=True), brief=True)
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


def standings(run_folder: Path) -> dict[str, Any]:
    """The same for programs: the answer, and per arm and iteration gold accuracy, gain and own reward with intervals.

    Shares lie in [0, 1]; an interval is [value, low, high] at 95 %, clustered by problem; null where not measured.

    Raises:
        ConfigError: The folder holds no run.
    """
    with Store(run_folder) as store:
        findings = find(read_run(store, brief=True), brief=True)
    rows = [
        {
            "checkpoint": standing.checkpoint,
            "arm": arm or None,
            "iteration": iteration,
            "kind": standing.kind,
            "accuracy": _interval(standing.accuracy),
            "coverage": _finite(standing.coverage),
            "gain": _interval(standing.gain) if iteration else None,
            "reward": _interval(standing.reward),
        }
        for (arm, iteration), standing in findings.standings.items()
        if iteration or not arm
    ]
    return {
        "answer": [visible(sentence, 2000) for sentence in answer(findings, rank(findings))],
        "unfinished": missing(findings.run),
        "standings": rows,
    }


def _interval(estimate: Estimate | Difference | None) -> list[float] | None:
    if estimate is None or not math.isfinite(estimate.value):
        return None
    return [round(x, 6) for x in (estimate.value, estimate.low, estimate.high)]


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


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
