"""Faults that disturb a run one after the other, each followed by a resume, and what must hold after each of them.

Takes a warm process (warm_process.py), a judge's server and the rows of an undisturbed run; gives what did not hold, as
lines. test_harness_app_faults.py draws a few sequences; tests/perf/faults_sequences.py draws many.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from restem.harness.errors import RunBusy
from restem.harness.store.place import held
from restem.harness.store.store import Store
from tests.faults import at, damage, differences, every_row, foreign_rows, stored_rows
from tests.judge_server import TRANSPORT_FAULTS, JudgeServer
from tests.warm_process import STOPPING, WarmProcess

STOPPED = {128 + number for number in STOPPING}
LOCKS = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@dataclasses.dataclass(frozen=True)
class Fault:
    """One disturbance.

    Attributes:
        kind: A key of FAULTS.
        share: When it comes: after this share of the rows that the run had still to write.
        seed: Which signal, which faults of the judge, which checkpoint.
    """

    kind: str
    share: float
    seed: int


class Tables(dict[str, list[Any]]):
    """Table -> rows, printed by their number."""

    def __repr__(self) -> str:
        return f"Tables({', '.join(f'{name}: {len(rows)} rows' for name, rows in self.items())})"


@dataclasses.dataclass(kw_only=True)
class Disturbed:
    """A run that faults disturb.

    Attributes:
        process: Where it runs.
        server: Its judge.
        suite: Its suite file.
        folder: Its run folder.
        expected: All tables of an undisturbed run of the suite.
        total: How many rows these count, as `stored_rows` does.
    """

    process: WarmProcess
    server: JudgeServer
    suite: Path
    folder: Path
    expected: Tables
    total: int

    def begin(self) -> None:
        self.process.begin(self.suite, self.folder, *at(self.server.base_url))

    def wait(self, share: float) -> None:
        stored = stored_rows(self.folder)
        self.process.wait_for_rows(self.folder, stored + int(share * (self.total - stored)))


def killed(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """SIGKILL: the folder becomes what was there at the moment; what the process writes afterwards is thrown away."""
    copy = run.folder.with_suffix(".killed")
    run.begin()
    run.wait(fault.share)
    run.process.copy_as_killed(run.folder, copy)
    run.process.send(signal.SIGTERM)
    outcome = run.process.outcome()
    shutil.rmtree(run.folder, ignore_errors=True)
    if copy.exists():
        copy.rename(run.folder)
    return outcome


def stopped(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """SIGTERM, SIGINT or SIGHUP."""
    run.begin()
    run.wait(fault.share)
    run.process.send(STOPPING[fault.seed % len(STOPPING)])
    return run.process.outcome()


def full_disk(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """No file grows beyond a size; then there is room again."""
    run.process.limit_file_size(4096 + int(fault.share * 400_000))
    try:
        run.begin()
        return run.process.outcome()
    finally:
        run.process.limit_file_size(None)


def locked_file(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """Another program holds SQLite's write lock on run.db for a while."""
    run.begin()
    run.wait(fault.share)
    if (run.folder / "run.db").exists():
        command = [sys.executable, "-c", LOCKS, str(run.folder / "run.db"), "0.3"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True):
            return run.process.outcome()
    return run.process.outcome()


def second_writer(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """Another process writes to the run already: the command is refused."""
    run.folder.mkdir(exist_ok=True)
    with held(run.folder):
        run.begin()
        code, err = run.process.outcome()
    refused = code == 1 and "is writing to this run" in err
    finished = code == 0 and stored_rows(run.folder) == run.total  # it needs no lock
    return (code, err) if refused or finished else (-1, f"exit {code}: {err}")


def removed_lock(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """run.lock is removed while the run writes: still no second writer gets in."""
    lock = run.folder / "run.lock"
    lock.unlink(missing_ok=True)
    run.begin()
    run.wait(fault.share)
    while not lock.exists() and not run.process.has_answered:
        time.sleep(0.005)
    lock.unlink(missing_ok=True)
    entered = False
    if not run.process.has_answered:
        try:
            with Store(run.folder, write=True):
                entered = not run.process.has_answered
        except RunBusy:
            pass
    code, err = run.process.outcome()
    return (-1, "a second writer got in after run.lock was removed") if entered else (code, err)


def judge_fault(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """The judge breaks connections, sends rubbish and, in the end, refuses the key."""
    faults = [TRANSPORT_FAULTS[(fault.seed + number) % len(TRANSPORT_FAULTS)] for number in range(2)]
    run.server.script(*faults, *["ok"] * int(fault.share * 30), "401")
    try:
        run.begin()
        return run.process.outcome()
    finally:
        run.server.script()


def removed_checkpoint(run: Disturbed, fault: Fault) -> tuple[int, str]:
    """A checkpoint's folder, or one file in it, is gone when the run goes on."""
    present = sorted((run.folder / "checkpoints").glob("*"))
    if present:
        lost = present[fault.seed % len(present)]
        if fault.seed % 2:
            shutil.rmtree(lost)
        else:
            (lost / "policy.json").unlink(missing_ok=True)
    return stopped(run, fault)


FAULTS: dict[str, Callable[[Disturbed, Fault], tuple[int, str]]] = {
    function.__name__: function
    for function in (
        killed,
        stopped,
        full_disk,
        locked_file,
        second_writer,
        removed_lock,
        judge_fault,
        removed_checkpoint,
    )
}


def sequences(most: int, kinds: tuple[str, ...] = tuple(FAULTS)) -> st.SearchStrategy[list[Fault]]:
    """One to `most` faults."""
    one = st.builds(Fault, st.sampled_from(kinds), st.floats(0.0, 1.0), st.integers(0, 11))
    return st.lists(one, min_size=1, max_size=most)


def undisturbed(process: WarmProcess, server: JudgeServer, suite: Path, folder: Path) -> Disturbed:
    """The run that faults are to disturb, in a folder beside an undisturbed one that is brought to its end here."""
    process.begin(suite, folder / "undisturbed", *at(server.base_url))
    code, err = process.outcome()
    if code:
        raise RuntimeError(f"the undisturbed run failed: {err}")
    return Disturbed(
        process=process,
        server=server,
        suite=suite,
        folder=folder / "disturbed",
        expected=Tables(every_row(folder / "undisturbed")),
        total=stored_rows(folder / "undisturbed"),
    )


def broken_promises(run: Disturbed, faults: list[Fault]) -> list[str]:
    """Runs the suite from its beginning through the faults to its end; one line for each thing that does not hold."""
    shutil.rmtree(run.folder, ignore_errors=True)
    broken: list[str] = []
    for fault in faults:
        broken += [f"{fault}: {line}" for line in _asking_nothing_again(run, lambda f=fault: FAULTS[f.kind](run, f))]
        broken += [f"{fault}: {line}" for line in (*damage(run.folder), *foreign_rows(run.folder, run.expected))]

    def to_the_end() -> tuple[int, str]:
        run.begin()
        return run.process.outcome()

    broken += [f"at the end: {line}" for line in _asking_nothing_again(run, to_the_end)]
    return broken + damage(run.folder) + differences(run.expected, every_row(run.folder))


def _asking_nothing_again(run: Disturbed, step: Callable[[], tuple[int, str]]) -> list[str]:
    """Does a step; says what is wrong with its outcome, and which stored replies were asked for again."""
    stored, asked = _stored_prompts(run.folder), len(run.server.bodies)
    code, err = step()
    wrong = [] if code in {0, 1, *STOPPED} else [f"exit {code}: {err}"]
    if code == 1 and sum(line.startswith("restem: ") for line in err.splitlines()) != 1:  # progress stands beside it
        wrong.append(f"not one line: {err}")
    again = sum(body["messages"][-1]["content"] in stored for body in run.server.bodies[asked:])
    return [*wrong, *([f"{again} stored replies asked for again"] if again else [])]


def _stored_prompts(folder: Path) -> set[str]:
    if not stored_rows(folder):
        return set()
    with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as db:
        requests = [json.loads(row[0]) for row in db.execute("SELECT request FROM judge_call")]
    return {request["messages"][-1]["content"] for request in requests}
