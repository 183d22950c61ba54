"""Ends a whole run again and again by signals, resumes it by the same command, and compares all tables.

    uv run python tests/perf/faults_kills.py [--kills 20] [--chain 3] [--smallest] [--seed 0] [--work runs/kills]

A small run with an outside loopback judge (tests/faults.py) is ended by SIGKILL, SIGTERM, SIGINT or SIGHUP, at a random
number of rows or a random moment after its start, `--chain` times in a row, and then brought to its end; this until
there were `--kills` signals. After each signal the folder must hold rows of the undisturbed run and no others, SQLite's
quick check and the seals must find nothing, and no stored reply may be asked for again. At the end of each chain all
tables must be equal. Prints a line for each signal and each chain, and counts; exits with 1 if something is not so.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import faults
from tests.judge_server import JudgeServer, last_number_answer

SIGNALS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
"""Signal -> the exit code that a command gives after it."""
STARTUP_SECONDS = 12.0


@dataclasses.dataclass(kw_only=True)
class Disturbed:
    """A run that signals end, and the counts of all runs so far."""

    suite: Path
    folder: Path
    server: JudgeServer
    expected: dict[str, list[Any]]
    total: int
    rng: random.Random
    counts: collections.Counter[str]

    def start(self) -> subprocess.Popen[str]:
        return faults.start("run", self.suite, "--out", self.folder, "--quiet", *faults.at(self.server.base_url))

    def end_by_signal(self) -> None:
        """Starts the run, ends it by a signal, and prints what its folder then holds."""
        sent = self.rng.choice(list(SIGNALS))
        stored, asked = prompts_stored(self.folder), len(self.server.bodies)
        process = self.start()
        self._wait(process)
        process.send_signal(sent)
        end = faults.ended(process)
        self._count_asked_again(stored, asked)
        rows = faults.stored_rows(self.folder)
        wrong = faults.damage(self.folder) + faults.foreign_rows(self.folder, self.expected)
        # Before the command has begun, Python's own answer to a signal holds.
        promised = end.code in (0, SIGNALS[sent]) or (rows == 0 and end.code == -sent)
        self.counts.update(signals=1, sound=not wrong, tracebacks=end.has_traceback, codes=not promised)
        click.echo(
            f"{self.counts['signals']}. {sent.name} at {rows} of {self.total} rows: exit {end.code}"
            f"{'' if promised else ' (UNEXPECTED)'}, {end.last_line[:80]!r}; {'; '.join(wrong) or 'rows sound'}"
        )

    def bring_to_its_end(self) -> None:
        """Runs the suite to its end and prints whether all tables are equal."""
        stored, asked = prompts_stored(self.folder), len(self.server.bodies)
        end = faults.ended(self.start())
        self._count_asked_again(stored, asked)
        wrong = [end.err] if end.code else faults.differences(self.expected, faults.every_row(self.folder))
        twice = self.server.asked_again
        self.counts.update(chains=1, equal=not wrong, twice=twice, requests=self.server.requests)
        click.echo(
            f"chain {self.counts['chains']}: {'; '.join(wrong) or 'all tables equal'}; {self.server.requests} requests,"
            f" {twice} answered twice"
        )

    def _wait(self, process: subprocess.Popen[str]) -> None:
        """Until a random number of rows or, one time in four, a random moment of the start."""
        if self.rng.random() < 0.25:
            time.sleep(self.rng.uniform(0.0, STARTUP_SECONDS))
            return
        now = faults.stored_rows(self.folder)
        faults.wait_for_rows(self.folder, now + self.rng.randint(1, max(1, (self.total - now) // 2)), process)
        time.sleep(self.rng.choice((0.0, self.rng.uniform(0.0, 1.0))))

    def _count_asked_again(self, stored: set[str], asked: int) -> None:
        self.counts["stored_again"] += sum(prompt_of(body) in stored for body in self.server.bodies[asked:])


def prompts_stored(folder: Path) -> set[str]:
    """The judge's prompts whose replies a run holds."""
    if not faults.stored_rows(folder):
        return set()
    with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as db:
        return {prompt_of(json.loads(row[0])) for row in db.execute("SELECT request FROM judge_call")}


def prompt_of(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"]


@click.command(help=__doc__)
@click.option("--kills", default=20, show_default=True)
@click.option("--chain", default=3, show_default=True)
@click.option("--smallest", is_flag=True, help="The smallest suite: a policy that has learnt nothing.")
@click.option("--seed", default=0, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/kills"), show_default=True)
def main(kills: int, chain: int, smallest: bool, seed: int, work: Path) -> None:
    # A shell that starts this in the background may have switched these off, also for what this starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    suite = faults.smallest_suite(work) if smallest else faults.suite_file(work)
    answer = faults.chance_answer if smallest else last_number_answer
    with JudgeServer(answer) as server:
        whole = work / "undisturbed"
        faults.run_to_end(suite, whole, *faults.at(server.base_url))
        run = Disturbed(
            suite=suite,
            folder=whole,
            server=server,
            expected=faults.every_row(whole),
            total=faults.stored_rows(whole),
            rng=random.Random(seed),
            counts=collections.Counter(),
        )
        click.echo(f"undisturbed: {run.total} rows, {server.requests} requests, {server.asked_again} answered twice")
        counts = run.counts
        while counts["signals"] < kills:
            run.folder = work / f"chain-{counts['chains']}"
            server.reset(answer)
            for _ in range(min(chain, kills - counts["signals"])):
                run.end_by_signal()
            run.bring_to_its_end()
    click.echo(
        f"{counts['signals']} signals: rows sound after {counts['sound']}; {counts['equal']} of {counts['chains']} "
        f"chains end with all tables equal; {counts['stored_again']} stored replies asked for again; "
        f"{counts['twice']} of {counts['requests']} replies sent twice; {counts['tracebacks']} tracebacks; "
        f"{counts['codes']} unexpected exit codes"
    )
    good = counts["sound"] == counts["signals"] and counts["equal"] == counts["chains"]
    sys.exit(0 if good and not counts["stored_again"] + counts["tracebacks"] + counts["codes"] else 1)


if __name__ == "__main__":
    main()
