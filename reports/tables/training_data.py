"""What each M-step was given, as a table, beside what the law forecast of it.

Takes Findings and the forecasts of `analysis/predictions.py`; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.analysis.predictions import DataForecast
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, estimate, number, share
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

OWN_COLUMN = ("wrong", "undecided", "duplicate", "cap")  # rules that other columns count


class _Forecast(NamedTuple):
    """An E-step's data, and what was forecast of it."""

    data: TrainingData
    law: DataForecast | None


def training_data(findings: Findings, forecasts: Sequence[DataForecast]) -> Table:
    """What each M-step was given, audited by the gold, beside what F4 and F5 forecast."""
    by_place = {(item.arm, item.iteration): item for item in forecasts}
    records = [_Forecast(item, by_place.get((item.arm.name, item.iteration))) for item in findings.data]
    return Table.of(
        records,
        [
            Column("arm", "Arm", lambda r: arm_cell(r.data.arm), names=True),
            Column("iteration", "Iteration", lambda r: str(r.data.iteration)),
            Column("sampled", "Sampled", lambda r: str(r.data.sampled)),
            Column("accepted", "Accepted", lambda r: share(r.data.accepted, r.data.sampled)),
            Column("undecided", "Undecided", lambda r: str(r.data.undecided)),
            Column("duplicates", "Duplicates", lambda r: str(r.data.dropped.get("duplicate", 0))),
            Column("cap", "Over cap", lambda r: str(r.data.dropped.get("cap", 0))),
            Column("otherwise", "Otherwise dropped", lambda r: _otherwise(r.data)),
            Column("kept", "Kept", _kept),
            Column("precision", "Precision by gold, %", lambda r: estimate(r.data.precision)),
            Column("forecast", "Forecast precision, %", lambda r: number(r.law.precision) if r.law else DASH),
            Column("covered", "Problems covered", lambda r: f"{r.data.covered} of {r.data.problems}"),
            Column("poisoned", "Poisoned problems", _poisoned),
        ],
        id="data",
        title="Training data",
        note=(
            "Poisoned: all kept samples of the problem are wrong by the gold. Forecasts (F4, F5) take the verifier's "
            "TPR and FPR from the test samples of the same policy, and suppose that different texts are judged "
            "independently and equal ones alike: a verifier that judges each copy anew keeps more. Of an arm with "
            f"replicates: sums over them. {CLUSTERED}"
        ),
    )


def _otherwise(data: TrainingData) -> str:
    others = (f"{rule} {count}" for rule, count in data.dropped.items() if rule not in OWN_COLUMN)
    return ", ".join(others) or DASH


def _kept(record: _Forecast) -> Cell:
    return Cell(str(record.data.kept), f"forecast {record.law.kept:.0f}" if record.law else "")


def _poisoned(record: _Forecast) -> Cell:
    return Cell(str(record.data.poisoned), f"forecast {record.law.poisoned:.1f}" if record.law else "")
