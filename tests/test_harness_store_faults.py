"""run.db on a bad day: locks, full disks, damage, media that take no file, folders that go away under a writer."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from restem.harness.errors import DamagedRun, NoRun, RunBusy, RunReplaced, StoreFailed
from restem.harness.store import connection
from restem.harness.store.store import Store, stored_facts
from restem.verifiers.verdict import Attempt, Outcome, Verdict
from tests.conftest import problem, restem
from tests.small_disk import disk, read_only, remount


def facts(count: int, size: int = 1) -> dict[str, str]:
    return {str(number): "x" * size for number in range(count)}


def fill(store: Store) -> None:
    """Adds facts until one cannot be added; none that was added gets lost."""
    for number in range(1000):
        assert len(store.run()) == number
        store.put_run({f"{number:04}": "x" * 1000})


def sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "run.db", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder whose run has facts on several pages, and a problem."""
    with Store(tmp_path / "run", write=True) as store:
        store.put_run(facts(200, 300))
        store.add_problems([problem("q", "1")])
    return tmp_path / "run"


def test_a_writer_waits_for_a_program_that_holds_a_lock(run: Path) -> None:
    client = sqlite3.connect(run / "run.db", isolation_level=None, check_same_thread=False)
    with closing(client), Store(run, write=True) as store:
        client.execute("BEGIN IMMEDIATE")
        released = threading.Timer(0.3, client.execute, ("ROLLBACK",))
        released.start()
        store.put_run({"late": True})
        released.join()
        assert store.run()["late"]


def test_a_lock_that_stays_is_named_and_stops_the_writer(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.0)
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as client, Store(run, write=True) as store:
        client.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match=r"run\.db: another program has held a lock .*then goes on$"):
            store.put_run({"late": True})
        client.execute("ROLLBACK")
        store.put_run({"late": True})


def test_a_full_disk_stops_the_writer_and_more_space_lets_it_go_on(tmp_path: Path) -> None:
    with disk(tmp_path / "small", "size=400k"):
        folder = tmp_path / "small" / "run"
        with Store(folder, write=True) as store:
            with pytest.raises(StoreFailed, match=r"run\.db: the disk is full; free"):
                fill(store)
            stored = len(store.run())
        assert len(stored_facts(folder)) == stored
        remount(tmp_path / "small", "size=4m")
        with Store(folder, write=True) as store:
            store.put_run({f"{stored:04}": "x" * 1000})
            assert len(store.run()) == stored + 1
            assert store.query("PRAGMA quick_check") == [("ok",)]


@pytest.mark.parametrize("kilobytes", [4, 8, 24, 64])
def test_a_run_that_a_full_disk_kept_from_beginning_begins_when_there_is_space(tmp_path: Path, kilobytes: int) -> None:
    with disk(tmp_path / "small", f"size={kilobytes}k"):
        folder = tmp_path / "small" / "run"
        with pytest.raises(StoreFailed, match=r"(?s)^[^\n]*(full|No space left)[^\n]*$"):
            Store(folder, write=True)
        assert stored_facts(folder) == {}
        remount(tmp_path / "small", "size=4m")
        with Store(folder, write=True) as store:
            store.put_run({"a": 1})
        assert stored_facts(folder) == {"a": 1}


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda run: os.truncate(run / "run.db", 5000),
    "zeroed page": lambda run: _overwrite(run / "run.db", 8192, bytes(40000)),
    "junk": lambda run: (run / "run.db").write_bytes(b"junk" * 999),
    "missing table": lambda run: sql(run, "DROP TABLE problem", "DROP TABLE run"),
    "missing column": lambda run: sql(
        run, "ALTER TABLE problem DROP COLUMN strata", "ALTER TABLE run RENAME value TO v"
    ),
    "text that is no UTF-8": lambda run: sql(run, "UPDATE run SET value = CAST(x'ff22' AS TEXT)"),
}


def _overwrite(file: Path, start: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(start)
        stream.write(data)


def read(run: Path) -> None:
    with Store(run) as store:
        store.run()
        store.problems()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_line_with_name_reason_and_remedy(run: Path, damage: str) -> None:
    DAMAGE[damage](run)
    remedy = r"(restore it from a copy|`restem check )"
    with pytest.raises((DamagedRun, StoreFailed), match=rf"^[^\n]*/run\.db: [^\n]+; {remedy}[^\n]*$"):
        read(run)


def test_an_empty_file_is_a_run_that_has_not_begun(tmp_path: Path) -> None:
    (tmp_path / "run.db").touch()
    with pytest.raises(NoRun, match="no run here yet"):
        Store(tmp_path)


def test_a_run_on_a_read_only_medium_is_read(run: Path, tmp_path: Path) -> None:
    before = stored_facts(run)
    with read_only(run, tmp_path / "medium") as copy:
        assert not os.access(copy, os.W_OK)
        assert stored_facts(copy) == before
        with pytest.raises(StoreFailed, match=r"cannot be written to .*copy the run to another folder"):
            Store(copy, write=True)


def test_a_finished_run_on_a_full_disk_is_read(run: Path, tmp_path: Path) -> None:
    with disk(tmp_path / "small", "size=400k"):
        copy = Path(shutil.copytree(run, tmp_path / "small" / "run"))
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "small" / "filler").write_bytes(bytes(400_000))
        assert stored_facts(copy) == stored_facts(run)


def test_rows_that_are_only_in_the_wal_are_read_on_a_read_only_medium(run: Path, tmp_path: Path) -> None:
    with Store(run, write=True) as writer:
        writer.put_run({"last": "row"})
        with read_only(run, tmp_path / "medium") as copy:
            copies = sorted(Path(tempfile.gettempdir()).glob("restem-*"))
            assert (copy / "run.db-wal").stat().st_size
            assert stored_facts(copy)["last"] == "row"
            assert stored_facts(copy) == writer.run()
            assert sorted(Path(tempfile.gettempdir()).glob("restem-*")) == copies


def test_a_run_without_shared_memory_beside_its_wal_is_read_on_a_read_only_medium(run: Path, tmp_path: Path) -> None:
    with Store(run, write=True) as writer:
        writer.put_run({"last": "row"})
        copy = Path(shutil.copytree(run, tmp_path / "copy"))
        before = writer.run()
    (copy / "run.db-shm").unlink()
    with read_only(copy, tmp_path / "medium") as medium:
        assert stored_facts(medium) == before


MOVES: dict[str, Callable[[Path], object]] = {
    "deleted": shutil.rmtree,
    "moved": lambda run: run.rename(run.with_name("moved")),
    "replaced by an empty folder": lambda run: (run.rename(run.with_name("moved")), run.mkdir()),
    "replaced by a copy": lambda run: (
        run.rename(run.with_name("moved")),
        shutil.copytree(run.with_name("moved"), run),
    ),
    "run.db deleted": lambda run: (run / "run.db").unlink(),
    "run.db-wal deleted": lambda run: (run / "run.db-wal").unlink(),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_writer_whose_folder_goes_away_stops_and_writes_nothing_there(run: Path, move: str) -> None:
    with Store(run, write=True) as store:
        store.put_run({"before": 1})
        MOVES[move](run)
        there = contents(run)
        for attempt in (lambda: store.put_run({"after": 1}), store.run, store.check_place):
            with pytest.raises(RunReplaced, match=r"deleted, moved or replaced while"):
                attempt()
        assert contents(run) == there
    assert "run.db-wal" not in there or contents(run)["run.db-wal"] == there["run.db-wal"]
    moved = run.with_name("moved")
    if moved.exists():
        assert stored_facts(moved)["before"] == 1


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else {}


def test_the_end_of_a_writer_whose_folder_was_replaced_leaves_the_new_run_whole(run: Path) -> None:
    with Store(run, write=True) as old:
        old.put_run({"old": 1})
        run.rename(run.with_name("moved"))
        with Store(run, write=True) as new:
            new.put_run({"new": 1})
            there = contents(run)
            with pytest.raises(RunReplaced):
                old.put_run({"old": 2})
            old.close()
            assert contents(run) == there
            new.put_run({"new": 1, "newer": 2})
    assert stored_facts(run) == {"new": 1, "newer": 2}
    assert stored_facts(run.with_name("moved"))["old"] == 1


class Deletes:
    """A plug-in during whose work somebody deletes the run folder, `run` in the working folder."""

    name = fingerprint = "deletes"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        shutil.rmtree("run", ignore_errors=True)
        return [Verdict(outcome=Outcome.UNDECIDED)] * len(attempts)


def test_a_command_whose_run_is_deleted_under_it_ends_with_one_line(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    result = restem("verify", run, "--verifier", "tests.test_harness_store_faults:Deletes", "--quiet")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1), result.output
    assert "run: deleted, moved or replaced" in result.stderr
    assert not run.exists()


@pytest.mark.parametrize("command", ["show {}", "report {} --plan --output {out}", "compare {} {} --output {out}"])
def test_commands_that_read_take_a_run_on_a_read_only_medium(finished_run: Path, tmp_path: Path, command: str) -> None:
    with read_only(finished_run, tmp_path / "medium") as copy:
        result = restem(*command.format(copy, copy, out=tmp_path / "out").split())
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", ["report {}", "report {} --plan", "compare {} {}"])
def test_commands_that_write_into_a_run_on_a_read_only_medium_ask_for_a_folder(
    run: Path, tmp_path: Path, command: str
) -> None:
    with read_only(run, tmp_path / "medium") as copy:
        result = restem(*command.format(copy, copy).split())
    assert result.exit_code == 2
    assert "cannot be written to; give another folder" in result.stderr


def test_a_removed_lock_file_lets_no_second_writer_in(run: Path) -> None:
    with Store(run, write=True) as first:
        (run / "run.lock").unlink()
        with pytest.raises(RunBusy, match="another process"):
            Store(run, write=True)
        assert not (run / "run.lock").exists()
        first.put_run({"first": 1})
    with Store(run, write=True):
        assert (run / "run.lock").read_text() == str(os.getpid())


def test_a_process_of_an_earlier_version_which_locks_the_file_alone_keeps_others_out(run: Path) -> None:
    with (run / "run.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunBusy):
            Store(run, write=True)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_runs_files_are_their_owners_alone_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Store(tmp_path / "run", write=True) as store:
            store.put_run(facts(3))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "run").iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("run.db", "run.db-wal", "run.db-shm", "run.lock"), 0o600)


def test_a_run_that_its_owner_shares_stays_shared(run: Path) -> None:
    (run / "run.db").chmod(0o644)
    with Store(run, write=True) as store:
        store.put_run(facts(3))
        assert {stat.S_IMODE((run / name).stat().st_mode) for name in ("run.db", "run.db-wal")} == {0o644}


AS_NOBODY = """
import os, sys
from pathlib import Path
from restem.harness.store.store import stored_facts
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(len(stored_facts(Path(sys.argv[1]))), "facts")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("mode", "expected"), [(0o644, "3 facts"), (0o600, "run.db: no permission to read it; its")])
def test_a_colleague_reads_a_run_that_is_shared_and_is_told_when_it_is_not(mode: int, expected: str) -> None:
    with tempfile.TemporaryDirectory(prefix="shared-") as folder:
        os.chmod(folder, 0o755)
        with Store(Path(folder), write=True) as store:
            store.put_run(facts(3))
        os.chmod(Path(folder) / "run.db", mode)
        child = subprocess.run([sys.executable, "-c", AS_NOBODY, folder], capture_output=True, text=True)
    assert expected in child.stdout + child.stderr
