"""What a run took, as tables: the verdicts of each verifier, and seconds of training and of every other stage.

Takes Findings; gives Tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from restem.reports.analysis.findings import Findings
from restem.reports.data.run import Cost, Run
from restem.reports.tables.format import DASH
from restem.reports.tables.table import Column, Table

EVENTS = {"finished": "whole command"}  # kinds of events that have another name for readers


def cost(findings: Findings) -> Table:
    """What the verdicts cost, by verifier."""
    return Table.of(
        findings.run.costs,
        [
            Column("verifier", "Verifier", lambda c: c.verifier, names=True),
            Column("verdicts", "Verdicts", lambda c: str(c.verdicts)),
            Column("seconds", "Seconds", lambda c: f"{c.seconds:.1f}"),
            Column("calls", "Judge calls", lambda c: str(c.calls)),
            Column("tokens", "Tokens", lambda c: str(c.tokens)),
            Column("usd", "USD", lambda c: f"{c.usd:.4f}"),
            Column("rate", "USD per 1000 verdicts", _rate),
        ],
        id="cost",
        title="Cost of verdicts",
        note=(
            "Over all stored verdicts: training, test, probe. Judge calls: distinct requests answered; equal ones are "
            "asked once. A judge's seconds, tokens and USD are those of its calls, which overlap in time."
        ),
    )


def _rate(cost: Cost) -> str:
    return f"{1000 * cost.usd / cost.verdicts:.4f}" if cost.verdicts else DASH


class _Spent(NamedTuple):
    """Seconds of a stage, in all its steps or times."""

    stage: str
    arm: str
    times: str
    seconds: float


def _spent(run: Run) -> Iterator[_Spent]:
    for arm in run.arms:
        if chain := run.chain(arm.name):
            yield _Spent("training", arm.name, str(sum(c.steps for c in chain)), sum(c.seconds for c in chain))
    for (kind, arm), (count, total) in sorted(run.timed.items()):
        yield _Spent(EVENTS.get(kind, kind), arm or DASH, str(count), total)
    if isinstance(total := run.facts.get("seconds"), (int, float)):
        yield _Spent("whole run", DASH, DASH, total)


def seconds(findings: Findings) -> Table:
    """Where the time went: training by arm, and whatever events name their seconds."""
    return Table.of(
        _spent(findings.run),
        [
            Column("stage", "What", lambda s: s.stage, names=True),
            Column("arm", "Arm", lambda s: s.arm, names=True),
            Column("times", "Steps or times", lambda s: s.times),
            Column("seconds", "Seconds", lambda s: f"{s.seconds:.1f}"),
        ],
        id="seconds",
        title="Time",
        note="Samples shared by several arms are drawn once. Training includes its validation checks.",
    )
