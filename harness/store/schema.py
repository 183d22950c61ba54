"""The tables of run.db, by schema version; docs/run_db.md says what each column means.

Takes an open database; leaves one with today's tables. Knows nothing of what the rows stand for.
"""

from __future__ import annotations

import sqlite3

VERSION = WITH_PROBES = 3
OLDEST = 2  # still read: it lacks the tables of PROBES, and nothing else
SCHEMA = """
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
# A verdict on a probe has the columns of any other.
PROBES = """
CREATE TABLE probe (
    id INTEGER PRIMARY KEY, problem TEXT NOT NULL REFERENCES problem (id), kind TEXT NOT NULL, form TEXT NOT NULL,
    text TEXT NOT NULL, UNIQUE (problem, form, kind));
CREATE TABLE probe_verdict (
    probe INTEGER NOT NULL REFERENCES probe (id), verifier TEXT NOT NULL REFERENCES verifier (fingerprint),
    outcome TEXT NOT NULL CHECK (outcome IN ('correct', 'wrong', 'undecided')), score REAL, answer TEXT,
    span_start INTEGER, span_end INTEGER, rule TEXT, reason TEXT, seconds REAL NOT NULL, tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL, PRIMARY KEY (probe, verifier)) WITHOUT ROWID;
"""
_LACKING = {0: SCHEMA + PROBES, 2: PROBES}  # what a database of that version has not


def version_of(db: sqlite3.Connection) -> int:
    """The schema's version; 0 where there are no tables yet."""
    return db.execute("PRAGMA user_version").fetchone()[0]


def complete(db: sqlite3.Connection) -> None:
    """Adds the tables that an empty database, or one of an earlier version, lacks; the caller holds a transaction."""
    for statement in _LACKING.get(version_of(db), "").split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
