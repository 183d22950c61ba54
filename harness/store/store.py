"""run.db and the run folder: append, read back, resume. No JAX.

Takes records; gives records. One SQLite file in WAL mode: one writing process, any number of readers, nothing lost that
was committed. Rows are only ever added: a stage that finds its rows does nothing. docs/run_db.md says what each column
means.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.problem import Probe, Problem
from restem.harness.errors import ConfigError, RunBusy
from restem.harness.store import schema
from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
from restem.verifiers.verdict import Outcome, Verdict


class RunLock:
    """Holds a run folder for one process; the lock goes with the process, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "run.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise RunBusy(f"{folder}: another process (pid {holder}) is writing to this run") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()


class Store:
    """The rows of one run.

    Args:
        folder: The run folder.
        write: Whether to write; a reader opens the file read-only and never creates it.

    Raises:
        ConfigError: There is no run in the folder (reading), or its schema is of another version.
        RunBusy: Another process writes to it.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.folder = folder
        path = folder / "run.db"
        if write:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(folder)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
        else:
            if not path.is_file():
                raise ConfigError(f"{folder}: no run here (no run.db)")
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._db.execute("PRAGMA trusted_schema = OFF")
        version = schema.version_of(self._db)
        if not schema.OLDEST <= version <= schema.VERSION and not (write and version == 0):
            raise ConfigError(f"{path}: schema version {version}, this program reads {schema.VERSION}")
        if write and version < schema.VERSION:
            with self._transaction():
                schema.complete(self._db)

    def close(self) -> None:
        self._db.close()
        if hasattr(self, "_lock"):
            self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of any SELECT: what reports and tests are made from."""
        return self._db.execute(sql, parameters).fetchall()

    # run

    def put_run(self, values: Mapping[str, Any]) -> None:
        """Adds facts about the run; a key already there keeps its first value."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO run VALUES (?, ?)",
                [(key, json.dumps(value, sort_keys=True)) for key, value in values.items()],
            )

    def set_run(self, key: str, value: Any) -> None:
        """Replaces one fact about the run."""
        self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value, sort_keys=True)))

    def run(self) -> dict[str, Any]:
        """All facts about the run."""
        return {key: json.loads(value) for key, value in self._db.execute("SELECT key, value FROM run ORDER BY key")}

    def log(self, kind: str, *, arm: str | None = None, iteration: int | None = None, **detail: Any) -> None:
        """Adds an event."""
        row = (time.time(), kind, arm, iteration, json.dumps(detail, sort_keys=True))
        self._db.execute("INSERT INTO event (time, kind, arm, iteration, detail) VALUES (?, ?, ?, ?, ?)", row)

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """The details of all events of a kind, in their order."""
        return [
            json.loads(row[0]) for row in self.query("SELECT detail FROM event WHERE kind = ? ORDER BY id", (kind,))
        ]

    # problems

    def add_problems(self, problems: Sequence[Problem]) -> None:
        """Adds a split's problems, in their order."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO problem VALUES (?, ?, ?, ?, ?, ?)",
                [(p.id, p.split, i, p.question, p.reference, p.source) for i, p in enumerate(problems)],
            )

    def problems(self, split: str | None = None) -> list[Problem]:
        """Problems of a split (or all), in their order."""
        rows = self.query(
            "SELECT id, question, reference, split, source FROM problem WHERE :split IS NULL OR split = :split"
            " ORDER BY split, position",
            {"split": split},
        )
        fields = ("id", "question", "reference", "split", "source")
        return [Problem(**dict(zip(fields, row, strict=True))) for row in rows]

    # samples

    def add_samples(self, samples: Iterable[Sample]) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(s.id, *dataclasses.astuple(s)) for s in samples]
            )

    def samples(self, checkpoint: str, split: str) -> list[Sample]:
        """Samples of a checkpoint on a split, all of a problem together, in problem order."""
        rows = self.query(
            "SELECT s.checkpoint, s.problem, s.idx, s.text, s.token_count, s.mean_logprob, s.finish_reason"
            " FROM sample s JOIN problem p ON p.id = s.problem WHERE s.checkpoint = ? AND p.split = ?"
            " ORDER BY p.position, s.idx",
            (checkpoint, split),
        )
        fields = [field.name for field in dataclasses.fields(Sample)]
        return [Sample(**dict(zip(fields, row, strict=True))) for row in rows]

    def sampled_problems(self, checkpoint: str) -> set[str]:
        """Ids of the problems that a checkpoint has samples of."""
        return {row[0] for row in self.query("SELECT DISTINCT problem FROM sample WHERE checkpoint = ?", (checkpoint,))}

    # verdicts

    def add_verifier(self, fingerprint: str, name: str, settings: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO verifier VALUES (?, ?, ?)",
            (fingerprint, name, json.dumps(dict(settings), sort_keys=True, default=str)),
        )

    def add_verdicts(self, verifier: str, verdicts: Iterable[tuple[int, Verdict]]) -> None:
        """Adds (sample id, verdict) rows under a verifier's fingerprint."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_verdict_row(sample, verifier, verdict) for sample, verdict in verdicts],
            )

    def verdicts(self, checkpoint: str, split: str, verifier: str) -> dict[int, Verdict]:
        """Sample id -> verdict of one verifier (fingerprint) on a checkpoint's samples of a split."""
        rows = self.query(
            "SELECT v.sample, v.outcome, v.score, v.answer, v.span_start, v.span_end, v.rule, v.reason, v.seconds,"
            " v.tokens, v.cost_usd FROM verdict v JOIN sample s ON s.id = v.sample JOIN problem p ON p.id = s.problem"
            " WHERE s.checkpoint = ? AND p.split = ? AND v.verifier = ?",
            (checkpoint, split, verifier),
        )
        return {row[0]: _verdict(row[1:]) for row in rows}

    # probes; a run of schema version 2 that is only read has none

    def add_probes(self, probes: Sequence[Probe]) -> None:
        """Adds the run's probes, in their order."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO probe VALUES (?, ?, ?, ?, ?)",
                [(id, p.problem, p.kind, p.form, p.text) for id, p in enumerate(probes)],
            )

    def probes(self) -> dict[int, Probe]:
        """Id -> probe, in their order."""
        rows = self._probe_rows("SELECT id, problem, kind, form, text FROM probe ORDER BY id")
        return {row[0]: Probe(problem=row[1], kind=row[2], form=row[3], text=row[4]) for row in rows}

    def add_probe_verdicts(self, verifier: str, verdicts: Iterable[tuple[int, Verdict]]) -> None:
        """Adds (probe id, verdict) rows under a verifier's fingerprint."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO probe_verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_verdict_row(probe, verifier, verdict) for probe, verdict in verdicts],
            )

    def probe_verdicts(self, verifier: str) -> dict[int, Verdict]:
        """Probe id -> verdict of one verifier (fingerprint)."""
        rows = self._probe_rows(
            "SELECT probe, outcome, score, answer, span_start, span_end, rule, reason, seconds, tokens, cost_usd"
            " FROM probe_verdict WHERE verifier = ? ORDER BY probe",
            (verifier,),
        )
        return {row[0]: _verdict(row[1:]) for row in rows}

    def _probe_rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.query(sql, parameters) if schema.version_of(self._db) >= schema.WITH_PROBES else []

    # selections and checkpoints

    def add_selection(self, selection: Selection) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT INTO selection VALUES (?, ?, ?, ?)",
                [(selection.checkpoint, row.sample, row.weight, row.dropped_by) for row in selection.rows],
            )

    def selection(self, checkpoint: str) -> Selection | None:
        """The selection that a checkpoint was (or is to be) trained on."""
        rows = self.query(
            "SELECT sample, weight, dropped_by FROM selection WHERE checkpoint = ? ORDER BY sample", (checkpoint,)
        )
        selected = tuple(Selected(sample=row[0], weight=row[1], dropped_by=row[2]) for row in rows)
        return Selection(checkpoint=checkpoint, rows=selected) if rows else None

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Adds a checkpoint; a candidate that a killed M-step left behind keeps its row."""
        row = dataclasses.asdict(checkpoint) | {"losses": json.dumps(checkpoint.losses)}
        marks = ", ".join("?" * len(row))
        self._db.execute(f"INSERT OR IGNORE INTO checkpoint VALUES ({marks})", tuple(row.values()))

    def checkpoint(self, id: str) -> Checkpoint | None:
        return next((c for c in self.checkpoints() if c.id == id), None)

    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints: the base first, then arm by arm in the order of iterations and steps."""
        fields = [field.name for field in dataclasses.fields(Checkpoint)]
        rows = self.query(
            f"SELECT {', '.join(fields)} FROM checkpoint"
            " ORDER BY arm IS NOT NULL, arm, iteration, kind != 'candidate', steps, id"
        )
        records = (dict(zip(fields, row, strict=True)) for row in rows)
        return [Checkpoint(**{**record, "losses": tuple(json.loads(record["losses"]))}) for record in records]

    # judge calls

    def stored_call(self, request_sha256: str) -> dict[str, Any] | None:
        """The stored reply to a request, if it was ever answered."""
        fields = (
            *("reply", "finish_reason", "model", "prompt_tokens", "completion_tokens", "seconds"),
            *("logprob_1", "logprob_0"),
        )
        rows = self.query(f"SELECT {', '.join(fields)} FROM judge_call WHERE request_sha256 = ?", (request_sha256,))
        return dict(zip(fields, rows[0], strict=True)) if rows else None

    def store_calls(self, calls: Sequence[Mapping[str, Any]]) -> None:
        """Adds answered requests; on disk when this returns."""
        fields = (
            *("request_sha256", "verifier", "request", "reply", "finish_reason", "model", "prompt_tokens"),
            *("completion_tokens", "attempts", "seconds", "time", "logprob_1", "logprob_0"),
        )
        marks = ", ".join("?" * len(fields))
        with self._transaction():
            self._db.executemany(
                f"INSERT OR IGNORE INTO judge_call VALUES ({marks})",
                [tuple(call[field] for field in fields) for call in calls],
            )

    def spent(self, verifier: str) -> list[tuple[str, int, int, int]]:
        """Model that answered, calls, prompt and completion tokens of a verifier's (fingerprint's) stored calls."""
        return self.query(
            "SELECT coalesce(model, ''), count(*), sum(prompt_tokens), sum(completion_tokens) FROM judge_call"
            " WHERE verifier = ? GROUP BY 1 ORDER BY 1",
            (verifier,),
        )


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK where the body raised."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _verdict_row(key: int, verifier: str, verdict: Verdict) -> tuple[Any, ...]:
    v = verdict
    return (
        *(key, verifier, v.outcome.value, v.score, v.answer, *(v.span or (None, None))),
        *(v.rule, v.reason, v.seconds, v.tokens, v.cost_usd),
    )


def _verdict(row: Sequence[Any]) -> Verdict:
    outcome, score, answer, start, end, rule, reason, seconds, tokens, cost = row
    return Verdict(
        outcome=Outcome(outcome),
        score=score,
        answer=answer,
        span=None if start is None else (start, end),
        rule=rule,
        reason=reason,
        seconds=seconds,
        tokens=tokens,
        cost_usd=cost,
    )


def batched(attempts: Sequence[Sample], size: int) -> Iterator[list[Sample]]:
    """Runs of samples of about `size`, never splitting the samples of one problem."""
    batch: list[Sample] = []
    for sample in attempts:
        if len(batch) >= size and sample.problem != batch[-1].problem:
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch
