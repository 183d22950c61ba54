"""One screen of a run, and a run that is followed while another process writes it."""

import contextlib
import fcntl
import io
import os
import pty
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console

from restem.harness.store.store import Store
from restem.reports.pages.report import write_report
from restem.reports.pages.terminal import status, summary
from restem.reports.pages.watch import watch
from tests.conftest import restem
from tests.edited import edited
from tests.test_reports_pages_report import Size, build_run

# Copies a finished run into another folder, table by table, as a run that is written while it is shown.
WRITER = """
import sqlite3, sys, time
from pathlib import Path
from restem.harness.store.schema import ROWS
from restem.harness.store.store import Store
TABLES = {table.name: table for table in ROWS}
source, folder = sys.argv[1], Path(sys.argv[2])
with Store(folder, write=True) as store:
    rows = sqlite3.connect(source)
    def copy(table, where=""):
        for row in rows.execute(f"SELECT * FROM {table} {where}").fetchall():
            store._insert(TABLES[table], [dict(zip(TABLES[table].columns, row))], on_conflict="IGNORE")
    for table in ("problem", "verifier", "checkpoint", "event"):
        copy(table)
    copy("run", "WHERE key <> 'finished'")
    print("begun", flush=True)
    sys.stdin.readline()
    for number, word in enumerate(("'base'", "'sympy/1'")):
        copy("sample", f"WHERE checkpoint = {word} AND problem IN (SELECT id FROM problem WHERE split = 'test')")
        copy("verdict", "WHERE sample IN (SELECT id FROM sample WHERE checkpoint = " + word + ")"
             " AND sample IN (SELECT s.id FROM sample s JOIN problem p ON p.id = s.problem WHERE p.split = 'test')")
        print("written", flush=True)
        sys.stdin.readline()
    copy("run")
"""


# A shell that starts the tests in the background has them ignore SIGINT, and children inherit that.
WATCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from restem.harness.cli.main import main
main(["show", sys.argv[1], "--watch"])
"""


def watching(run: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WATCH, str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_watched_run_says_what_changed_until_it_is_finished(finished_run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(finished_run / "run.db"), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline() == "begun\n"
        with watching(tmp_path) as watcher:
            assert watcher.stdout
            lines = [watcher.stdout.readline()]
            for _ in range(2):
                writer.stdin.write("\n")
                writer.stdin.flush()
                assert writer.stdout.readline() == "written\n"
                lines.append(watcher.stdout.readline())
            writer.stdin.write("\n")
            writer.stdin.flush()
            *_, last = watcher.stdout.readlines()
            assert watcher.wait() == 0
        assert writer.wait() == 0
    assert lines[0].startswith("0 samples, 0 verdicts")
    assert "64 samples" in lines[1]
    assert "1 checkpoints measured; base" in lines[1]
    assert "128 samples" in lines[2]
    assert "2 checkpoints measured; sympy/1" in lines[2]
    assert last.endswith("; finished\n")


def test_ctrl_c_ends_watching_as_done(finished_run: Path, tmp_path: Path) -> None:
    with sqlite3.connect(finished_run / "run.db") as source, sqlite3.connect(tmp_path / "run.db") as copy:
        source.backup(copy)
    source.close()
    copy.close()
    with edited(tmp_path) as database:
        database.execute("DELETE FROM run WHERE key = 'finished'")
    with watching(tmp_path) as watcher:
        assert watcher.stdout
        assert watcher.stderr
        watcher.stdout.readline()
        os.kill(watcher.pid, signal.SIGINT)
        assert watcher.wait() == 0
        assert watcher.stderr.read() == ""


def test_a_terminal_gets_the_screen(finished_run: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=160, height=40)
    watch(finished_run, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for line in status(finished_run).splitlines():
        assert line in shown


def test_reading_leaves_the_writer_alone(finished_run: Path, tmp_path: Path) -> None:
    with sqlite3.connect(finished_run / "run.db") as source, sqlite3.connect(tmp_path / "run.db") as copy:
        source.backup(copy)
    source.close()
    copy.close()
    with Store(tmp_path, write=True) as store, store._db.transaction("IMMEDIATE"):
        store.query("DELETE FROM run WHERE key = 'finished'")
        assert "Finished." in status(tmp_path)  # what is committed
        store.query("INSERT INTO run VALUES ('finished', 'true')")


@pytest.mark.parametrize("lines", [24, 40])
@pytest.mark.parametrize("iterations", [2, 9])
def test_a_run_fits_its_screen(tmp_path: Path, lines: int, iterations: int) -> None:
    arms = ("sympy", "judge", "judge_blind", "accept_all")
    run = build_run(tmp_path, Size(problems=6, arms=arms, iterations=iterations, finished=False))
    shown = status(run, lines).splitlines()
    assert len(shown) < lines
    for arm in arms:
        assert any(line.startswith((f"{arm} ", f"{arm}  ")) and f" {iterations} " in line for line in shown)


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_no_line_of_a_screen_is_longer_than_the_screen_is_wide(tmp_path: Path, columns: int) -> None:
    arms = ("sympy", "judge", "judge_blind", "accept_all")
    run = build_run(tmp_path, Size(problems=12, arms=arms, gold_undecided=0.1, finished=False, stop_after=7))
    shown = status(run, 40, columns).splitlines()
    assert max(map(len, shown)) <= columns
    assert len(shown) < 40
    header = next(line for line in shown if line.startswith("Arm"))
    assert "Gold accuracy" in header
    assert ("Gain over base" in header) == (columns >= 80)
    assert ("Own reward" in header) == (columns >= 100)
    assert any("% decided" in line for line in shown) == (columns >= 160)


def test_a_model_that_changed_its_name_is_told_by_screen_and_report(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", Size())
    assert "not of one judge" not in status(run)
    with Store(run, write=True) as store:
        ((judge,),) = store.query("SELECT fingerprint FROM verifier WHERE name = 'judge'")
        store.log("judge_model", verifier=judge, model="gpt-4-0613", before=["gpt-4-0314"])
        store.log("judge_model", verifier=judge, model="*m*\n", before=["gpt-4-0314", "gpt-4-0613"])
    note = "The server of judge answered as gpt-4-0314 and as gpt-4-0613 and as "
    assert sum(note in line for line in status(run).splitlines()) == 1
    write_report(run, tmp_path, figures=False)
    lines = (tmp_path / "report.md").read_text().splitlines()
    first_section = next(place for place, line in enumerate(lines) if line.startswith("## "))
    assert [note in line for line in lines].index(True) < first_section
    assert "*m*" not in (tmp_path / "report.md").read_text()


def test_servers_that_drew_the_samples_are_named_by_screen_and_report(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", Size())
    assert "drawn by" not in status(run)
    event = {
        "servers": [{"address": "http://h/v1", "engine": "vllm", "version": "0.32.0", "model": "m"}],
        "compared_tokens": 90,
        "compared_texts": 0,
        "near_ties": 1,
        "logprob_difference": 0.0312,
    }
    nothing = {"compared_tokens": 0, "near_ties": 0, "logprob_difference": None}
    with Store(run, write=True) as store:
        store.log("engine", checkpoint="base", **event)
        store.log("engine", checkpoint="sympy/1", **event | nothing)
    line = (
        "The samples were drawn by vllm 0.32.0, compared with our own network for 1 of 2 checkpoints: 90 tokens, 1 of "
        "them near ties, log-probabilities 0.031 nats apart at most."
    )
    assert line in " ".join(status(run).split())
    write_report(run, tmp_path, figures=False)
    assert line in (tmp_path / "report.md").read_text()


def test_arms_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    run = build_run(tmp_path, Size(problems=4, arms=("sympy", "judge", "accept_all"), iterations=1))
    shown = status(run, 12)
    assert len(shown.splitlines()) < 12
    assert "Only the latest iteration of each arm, 1 arms left out" in shown


def test_watch_and_json_exclude_each_other(finished_run: Path) -> None:
    assert restem("show", finished_run, "--watch", "--json").exit_code == 2


SCREEN = """
import sys
from pathlib import Path
from restem.harness.cli.reports import print_report
print_report(Path(sys.argv[1]), False)
"""


def on_terminal(columns: int, run: Path) -> list[str]:
    """What `print_report` shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-c", SCREEN, str(run)]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as child:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how the end of a terminal's output reads
            while part := os.read(ours, 65536):
                shown += part
        assert child.wait() == 0
    os.close(ours)
    return shown.decode().splitlines()


@pytest.mark.parametrize("columns", [80, 200])
def test_the_last_screen_of_a_run_is_the_claim_and_the_verdict_within_80_columns(tmp_path: Path, columns: int) -> None:
    run = build_run(tmp_path, Size(problems=6, arms=("sympy", "judge", "accept_all"), iterations=1))
    shown = on_terminal(columns, run)
    assert max(map(len, shown)) <= 80
    header = next(line for line in shown if line.startswith("Trained"))
    assert all(word in header for word in ("Gain", "Share", "Reward", "Precision", "Recommendation"))
    assert not any(line.startswith("Arm ") for line in shown)


def test_a_report_ends_with_the_same_screen_and_where_its_page_is(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", Size(problems=6, arms=("sympy", "judge"), iterations=1))
    result = restem("report", run, "--output", tmp_path)
    assert result.stdout == f"{summary(run)}\n"
    assert result.stderr.splitlines()[-1] == f"report: {tmp_path / 'report.html'}"


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_no_line_of_a_summary_is_wider_than_its_terminal(tmp_path: Path, columns: int) -> None:
    run = build_run(tmp_path, Size(problems=12, arms=("judge", "judge_blind"), gold_undecided=0.1, iterations=1))
    assert max(map(len, summary(run, columns).splitlines())) <= min(columns, 80)


@pytest.mark.parametrize("columns", [50, 80, 160])
def test_a_finished_run_shows_its_verdict_where_the_screen_has_room(tmp_path: Path, columns: int) -> None:
    run = build_run(tmp_path, Size(problems=6, arms=("sympy", "judge", "accept_all"), iterations=1))
    tall, low = (status(run, lines, columns).splitlines() for lines in (60, 12))
    assert any(line.startswith("Trained") for line in tall)
    assert any(line.startswith("Arm ") for line in tall)
    assert not any(line.startswith("Trained") for line in low)
    for lines, shown in ((60, tall), (12, low)):
        assert len(shown) < lines
        assert max(map(len, shown)) <= columns
