"""The rows of one run: append, read back, resume.

Takes records and gives records; it does not depend on JAX. A run is one SQLite file in WAL mode: one writing process,
any number of readers, and no committed row is lost. Rows are only ever added, and a stage that finds its rows does
nothing. docs/run_db.md describes every column.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.problem import Probe, Problem
from restem.harness.errors import ConfigError, DamagedRun, NoRun
from restem.harness.store import rows, schema, seals, shape
from restem.harness.store.connection import FILE, beside, to_read, to_write
from restem.harness.store.file_hash import forget, is_as_left
from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
from restem.harness.store.rows import Row
from restem.verifiers.verdict import Outcome, Verdict

_IN = "IN (SELECT value FROM json_each(?))"  # ids as one JSON list: a statement takes only so many parameters
# The key of a fact, before a judge's fingerprint; the id of a part of the run may follow, after a colon.
UNANSWERED = "judge_unanswered:"
CHUNK = 10_000  # rows that are read together
_REPLY = ("reply", "finish_reason", "model", "prompt_tokens", "completion_tokens", "seconds", "logprob_1", "logprob_0")


@dataclasses.dataclass(kw_only=True)
class ImportBatch:
    """Rows that are added together: imported samples, and what they need.

    Attributes:
        problems: New problems with their positions in their splits.
        checkpoints: New checkpoints.
        samples: New samples.
        verdicts: (sample id, verifier's fingerprint, verdict).
        facts: Facts about the run, which replace those of the same key.
    """

    problems: list[tuple[Problem, int]] = dataclasses.field(default_factory=list)
    checkpoints: list[Checkpoint] = dataclasses.field(default_factory=list)
    samples: list[Sample] = dataclasses.field(default_factory=list)
    verdicts: list[tuple[int, str, Verdict]] = dataclasses.field(default_factory=list)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Store:
    """The rows of one run.

    Args:
        folder: The run folder.
        write: Whether to write; a reader opens the file read-only and never creates it.
        check: Whether to check that all rows are those that were stored; facts about the run are checked in any case.

    Raises:
        DamagedRun: A row is not what was stored.
        NoRun: There is none in the folder (reading).
        ConfigError: The schema is of another version.
        RunBusy: Another process writes to it.
        RunReplaced: (of every method of a writer) The folder or a file of it was deleted, moved or replaced.
        StoreFailed: (of every method) SQLite cannot read or write the file.
    """

    def __init__(self, folder: Path, *, write: bool = False, check: bool = True) -> None:
        self.folder = folder
        # Before SQLite has the file: a file that is opened and closed again loses the locks that SQLite holds on it.
        unchanged = check and is_as_left(folder / FILE)
        with contextlib.ExitStack() as stack:
            self._db = stack.enter_context(to_write(folder) if write else to_read(folder))
            self._take_version(write, check_shape=not unchanged)
            if check and not unchanged:
                with self.snapshot():
                    seals.check(self._db, folder)
            if write:
                forget(folder / FILE)
            self._resources = stack.pop_all()

    def _take_version(self, write: bool, *, check_shape: bool) -> None:
        version = schema.version_of(self._db)
        if not version and not write:
            raise NoRun(f"{self.folder}: no run here yet (run.db holds no rows)")
        if not schema.OLDEST <= version <= schema.VERSION and not (write and version == 0):
            raise ConfigError(
                f"{self.folder / 'run.db'}: schema version {version}, this program reads {schema.OLDEST} to "
                f"{schema.VERSION}"
            )
        if version < schema.SEAL.since and self.query("SELECT 1 FROM sqlite_master WHERE name = 'seal'"):
            raise DamagedRun(
                f"{self.folder / 'run.db'}: schema version {version}, but it has seals, which came with version "
                f"{schema.SEAL.since}; restore it from a copy"
            )
        if version == schema.VERSION:
            return
        if version and check_shape:
            shape.check_shape(self._db, self.folder / "run.db")
        if write:
            with self._db.transaction("IMMEDIATE"):
                schema.migrate(self._db)
                seals.seal_again(self._db)
        else:
            schema.view_as_current(self._db)

    def close(self) -> None:
        """Closes the file, and releases the folder's lock where it was held."""
        self._resources.close()

    @contextlib.contextmanager
    def beside(self) -> Iterator[Store]:
        """The same rows for one other thread of this process, which writes too."""
        with beside(self._db) as db:
            other = copy.copy(self)
            other._db = db
            yield other

    def check_place(self) -> None:
        """Checks, for a writer, that the run folder is still in its place; every method that reads or writes does too.

        Raises:
            RunReplaced: It is not.
        """
        self._db.before()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stages(self) -> list[seals.Stage]:
        """Whether each stage's rows are those that were stored, and what SQLite says of the file; last the latter.

        A run of a version without seals has the latter alone.
        """
        sealed = schema.version_of(self._db) >= schema.SEAL.since
        with self.snapshot():
            return [*(seals.stages(self._db) if sealed else ()), *seals.pages_of(self._db)]

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """While it is open, all queries see the same moment, whatever is written in between."""
        return self._db.transaction("DEFERRED")

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of any SELECT: for reports/data and for tests; all other code calls the methods below."""
        return self._db.execute(sql, parameters).fetchall()

    def chunks(self, table: schema.Table, where: str = "TRUE", *parameters: Any) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a table, a chunk at a time, each with the values of all its columns."""
        cursor = self._db.execute(f"SELECT {table.names()} FROM {table.name} WHERE {where}", parameters)
        return iter(lambda: cursor.fetchmany(CHUNK), [])

    def add_rows(self, table: schema.Table, new: Sequence[tuple[Any, ...]]) -> None:
        """Adds rows that `chunks` gave, in a transaction that the caller holds."""
        self._db.executemany(table.insert(), new)
        seals.add(self._db, table, new)

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All rows that are added while it is open are stored, or none."""
        return self._db.transaction("IMMEDIATE")

    def _rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[Row]:
        """The rows of a SELECT as mappings from column to value."""
        cursor = self._db.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor.fetchall())

    def _insert(self, table: schema.Table, new: Iterable[Row], *, on_conflict: str = "ABORT") -> None:
        with contextlib.nullcontext() if self._db.in_transaction else self.transaction():
            self._many(table, new, on_conflict=on_conflict)

    def _many(self, table: schema.Table, new: Iterable[Row], *, on_conflict: str = "ABORT") -> None:
        """Adds rows within a transaction that the caller holds."""
        added = rows.as_stored(table, new)
        if on_conflict == "ABORT":
            self._db.executemany(table.insert(), added)
        else:
            added = [row for row in added if self._db.execute(table.insert(on_conflict=on_conflict), row).rowcount]
        if on_conflict == "REPLACE":
            seals.seal_again(self._db, [table])
        else:
            seals.add(self._db, table, added)

    # run

    def put_run(self, values: Mapping[str, Any]) -> None:
        """Adds facts about the run; a key already there keeps its first value."""
        self._insert(schema.RUN, [_fact(key, value) for key, value in values.items()], on_conflict="IGNORE")

    def set_run(self, key: str, value: Any) -> None:
        """Replaces one fact about the run."""
        self._insert(schema.RUN, [_fact(key, value)], on_conflict="REPLACE")

    def run(self) -> dict[str, Any]:
        """All facts about the run.

        Raises:
            DamagedRun: They are not those that were stored.
        """
        with contextlib.nullcontext() if self._db.in_transaction else self.snapshot():
            seals.check(self._db, self.folder, [schema.RUN], pages=False)
            return self._facts()

    def _facts(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self.query("SELECT key, value FROM run ORDER BY key")}

    def log(self, kind: str, *, arm: str | None = None, iteration: int | None = None, **detail: Any) -> None:
        """Adds an event."""
        text = json.dumps(detail, sort_keys=True)
        with contextlib.nullcontext() if self._db.in_transaction else self.transaction():
            ((id,),) = self.query("SELECT coalesce(max(id), 0) + 1 FROM event")
            row = {"id": id, "time": time.time(), "kind": kind, "arm": arm, "iteration": iteration, "detail": text}
            self._many(schema.EVENT, [row])

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """The details of all events of a kind, in their order."""
        return [
            json.loads(row[0]) for row in self.query("SELECT detail FROM event WHERE kind = ? ORDER BY id", (kind,))
        ]

    # problems

    def add_problems(self, problems: Sequence[Problem]) -> None:
        """Adds a split's problems, in their order."""
        new = (rows.problem_row(problem, position) for position, problem in enumerate(problems))
        self._insert(schema.PROBLEM, new, on_conflict="IGNORE")

    def problems(self, split: str | None = None) -> list[Problem]:
        """Problems of a split (or all), in their order."""
        sql = (
            f"SELECT {schema.PROBLEM.names()} FROM problem WHERE :split IS NULL OR split = :split"
            " ORDER BY split, position"
        )
        return [rows.problem_of(row) for row in self._rows(sql, {"split": split})]

    # samples

    def add_samples(self, samples: Iterable[Sample]) -> None:
        """Adds samples; a sample that is already there is an error."""
        self._insert(schema.SAMPLE, map(rows.sample_row, samples))

    def samples(self, checkpoint: str, split: str, problems: Collection[str] | None = None) -> list[Sample]:
        """Samples of a checkpoint on a split, or on these problems of it; all of a problem together, in their order."""
        sql = (
            f"SELECT {schema.SAMPLE.names('s.')} FROM sample s JOIN problem p ON p.id = s.problem"
            f" WHERE s.checkpoint = ? AND p.split = ?{_of(problems)} ORDER BY p.position, s.idx"
        )
        return [rows.sample_of(row) for row in self._rows(sql, (checkpoint, split, *_listed(problems)))]

    def sampled_problems(self, checkpoint: str) -> set[str]:
        """Ids of the problems that a checkpoint has samples of."""
        return {row[0] for row in self.query("SELECT DISTINCT problem FROM sample WHERE checkpoint = ?", (checkpoint,))}

    def sampled_splits(self, split: str | None = None) -> list[tuple[str, str]]:
        """Every (checkpoint, split) that has samples; of one split where it is named."""
        sql = (
            "SELECT DISTINCT s.checkpoint, p.split FROM sample s JOIN problem p ON p.id = s.problem"
            " WHERE :split IS NULL OR p.split = :split ORDER BY 1, 2"
        )
        return [(checkpoint, split) for checkpoint, split in self.query(sql, {"split": split})]

    def responses(self, samples: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Sample id -> (question, response), of those that the run has."""
        sql = f"SELECT s.id, p.question, s.text FROM sample s JOIN problem p ON p.id = s.problem WHERE s.id {_IN}"
        texts = self.query(sql, (json.dumps([*samples]),))
        return {sample: (question, response) for sample, question, response in texts}

    # imports

    def add_import(self, batch: ImportBatch) -> None:
        """Adds imported rows and replaces the facts that belong to them, all or nothing."""
        with self._db.transaction("IMMEDIATE"):
            self._many(schema.PROBLEM, (rows.problem_row(*each) for each in batch.problems))
            self._many(schema.CHECKPOINT, map(rows.checkpoint_row, batch.checkpoints))
            # In the order of their ids, which are hashes: SQLite then writes to neighbouring pages.
            self._many(schema.SAMPLE, map(rows.sample_row, sorted(batch.samples, key=lambda sample: sample.id)))
            placed = sorted(batch.verdicts, key=lambda each: each[0])
            verdicts = ({"sample": id, **rows.verdict_row(verifier, each)} for id, verifier, each in placed)
            self._many(schema.VERDICT, verdicts)
            self._many(schema.RUN, (_fact(*each) for each in batch.facts.items()), on_conflict="REPLACE")

    def next_indices(self) -> dict[tuple[str, str], int]:
        """(checkpoint, problem) -> the first index after those of its samples."""
        counted = self.query("SELECT checkpoint, problem, max(idx) + 1 FROM sample GROUP BY 1, 2")
        return {(checkpoint, problem): index for checkpoint, problem, index in counted}

    def has_several_samples(self) -> bool:
        """Whether some problem has two samples of one checkpoint."""
        return bool(self.query("SELECT 1 FROM sample GROUP BY checkpoint, problem HAVING count(*) > 1 LIMIT 1"))

    def sample_texts(self, samples: Iterable[int]) -> dict[int, str]:
        """Sample id -> response, of those that the run has."""
        return dict(self.query(f"SELECT id, text FROM sample WHERE id {_IN}", (json.dumps([*samples]),)))

    # verifiers and verdicts

    def add_verifier(self, fingerprint: str, name: str, settings: Mapping[str, Any]) -> None:
        """Adds a verifier; a fingerprint that is already there keeps its first name and settings."""
        text = json.dumps(dict(settings), sort_keys=True, default=str)
        row = {"fingerprint": fingerprint, "name": name, "settings": text}
        self._insert(schema.VERIFIER, [row], on_conflict="IGNORE")

    def verifiers(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Fingerprint -> (name, settings), in the order of names."""
        stored = self.query("SELECT fingerprint, name, settings FROM verifier ORDER BY name, fingerprint")
        return {fingerprint: (name, json.loads(settings)) for fingerprint, name, settings in stored}

    def add_verdicts(self, verifier: str, verdicts: Iterable[tuple[int, Verdict]]) -> None:
        """Adds (sample id, verdict) rows under a verifier's fingerprint."""
        new = ({"sample": sample, **rows.verdict_row(verifier, verdict)} for sample, verdict in verdicts)
        self._insert(schema.VERDICT, new)

    def verdicts(
        self, checkpoint: str, split: str, verifier: str, problems: Collection[str] | None = None
    ) -> dict[int, Verdict]:
        """Sample id -> verdict of a verifier (fingerprint) on a checkpoint's samples of a split, or these problems."""
        sql = (
            f"SELECT {schema.VERDICT.names('v.')} FROM verdict v JOIN sample s ON s.id = v.sample"
            " JOIN problem p ON p.id = s.problem"
            f" WHERE s.checkpoint = ? AND p.split = ? AND v.verifier = ?{_of(problems)}"
        )
        stored = self._rows(sql, (checkpoint, split, verifier, *_listed(problems)))
        return {row["sample"]: rows.verdict_of(row) for row in stored}

    def verdicts_on(self, samples: Iterable[int]) -> dict[int, dict[str, Verdict]]:
        """Sample id -> fingerprint -> verdict, of samples that have any."""
        sql = f"SELECT {schema.VERDICT.names()} FROM verdict WHERE sample {_IN} ORDER BY sample, verifier"
        verdicts: dict[int, dict[str, Verdict]] = {}
        for row in self._rows(sql, (json.dumps([*samples]),)):
            verdicts.setdefault(row["sample"], {})[row["verifier"]] = rows.verdict_of(row)
        return verdicts

    def outcomes_by(self, verifiers: Collection[str]) -> Iterator[tuple[Sample, dict[str, Outcome]]]:
        """Every sample that these verifiers (fingerprints) have judged, by id, with their outcomes on it."""
        sql = (
            f"SELECT {schema.SAMPLE.names('s.')}, json_group_object(v.verifier, v.outcome) AS outcomes"
            f" FROM sample s JOIN verdict v ON v.sample = s.id WHERE v.verifier {_IN} GROUP BY s.id ORDER BY s.id"
        )
        for row in self._rows(sql, (json.dumps([*verifiers]),)):
            outcomes = json.loads(row["outcomes"])
            sample = rows.sample_of({name: row[name] for name in schema.SAMPLE.columns})
            yield sample, {verifier: Outcome(value) for verifier, value in outcomes.items()}

    # probes

    def add_probes(self, probes: Sequence[Probe]) -> None:
        """Adds the run's probes, in their order."""
        names = schema.PROBE.columns.keys() - {"id"}
        new = ({"id": id, **{name: getattr(probe, name) for name in names}} for id, probe in enumerate(probes))
        self._insert(schema.PROBE, new)

    def probes(self) -> dict[int, Probe]:
        """Id -> probe, in their order; none in a run of schema version 2."""
        stored = self._rows(f"SELECT {schema.PROBE.names()} FROM probe ORDER BY id")
        return {row["id"]: Probe(**{name: row[name] for name in row if name != "id"}) for row in stored}

    def add_probe_verdicts(self, verifier: str, verdicts: Iterable[tuple[int, Verdict]]) -> None:
        """Adds (probe id, verdict) rows under a verifier's fingerprint."""
        new = ({"probe": probe, **rows.verdict_row(verifier, verdict)} for probe, verdict in verdicts)
        self._insert(schema.PROBE_VERDICT, new)

    def probe_verdicts(self, verifier: str) -> dict[int, Verdict]:
        """Probe id -> verdict of one verifier (fingerprint)."""
        sql = f"SELECT {schema.PROBE_VERDICT.names()} FROM probe_verdict WHERE verifier = ? ORDER BY probe"
        return {row["probe"]: rows.verdict_of(row) for row in self._rows(sql, (verifier,))}

    # selections and checkpoints

    def add_selection(self, selection: Selection) -> None:
        """Adds the result of an E-step, one row a sample."""
        new = (
            {"checkpoint": selection.checkpoint, "sample": s.sample, "weight": s.weight, "dropped_by": s.dropped_by}
            for s in selection.rows
        )
        self._insert(schema.SELECTION, new)

    def selection(self, checkpoint: str) -> Selection | None:
        """The selection that a checkpoint was (or is to be) trained on."""
        sql = "SELECT sample, weight, dropped_by FROM selection WHERE checkpoint = ? ORDER BY sample"
        selected = tuple(Selected(**row) for row in self._rows(sql, (checkpoint,)))
        return Selection(checkpoint=checkpoint, rows=selected) if selected else None

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Adds a checkpoint; a candidate that a killed M-step left behind keeps its row."""
        self._insert(schema.CHECKPOINT, [rows.checkpoint_row(checkpoint)], on_conflict="IGNORE")

    def checkpoint(self, id: str) -> Checkpoint | None:
        """The checkpoint of this id, if it is there."""
        return next((c for c in self.checkpoints() if c.id == id), None)

    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints: the base first, then arm by arm in the order of iterations and steps."""
        sql = (
            f"SELECT {schema.CHECKPOINT.names()} FROM checkpoint"
            " ORDER BY arm IS NOT NULL, arm, iteration, kind != 'candidate', steps, id"
        )
        return [rows.checkpoint_of(row) for row in self._rows(sql)]

    # judge calls

    def stored_calls(self, request_sha256s: Iterable[str]) -> dict[str, Row]:
        """Hash of a request -> the stored reply to it, of those that were ever answered."""
        sql = f"SELECT request_sha256, {', '.join(_REPLY)} FROM judge_call WHERE request_sha256 {_IN}"
        return {row["request_sha256"]: row for row in self._rows(sql, (json.dumps([*request_sha256s]),))}

    def store_calls(
        self, calls: Sequence[Mapping[str, Any]], *, unanswered: tuple[str, Mapping[str, int]] | None = None
    ) -> None:
        """Adds answered requests, and what a verifier's requests without a reply may cost; on disk on return."""
        with self._db.transaction("IMMEDIATE"):
            self._many(schema.JUDGE_CALL, calls, on_conflict="IGNORE")
            if unanswered is not None:
                verifier, charge = unanswered
                in_parts = self._charges(f"{UNANSWERED}{verifier}:")
                here = {name: value - sum(each[name] for each in in_parts) for name, value in charge.items()}
                self._many(schema.RUN, [_fact(f"{UNANSWERED}{verifier}", here)], on_conflict="REPLACE")

    def unanswered(self, verifier: str) -> dict[str, int]:
        """What the requests of a verifier (fingerprint) that have no reply may cost; empty where it has sent none."""
        key = f"{UNANSWERED}{verifier}"
        found = self.query("SELECT value FROM run WHERE key = ?", (key,))
        charges = [*(json.loads(value) for (value,) in found), *self._charges(f"{key}:")]
        return {name: sum(charge[name] for charge in charges) for name in (charges[0] if charges else ())}

    def _charges(self, beginning: str) -> list[dict[str, int]]:
        """The facts whose keys begin so."""
        sql = "SELECT value FROM run WHERE substr(key, 1, ?) = ?"
        return [json.loads(value) for (value,) in self.query(sql, (len(beginning), beginning))]

    def spent(self, verifier: str) -> list[tuple[str, int, int, int]]:
        """Model that answered, calls, prompt and completion tokens of a verifier's (fingerprint's) stored calls."""
        return self.query(
            "SELECT coalesce(model, ''), count(*), sum(prompt_tokens), sum(completion_tokens) FROM judge_call"
            " WHERE verifier = ? GROUP BY 1 ORDER BY 1",
            (verifier,),
        )


def _of(problems: Collection[str] | None) -> str:
    """The part of a statement that leaves out the samples of all other problems."""
    return "" if problems is None else f" AND s.problem {_IN}"


def _listed(problems: Collection[str] | None) -> list[str]:
    """The value of that part."""
    return [] if problems is None else [json.dumps([*problems])]


def _fact(key: str, value: Any) -> Row:
    return {"key": key, "value": json.dumps(value, sort_keys=True)}


def stored_facts(folder: Path) -> dict[str, Any]:
    """All facts about the run of a folder; none where it holds no run."""
    try:
        with Store(folder, check=False) as store:
            return store.run()
    except NoRun:
        return {}
