"""Runs the smallest suite in odd and hostile surroundings, and compares all tables with those of an ordinary run.

    uv run python tests/perf/faults_environment.py [--only locale]... [--work runs/environment]

Locale, HOME, TMPDIR, time zone, odd paths, closed or full streams, few file descriptors, proxies, no network, one core,
hash seeds, stripped asserts, a clock that jumps backwards, little memory. Each trial is a real process; it must end
with the tables of the ordinary run, or with exit 1 or 2 and one line, and then the same command in ordinary
surroundings must end with these tables. Prints a line for each trial and the counts. What needs root (a network of its
own, a group with little memory) or a C compiler (the clock) is left out and named where it is missing.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import faults
from tests.judge_server import JudgeServer

GROUP = Path("/sys/fs/cgroup/memory/restem-faults")
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
/* The wall clock jumps an hour back or forth with every second that passes. */
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, t);
    if (id == CLOCK_REALTIME && t->tv_sec % 2) t->tv_sec -= 3600;
    return result;
}
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """Surroundings of one run.

    Attributes:
        name: What is odd.
        changes: Environment variables; None removes one.
        before: A program that starts the command.
        folder: The run folder's name.
        popen: Further options of the process.
        may_fail: Whether exit 1 or 2 with one line is as good.
        killed: Whether the system may end the process by SIGKILL.
    """

    name: str
    changes: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    before: tuple[str, ...] = ()
    folder: str | bytes = "run"
    popen: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    may_fail: bool = False
    killed: bool = False


def shell(script: str) -> tuple[str, ...]:
    """A shell that does something and then becomes the command."""
    return ("sh", "-c", f'{script}; exec "$@"', "sh")


def with_a_jumping_clock(work: Path) -> Trial:
    (work / "clock.c").write_text(CLOCK)
    library = work / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, work / "clock.c", "-ldl"], check=True, capture_output=True)
    return Trial(name="wall clock that jumps an hour back and forth", changes={"LD_PRELOAD": str(library.resolve())})


def with_little_memory(work: Path) -> Trial:
    GROUP.mkdir(exist_ok=True)
    (GROUP / "memory.limit_in_bytes").write_text(str(300 * 2**20))
    return Trial(
        name="a memory group of 300 MiB, whose process the kernel kills",
        before=shell(f"echo $$ > {GROUP}/cgroup.procs"),
        killed=True,
    )


def without_network(work: Path) -> Trial:
    subprocess.run(["unshare", "-n", "true"], check=True, capture_output=True)
    return Trial(name="no network: the judge cannot be reached", before=("unshare", "-n"), may_fail=True)


def read_only_home(work: Path) -> Trial:
    return Trial(name="HOME is a file", changes={"HOME": __file__, "XDG_CACHE_HOME": None})


TRIALS: dict[str, Callable[[Path], Trial]] = {
    "locale": lambda _: Trial(
        name="locale C, UTF-8 mode off, ASCII streams",
        changes={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"},
    ),
    "home": lambda _: Trial(
        name="no HOME, no compiled programs, no TMPDIR, junk TZ",
        changes={
            "HOME": None,
            "XDG_CACHE_HOME": None,
            "JAX_COMPILATION_CACHE_DIR": None,
            "TMPDIR": "/nowhere",
            "TZ": "Junk/Zone",
        },
    ),
    "home-file": read_only_home,
    "path-words": lambda _: Trial(name="run folder with spaces, quotes, umlauts, emoji", folder="a b 'ä\" 🙂 %s {x}"),
    "path-newline": lambda _: Trial(name="run folder with a newline", folder="x\ny"),
    "no-stdin": lambda _: Trial(name="closed stdin", before=shell("exec <&-")),
    "no-stdout": lambda _: Trial(name="closed stdout", before=shell("exec >&-"), may_fail=True),
    "no-stderr": lambda _: Trial(name="closed stderr", before=shell("exec 2>&-"), may_fail=True),
    "files-64": lambda _: Trial(name="64 file descriptors", before=("prlimit", "--nofile=64"), may_fail=True),
    "files-24": lambda _: Trial(name="24 file descriptors", before=("prlimit", "--nofile=24"), may_fail=True),
    "proxy": lambda _: Trial(
        name="proxies that do not answer",
        changes={"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": None},
        may_fail=True,
    ),
    "one-core": lambda _: Trial(name="one core", before=("taskset", "-c", "0")),
    "python": lambda _: Trial(
        name="hash seed 7, asserts stripped", changes={"PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "2"}
    ),
    "umask": lambda _: Trial(name="umask 0777: files that nobody may read", before=shell("umask 0277"), may_fail=True),
    "terminal": lambda _: Trial(name="COLUMNS=1, no terminal type", changes={"COLUMNS": "1", "TERM": ""}),
    "network": without_network,
    "clock": with_a_jumping_clock,
    "memory": with_little_memory,
}


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    plain = faults.environment()
    return {**{name: value for name, value in plain.items() if name not in changes}} | {
        name: value for name, value in changes.items() if value is not None
    }


def outcome(trial: Trial, end: faults.Ended, equal: list[str], resumed: list[str] | None) -> list[str]:
    """What is not as promised."""
    wrong = ["traceback"] if end.has_traceback else []
    if end.code == 0:
        return wrong + equal
    allowed = {1, 2} if trial.may_fail else {-9, 137} if trial.killed else set()
    if end.code not in allowed:
        wrong.append(f"exit {end.code}")
    elif not trial.killed and sum(line.startswith("restem: ") for line in end.err.splitlines()) > 1:
        wrong.append("several lines")
    return wrong + (resumed or [])


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(list(TRIALS)))
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/environment"), show_default=True)
def main(only: tuple[str, ...], work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    suite = faults.smallest_suite(work)
    good = tried = 0
    with JudgeServer(faults.chance_answer) as server:
        options = faults.at(server.base_url)
        faults.run_to_end(suite, work / "ordinary", *options)
        expected = faults.every_row(work / "ordinary")
        for name in only or TRIALS:
            try:
                trial = TRIALS[name](work)
            except (OSError, subprocess.CalledProcessError) as error:
                click.echo(f"{name}: left out, {error}")
                continue
            folder = work / name / os.fsdecode(trial.folder)
            line = ("run", suite, "--out", folder, "--quiet", *options)
            end = faults.restem(*line, env=environment(trial.changes), before=trial.before, **trial.popen)
            resumed = None
            if end.code:
                again = faults.restem(*line)
                resumed = [f"resume: exit {again.code}: {again.last_line}"] if again.code else []
            equal = faults.differences(expected, faults.every_row(folder)) if not resumed else []
            wrong = outcome(trial, end, equal, (resumed or equal) if end.code else None)
            good, tried = good + (not wrong), tried + 1
            click.echo(f"{trial.name}: exit {end.code}, {end.last_line[:150]!r}; {'; '.join(wrong) or 'tables equal'}")
    if GROUP.exists():
        GROUP.rmdir()
    click.echo(f"{good} of {tried} as promised")
    sys.exit(0 if good == tried else 1)


if __name__ == "__main__":
    main()
