"""The tables of run.db: their columns in one place, and what each schema version added.

Takes an open SQLite connection; gives SQL made from the tables below. A writer adds what an older file lacks. A reader
cannot, so it sees a view in which absent columns are NULL and absent tables are empty. It does not depend on the
records. docs/run_db.md describes every column.

To add a column: append it to its table's `columns`, name it in `added`, and raise VERSION.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence

VERSION = 7
OLDEST = 2  # the first version that is still read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        columns: Name -> SQLite type and constraint, in the order of the file.
        constraints: Of the table as a whole.
        rowid: Whether SQLite keeps a hidden row number.
        since: The schema version that added the table.
        added: Column -> the version that added it, where it is later than the table. Such columns stand last.
    """

    name: str
    columns: Mapping[str, str]
    constraints: Sequence[str] = ()
    rowid: bool = False
    since: int = OLDEST
    added: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def create(self) -> str:
        """The CREATE TABLE statement."""
        columns = ", ".join([*(f"{name} {kind}" for name, kind in self.columns.items()), *self.constraints])
        return f"CREATE TABLE {self.name} ({columns}){'' if self.rowid else ' WITHOUT ROWID'}"

    def names(self, prefix: str = "", *, without: Sequence[str] = ()) -> str:
        """The column names, as a SELECT takes them; `prefix` stands before each."""
        return ", ".join(prefix + name for name in self.columns if name not in without)

    def insert(self, *, on_conflict: str = "ABORT") -> str:
        """An INSERT of a row that is given by its values, in the order of the columns."""
        values = ", ".join("?" * len(self.columns))
        return f"INSERT OR {on_conflict} INTO {self.name} ({self.names()}) VALUES ({values})"

    def absent(self, version: int) -> list[str]:
        """The columns that a file of this version lacks."""
        return [name for name in self.columns if self.added.get(name, self.since) > version]


_VERDICT = {
    "verifier": "TEXT NOT NULL REFERENCES verifier (fingerprint)",
    "outcome": "TEXT NOT NULL CHECK (outcome IN ('correct', 'wrong', 'undecided'))",
    "score": "REAL",
    "answer": "TEXT",
    "span_start": "INTEGER",
    "span_end": "INTEGER",
    "rule": "TEXT",
    "reason": "TEXT",
    "seconds": "REAL NOT NULL",
    "tokens": "INTEGER NOT NULL",
    "cost_usd": "REAL NOT NULL",
    "raw_reward": "REAL",
}
_VERDICT_ADDED = {"raw_reward": 6}
RUN = Table(name="run", columns={"key": "TEXT PRIMARY KEY", "value": "TEXT NOT NULL"})
PROBLEM = Table(
    name="problem",
    columns={
        "id": "TEXT PRIMARY KEY",
        "split": "TEXT NOT NULL",
        "position": "INTEGER NOT NULL",
        "question": "TEXT NOT NULL",
        "reference": "TEXT",
        "source": "TEXT NOT NULL",
        "data": "TEXT",
        "alternatives": "TEXT",
        "strata": "TEXT",
    },
    constraints=("UNIQUE (split, position)",),
    added={"data": 4, "alternatives": 4, "strata": 5},
)
CHECKPOINT = Table(
    name="checkpoint",
    columns={
        "id": "TEXT PRIMARY KEY",
        "arm": "TEXT",
        "iteration": "INTEGER NOT NULL",
        "kind": "TEXT NOT NULL",
        "started_from": "TEXT",
        "sampled_from": "TEXT",
        "path": "TEXT",
        "params_sha256": "TEXT",
        "steps": "INTEGER NOT NULL",
        "losses": "TEXT NOT NULL",
        "validation_reward": "REAL",
        "seconds": "REAL NOT NULL",
    },
)
SAMPLE = Table(
    name="sample",
    columns={
        "id": "INTEGER PRIMARY KEY",
        "checkpoint": "TEXT NOT NULL",
        "problem": "TEXT NOT NULL REFERENCES problem (id)",
        "idx": "INTEGER NOT NULL",
        "text": "TEXT NOT NULL",
        # NULL in an imported row whose source does not say. Files of versions before 6 declare these three NOT NULL.
        "token_count": "INTEGER",
        "mean_logprob": "REAL",
        "finish_reason": "TEXT",
        "token_ids": "BLOB",
        "source": "TEXT",
    },
    constraints=("UNIQUE (checkpoint, problem, idx)",),
    rowid=True,
    added={"token_ids": 4, "source": 6},
)
VERIFIER = Table(
    name="verifier",
    columns={"fingerprint": "TEXT PRIMARY KEY", "name": "TEXT NOT NULL", "settings": "TEXT NOT NULL"},
)
VERDICT = Table(
    name="verdict",
    columns={"sample": "INTEGER NOT NULL REFERENCES sample (id)", **_VERDICT},
    constraints=("PRIMARY KEY (sample, verifier)",),
    added=_VERDICT_ADDED,
)
PROBE = Table(
    name="probe",
    columns={
        "id": "INTEGER PRIMARY KEY",
        "problem": "TEXT NOT NULL REFERENCES problem (id)",
        "kind": "TEXT NOT NULL",
        "form": "TEXT NOT NULL",
        "text": "TEXT NOT NULL",
    },
    constraints=("UNIQUE (problem, form, kind)",),
    rowid=True,
    since=3,
)
PROBE_VERDICT = Table(
    name="probe_verdict",
    columns={"probe": "INTEGER NOT NULL REFERENCES probe (id)", **_VERDICT},
    constraints=("PRIMARY KEY (probe, verifier)",),
    since=3,
    added=_VERDICT_ADDED,
)
SELECTION = Table(
    name="selection",
    columns={
        "checkpoint": "TEXT NOT NULL",
        "sample": "INTEGER NOT NULL REFERENCES sample (id)",
        "weight": "REAL NOT NULL",
        "dropped_by": "TEXT",
    },
    constraints=("PRIMARY KEY (checkpoint, sample)",),
)
JUDGE_CALL = Table(
    name="judge_call",
    columns={
        "request_sha256": "TEXT PRIMARY KEY",
        "verifier": "TEXT NOT NULL",
        "request": "TEXT NOT NULL",
        "reply": "TEXT",
        "finish_reason": "TEXT",
        "model": "TEXT",
        "prompt_tokens": "INTEGER NOT NULL",
        "completion_tokens": "INTEGER NOT NULL",
        "attempts": "TEXT NOT NULL",
        "seconds": "REAL NOT NULL",
        "time": "REAL NOT NULL",
        "logprob_1": "REAL",
        "logprob_0": "REAL",
    },
)
EVENT = Table(
    name="event",
    columns={
        "id": "INTEGER PRIMARY KEY",
        "time": "REAL NOT NULL",
        "kind": "TEXT NOT NULL",
        "arm": "TEXT",
        "iteration": "INTEGER",
        "detail": "TEXT NOT NULL",
    },
    rowid=True,
)
SEAL = Table(
    name="seal",
    columns={
        "sealed_table": "TEXT NOT NULL",
        "part": "TEXT NOT NULL",
        "count": "INTEGER NOT NULL",
        "sha256_sum": "TEXT NOT NULL",
    },
    constraints=("PRIMARY KEY (sealed_table, part)",),
    since=7,
)
# All tables of rows; `seal` holds the hashes of these.
ROWS = (RUN, PROBLEM, CHECKPOINT, SAMPLE, VERIFIER, VERDICT, SELECTION, JUDGE_CALL, EVENT, PROBE, PROBE_VERDICT)
TABLES = (*ROWS, SEAL)


def version_of(db: sqlite3.Connection) -> int:
    """The schema's version; 0 where there are no tables yet."""
    return db.execute("PRAGMA user_version").fetchone()[0]


def migrate(db: sqlite3.Connection) -> None:
    """Adds the tables and columns that an empty database, or one of an earlier version, lacks.

    The caller holds a transaction.
    """
    version = version_of(db)
    for table in TABLES:
        if table.since > version:
            db.execute(table.create)
        else:
            for column in table.absent(version):
                db.execute(f"ALTER TABLE {table.name} ADD COLUMN {column} {table.columns[column]}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def view_as_current(db: sqlite3.Connection) -> None:
    """Lets a reader of an older file select every column of today: absent ones are NULL, absent tables are empty.

    SQLite looks a name up among temporary views first, and these exist in this connection alone.
    """
    version = version_of(db)
    db.execute("PRAGMA temp_store = MEMORY")
    for table in TABLES:
        if absent := table.absent(version):
            values = ", ".join(f"NULL AS {name}" if name in absent else name for name in table.columns)
            rows = f"FROM main.{table.name}" if len(absent) < len(table.columns) else "WHERE 0"
            db.execute(f"CREATE TEMP VIEW {table.name} AS SELECT {values} {rows}")
