"""The rows of a run without what may differ between two runs of one suite: clocks and durations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from restem.harness.store.store import Store

CLOCKS = {"seconds", "time"}
TABLES = ("problem", "checkpoint", "sample", "verifier", "verdict", "selection", "probe", "probe_verdict")


def lasting_rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its sorted rows, durations left out; judge calls by request and reply."""
    with Store(folder) as store:
        rows = {table: _rows(store, table) for table in TABLES}
        rows["judge_call"] = sorted(store.query("SELECT request_sha256, reply, finish_reason, model FROM judge_call"))
        rows["run"] = [("verifiers", store.run().get("verifiers")), ("finished", store.run().get("finished"))]
    return rows


def _rows(store: Store, table: str) -> list[tuple[Any, ...]]:
    columns = [row[1] for row in store.query(f"PRAGMA table_info({table})") if row[1] not in CLOCKS]
    # The embedded judge's port changes with every start; its settings row keeps the first.
    columns = [column for column in columns if (table, column) != ("verifier", "settings")]
    return sorted(store.query(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)
