"""Runs as earlier schema versions wrote them, for tests: their CREATE statements, word for word."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

VERSION_2 = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE problem (
    id TEXT PRIMARY KEY, split TEXT NOT NULL, position INTEGER NOT NULL, question TEXT NOT NULL, reference TEXT,
    source TEXT NOT NULL, UNIQUE (split, position)) WITHOUT ROWID;
CREATE TABLE checkpoint (
    id TEXT PRIMARY KEY, arm TEXT, iteration INTEGER NOT NULL, kind TEXT NOT NULL, started_from TEXT, sampled_from TEXT,
    path TEXT, params_sha256 TEXT, steps INTEGER NOT NULL, losses TEXT NOT NULL, validation_reward REAL,
    seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE sample (
    id INTEGER PRIMARY KEY, checkpoint TEXT NOT NULL, problem TEXT NOT NULL REFERENCES problem (id),
    idx INTEGER NOT NULL, text TEXT NOT NULL, token_count INTEGER NOT NULL, mean_logprob REAL NOT NULL,
    finish_reason TEXT NOT NULL, UNIQUE (checkpoint, problem, idx));
CREATE TABLE verifier (fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE verdict (
    sample INTEGER NOT NULL REFERENCES sample (id), verifier TEXT NOT NULL REFERENCES verifier (fingerprint),
    outcome TEXT NOT NULL CHECK (outcome IN ('correct', 'wrong', 'undecided')), score REAL, answer TEXT,
    span_start INTEGER, span_end INTEGER, rule TEXT, reason TEXT, seconds REAL NOT NULL, tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL, PRIMARY KEY (sample, verifier)) WITHOUT ROWID;
CREATE TABLE selection (
    checkpoint TEXT NOT NULL, sample INTEGER NOT NULL REFERENCES sample (id), weight REAL NOT NULL, dropped_by TEXT,
    PRIMARY KEY (checkpoint, sample)) WITHOUT ROWID;
CREATE TABLE judge_call (
    request_sha256 TEXT PRIMARY KEY, verifier TEXT NOT NULL, request TEXT NOT NULL, reply TEXT,
    finish_reason TEXT, model TEXT, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    attempts TEXT NOT NULL, seconds REAL NOT NULL, time REAL NOT NULL, logprob_1 REAL, logprob_0 REAL) WITHOUT ROWID;
CREATE TABLE event (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, arm TEXT, iteration INTEGER, detail TEXT NOT NULL);
"""
VERSION_3 = (
    VERSION_2
    + """
CREATE TABLE probe (
    id INTEGER PRIMARY KEY, problem TEXT NOT NULL REFERENCES problem (id), kind TEXT NOT NULL, form TEXT NOT NULL,
    text TEXT NOT NULL, UNIQUE (problem, form, kind));
CREATE TABLE probe_verdict (
    probe INTEGER NOT NULL REFERENCES probe (id), verifier TEXT NOT NULL REFERENCES verifier (fingerprint),
    outcome TEXT NOT NULL CHECK (outcome IN ('correct', 'wrong', 'undecided')), score REAL, answer TEXT,
    span_start INTEGER, span_end INTEGER, rule TEXT, reason TEXT, seconds REAL NOT NULL, tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL, PRIMARY KEY (probe, verifier)) WITHOUT ROWID;
"""
)
VERSION_4 = (
    VERSION_3
    + """
ALTER TABLE problem ADD COLUMN data TEXT;
ALTER TABLE problem ADD COLUMN alternatives TEXT;
ALTER TABLE sample ADD COLUMN token_ids BLOB;
"""
)
VERSION_5 = (
    VERSION_4
    + """
ALTER TABLE problem ADD COLUMN strata TEXT;
"""
)
VERSION_6 = (
    VERSION_5
    + """
ALTER TABLE sample ADD COLUMN source TEXT;
ALTER TABLE verdict ADD COLUMN raw_reward REAL;
ALTER TABLE probe_verdict ADD COLUMN raw_reward REAL;
"""
)
SCHEMAS = {2: VERSION_2, 3: VERSION_3, 4: VERSION_4, 5: VERSION_5, 6: VERSION_6}


def as_of(folder: Path, version: int) -> None:
    """Rewrites a run as the program of that schema version would have written it."""
    with closing(sqlite3.connect(folder / "run.db")) as new:
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(sqlite3.connect(folder / "old.db")) as old:
            old.executescript(SCHEMAS[version] + f"PRAGMA user_version = {version};")
            for (table,) in old.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                columns = ", ".join(row[1] for row in old.execute(f"PRAGMA table_info({table})"))
                rows = new.execute(f"SELECT {columns} FROM {table}").fetchall()
                places = ", ".join("?" * (columns.count(",") + 1))
                old.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)
            old.commit()
    for name in ("run.db", "run.db-wal", "run.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "old.db").rename(folder / "run.db")
