"""Fills the disk, or makes it fail, under commands that write; then gives room again, resumes, and compares all tables.

    unshare -rm uv run python tests/perf/faults_disk.py [--only run-tmpfs]... [--work runs/disk]

Each trial starts a real command: on a small tmpfs, under a limit of the size of a file (prlimit), or under strace,
which makes one system call fail from a given call on. The command must end with exit 1 and one line, without a
traceback; after it SQLite's quick check and the seals must find nothing, and the same command with room must end with
the tables of an undisturbed run. Prints a line for each trial and the counts. A trial whose tool (strace, the right to
mount) is missing is left out and named.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import faults
from tests.judge_server import JudgeServer

SIZES = ("60k", "400k", "700k")
FILE_LIMITS = (30_000, 150_000, 400_000)
CALLS = {
    "ENOSPC at pwrite64": "pwrite64:error=ENOSPC:when=60+",
    "EIO at pwrite64": "pwrite64:error=EIO:when=120+",
    "EIO at fdatasync": "fdatasync:error=EIO:when=20+",
    "EIO at fsync": "fsync:error=EIO:when=1+",
    "ENOSPC at ftruncate": "ftruncate:error=ENOSPC:when=1+",
    "EIO at one pwrite64": "pwrite64:error=EIO:when=90",
    "ENOLCK at flock": "flock:error=ENOLCK:when=1+",
    "EMFILE at openat": "openat:error=EMFILE:when=4000+",
}
"""What strace makes fail, and from which call on."""


@dataclasses.dataclass(kw_only=True)
class Disk:
    """What all trials share: a folder to work in, the run's suite, its judge and its tables, and the counts."""

    work: Path
    suite: Path
    options: list[str]
    expected: dict[str, list[Any]]
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def run(self, folder: Path, *before: str) -> faults.Ended:
        return faults.restem("run", self.suite, "--out", folder, "--quiet", *self.options, before=before)

    def judge(self, name: str, end: faults.Ended, wrong: list[str], codes: tuple[int, ...] = (1,)) -> None:
        """Counts a trial and prints it."""
        lines = [line for line in end.err.splitlines() if line.startswith("restem: ")]
        if end.code not in codes:
            wrong.append(f"exit {end.code} and not {codes}")
        if end.has_traceback:
            wrong.append("traceback")
        if end.code and len(lines) != 1:
            wrong.append(f"{len(lines)} lines of ours")
        self.counts.update(trials=1, good=not wrong, tracebacks=end.has_traceback)
        click.echo(
            f"{name}: exit {end.code}, {(lines or [end.last_line])[0][:150]!r}; {'; '.join(wrong) or 'as promised'}"
        )

    def resumed(self, folder: Path) -> list[str]:
        """What is wrong with a run that was disturbed: in its file as it is, and after the same command with room."""
        wrong = faults.damage(folder)
        end = self.run(folder)
        if end.code:
            return [*wrong, f"resume: exit {end.code}: {end.last_line}"]
        return wrong + faults.differences(self.expected, faults.every_row(folder))


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A tmpfs of that size; needs root, or a user namespace as `unshare -rm` makes."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def grow(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", "none", str(place)], check=True)


def run_on_a_small_disk(disk: Disk) -> None:
    for size in SIZES:
        with small_disk(disk.work / "tmpfs", size) as place:
            end = disk.run(place / "run")
            grow(place)
            disk.judge(f"run on a tmpfs of {size}", end, disk.resumed(place / "run"))


def run_under_a_file_limit(disk: Disk) -> None:
    for limit in FILE_LIMITS:
        folder = disk.work / f"limit-{limit}"
        end = disk.run(folder, "prlimit", f"--fsize={limit}")
        disk.judge(f"run, no file over {limit} bytes", end, disk.resumed(folder))


def run_with_failing_calls(disk: Disk) -> None:
    for name, injected in CALLS.items():
        call = injected.partition(":")[0]
        folder = disk.work / "strace"
        shutil.rmtree(folder, ignore_errors=True)
        traced = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e")
        end = disk.run(folder, *traced, f"inject={injected}")
        # A failure that SQLite and the system may take without loss is one too: the run then ends well.
        disk.judge(f"run, {name} ({injected})", end, disk.resumed(folder), (0, 1))


def verify_a_run_on_a_full_disk(disk: Disk) -> None:
    for size in ("1m", "1300k"):
        with small_disk(disk.work / "tmpfs", size) as place:
            shutil.copytree(
                disk.work / "undisturbed", place / "run", ignore=shutil.ignore_patterns("report*", "fig*", "ch*")
            )
            before = faults.every_row(place / "run")["sample"]
            (place / "filling").write_bytes(b"x" * max(0, shutil.disk_usage(place).free - 24_576))
            command = ("verify", place / "run", "--verifier", "substitution", "--verifier", "reject_all")
            end = faults.restem(*command)
            wrong = faults.damage(place / "run")
            wrong += [] if faults.every_row(place / "run")["sample"] == before else ["samples changed"]
            grow(place)
            again = faults.restem(*command)
            wrong += [f"then exit {again.code}: {again.last_line}"] if again.code else []
            disk.judge(f"verify RUN on a full tmpfs of {size}", end, wrong)


def rows_file(disk: Disk, count: int) -> Path:
    path = disk.work / "rows.jsonl"
    rows = [
        {"id": f"{n}", "question": f"{n} + 1?", "reference": str(n + 1), "response": f"It is {n + 1}."}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_verdicts_on_a_full_disk(disk: Disk) -> None:
    rows = rows_file(disk, 3000)
    with small_disk(disk.work / "tmpfs", "100k") as place:
        end = faults.restem("verify", "--verifier", "exact", "--input", rows, "--output", place / "out.jsonl")
        left = [path.name for path in place.iterdir()]
        disk.judge("verify --output on a tmpfs of 100k", end, [f"left behind: {left}"] if left else [])


def import_on_a_full_disk(disk: Disk) -> None:
    rows = rows_file(disk, 3000)
    with small_disk(disk.work / "tmpfs", "300k") as place:
        end = faults.restem("import", rows, "--out", place / "run")
        wrong = faults.damage(place / "run")
        grow(place)
        again = faults.restem("import", rows, "--out", place / "run")
        wrong += [f"then exit {again.code}: {again.last_line}"] if again.code else []
        with closing(sqlite3.connect(place / "run" / "run.db")) as db:
            (stored,) = db.execute("SELECT count(*) FROM sample").fetchone()
        disk.judge("import on a tmpfs of 300k", end, wrong + ([] if stored == 3000 else [f"{stored} of 3000 rows"]))


def report_on_a_full_disk(disk: Disk) -> None:
    with small_disk(disk.work / "tmpfs", "80k") as place:
        end = faults.restem("report", disk.work / "undisturbed", "--output", place / "pages")
        disk.judge("report --output on a tmpfs of 80k", end, [])


def print_to_a_full_device(disk: Disk) -> None:
    with open("/dev/full", "w") as full:
        for command in (("show", disk.work / "undisturbed"), ("generate", "linear_1d", "--count", "2000")):
            disk.judge(f"{command[0]} > /dev/full", faults.restem(*command, stdout=full), [])


TRIALS: dict[str, Callable[[Disk], None]] = {
    "run-tmpfs": run_on_a_small_disk,
    "run-limit": run_under_a_file_limit,
    "run-calls": run_with_failing_calls,
    "verify-run": verify_a_run_on_a_full_disk,
    "verify-output": write_verdicts_on_a_full_disk,
    "import": import_on_a_full_disk,
    "report": report_on_a_full_disk,
    "stdout": print_to_a_full_device,
}


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(list(TRIALS)))
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/disk"), show_default=True)
def main(only: tuple[str, ...], work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    suite = faults.smallest_suite(work)
    with JudgeServer(faults.chance_answer) as server:
        options = faults.at(server.base_url)
        faults.run_to_end(suite, work / "undisturbed", *options)
        disk = Disk(work=work, suite=suite, options=options, expected=faults.every_row(work / "undisturbed"))
        for name in only or TRIALS:
            try:
                TRIALS[name](disk)
            except (FileNotFoundError, subprocess.CalledProcessError) as error:
                click.echo(f"{name}: left out, {error}")
    counts = disk.counts
    click.echo(f"{counts['good']} of {counts['trials']} as promised; {counts['tracebacks']} tracebacks")
    sys.exit(0 if counts["good"] == counts["trials"] else 1)


if __name__ == "__main__":
    main()
