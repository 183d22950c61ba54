"""A small whole run in processes of its own, and whether its rows are those of an undisturbed run.

Takes a folder to work in and a judge's address; gives ended processes, and the rows of run folders. For tests and for
the scripts tests/perf/faults_*.py. Nothing stands in for the program: each command is a real process, and the judge is
a real server on loopback (judge_server.py) that outlives the runs and counts what it is asked.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from restem.harness.store.store import Store

ROOT = Path(__file__).parents[1]
COMPILED = ROOT / ".pytest_cache" / "xla"
"""Programs that JAX compiled for earlier processes; conftest.py names the same folder."""

SUITE = """
name = "faulted"
seed = 3
iterations = 2
scoring = ["exact"]

[benchmark]
regime = [3.0, 4.5]
train = 12
validation = 4
test = 12

[sampling]
train_samples = 4
validation_samples = 2
test_samples = 4
max_new_tokens = 48
rows = 32

[training]
steps = 4
checks = 1
rows = 4

[[arms]]
name = "sympy"
verifier = "sympy"

[[arms]]
name = "judge"
verifier = "judge"

[verifiers.judge]
model = "m"
"""
"""Two arms, one of them trained by a judge at an address that `at` gives: 416 samples, 216 judge calls."""
SMALLEST = """
name = "smallest"
seed = 3
iterations = 2
policy = {policy}
scoring = ["exact"]

[benchmark]
regime = [3.0, 4.5]
train = 4
validation = 2
test = 3

[sampling]
train_samples = 4
validation_samples = 2
test_samples = 4
max_new_tokens = 8
rows = 32

[training]
steps = 2
checks = 1
rows = 4

[probe]
problems = 0

[[arms]]
name = "accept_all"
verifier = "accept_all"

[[arms]]
name = "judge"
verifier = "judge"

[verifiers.judge]
model = "m"
max_attempts = 4
backoff_seconds = 0.05
"""
"""The same stages in a second of work, with a policy that has learnt nothing and a judge that answers by chance."""

CLOCKS = {"seconds", "time"}
"""Columns that differ between any two runs."""
OF_A_PROCESS = {"versions", "python", "platform", "device", "git_commit"}
"""Facts of the table `run` that name the machine and the program and not what was measured."""
OF_A_CONNECTION_FACT = "judge_unanswered:"
"""What facts begin with that count tries without a usable reply: a kill leaves some."""
LASTING_EVENTS = ("skipped", "too_long")
"""Events that every run of a suite has; the others say what one process did, and how long it took."""
HASHES = {"seal"}
"""Tables that hold hashes of other rows, their clocks included; `damage` checks them."""
OF_A_CONNECTION = {"attempts"}
"""Columns that count what happened to a connection before its answer came."""
ROWS = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM {table})" for table in ("sample", "verdict", "selection", "checkpoint", "judge_call")
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """A process that has ended.

    Attributes:
        code: Its exit code; the negative number of the signal that ended it.
        out: Its standard output.
        err: Its standard error.
        seconds: How long it lived.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def has_traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.err

    @property
    def last_line(self) -> str:
        """The last line of standard error: the message of a refusal or a failure."""
        return (self.err.strip().splitlines() or [""])[-1]


def suite_file(folder: Path, text: str = SUITE) -> Path:
    """The suite as a file in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "faulted.toml").write_text(text)
    return folder / "faulted.toml"


def smallest_suite(folder: Path) -> Path:
    """The smallest suite as a file in a folder, with its policy beside it."""
    from tests.small_policy import small_policy_folder  # imports JAX

    policy = folder / "policy"
    if not policy.exists():
        small_policy_folder(policy)
    return suite_file(folder, SMALLEST.format(policy=json.dumps(str(policy.resolve()))))


def chance_answer(prompt: str) -> str:
    """0 or 1, drawn from the prompt alone: what a response of an untrained policy gets from a judge."""
    return str(hashlib.sha256(prompt.encode()).digest()[0] % 2)


def at(base_url: str) -> list[str]:
    """The options that give the suite's judge its address."""
    return ["--set", f"verifiers.judge.base_url={base_url}"]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a command: this tree's package, a key that no server checks, programs compiled before."""
    COMPILED.mkdir(parents=True, exist_ok=True)
    common = {
        "PYTHONPATH": str(ROOT / "src"),
        "OPENAI_API_KEY": "not-a-key",
        "JAX_COMPILATION_CACHE_DIR": str(COMPILED),
    }
    return {**os.environ, **common, **changes}


def start(
    *arguments: object, env: Mapping[str, str] | None = None, before: tuple[str, ...] = (), **popen: Any
) -> subprocess.Popen[str]:
    """`restem ARGUMENTS` as a process whose output is kept; `before` is a program that runs it, such as strace."""
    command = [*before, sys.executable, "-m", "restem.harness.cli", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"} | popen
    return subprocess.Popen(command, env=env or environment(), **options)


def ended(process: subprocess.Popen[str], limit_seconds: float = 900.0) -> Ended:
    """The process when it has ended.

    Raises:
        subprocess.TimeoutExpired: It still ran after the limit, and was killed.
    """
    started = time.monotonic()
    try:
        out, err = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(code=process.returncode, out=out or "", err=err or "", seconds=time.monotonic() - started)


def restem(*arguments: object, limit_seconds: float = 900.0, **options: Any) -> Ended:
    """`restem ARGUMENTS`, brought to its end in a process of its own."""
    return ended(start(*arguments, **options), limit_seconds)


def run_to_end(suite: Path, folder: Path, *options: object) -> Ended:
    """A run brought to its end.

    Raises:
        RuntimeError: It failed; with its standard error.
    """
    end = restem("run", suite, "--out", folder, "--quiet", *options)
    if end.code:
        raise RuntimeError(f"{folder}: exit {end.code}\n{end.err}")
    return end


def stored_rows(folder: Path) -> int:
    """How many samples, verdicts, selected samples, checkpoints and judge calls a run holds now."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as db:
            return db.execute(ROWS).fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # not there yet, or its tables are not


def wait_for_rows(folder: Path, count: int, process: subprocess.Popen[str]) -> int:
    """Returns once run.db holds so many rows, or the process has ended; the number of rows then."""
    while (stored := stored_rows(folder)) < count and process.poll() is None:
        time.sleep(0.02)
    return stored


def every_row(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its sorted rows, of all tables, without what may differ between two runs of one suite."""
    with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as db:
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return {table: _rows(db, table) for (table,) in sorted(tables.fetchall()) if table not in HASHES}


def _rows(db: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    if table == "event":
        kinds = ", ".join(f"'{kind}'" for kind in LASTING_EVENTS)
        # Logged before the row it belongs to is stored, so that a kill in between gives it twice.
        return sorted(
            db.execute(f"SELECT DISTINCT kind, arm, iteration, detail FROM event WHERE kind IN ({kinds})"), key=repr
        )
    left_out = CLOCKS | OF_A_CONNECTION
    columns = ", ".join(row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in left_out)
    rows = db.execute(f"SELECT {columns} FROM {table}").fetchall()
    if table == "run":
        rows = [row for row in rows if row[0] not in OF_A_PROCESS and not row[0].startswith(OF_A_CONNECTION_FACT)]
    return sorted(rows, key=repr)


def damage(folder: Path) -> list[str]:
    """The stages of a run that are not as they were stored, and what SQLite finds in its pages; empty without a run."""
    if not stored_rows(folder):
        return []
    with Store(folder, check=False) as store:
        return [f"{stage.name}: {stage.damage}" for stage in store.stages() if stage.damage]


def foreign_rows(folder: Path, expected: Mapping[str, list[Any]]) -> list[str]:
    """One line for each table with rows that the undisturbed run has not; facts in `run` change when a run ends."""
    if not stored_rows(folder):
        return []
    return [
        f"{table}: {len(foreign)} rows that the undisturbed run has not"
        for table, rows in every_row(folder).items()
        if table != "run" and (foreign := {*map(repr, rows)} - {*map(repr, expected[table])})
    ]


def differences(expected: Mapping[str, list[Any]], found: Mapping[str, list[Any]]) -> list[str]:
    """One line for each table whose rows differ; empty if all are equal."""
    return [
        f"{table}: {len(expected.get(table, []))} rows expected, {len(found.get(table, []))} found, "
        f"{len({*map(repr, expected.get(table, []))} ^ {*map(repr, found.get(table, []))})} in one of them alone"
        for table in sorted(expected.keys() | found.keys())
        if expected.get(table) != found.get(table)
    ]
