"""A child process that has compiled everything already, and what disturbs it: most of a run is then a second of work.

    with WarmProcess() as process:
        process.begin(suite, folder, *options)     # `restem run` without the report
        process.wait_for_rows(folder, 100)
        process.copy_as_killed(folder, elsewhere)  # what SIGKILL would leave behind at this moment
        process.outcome()                          # exit code and message

A run in it goes through the command line's own handling of errors and signals, from a request on standard input.
SIGKILL ends a process and leaves its files as they are. Therefore the files of a process that SIGSTOP holds are those
that SIGKILL would have left at that moment, and the process can go on afterwards without compiling anew.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults import environment, stored_rows

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class WarmProcess:
    """The child process, from the outside."""

    def __enter__(self) -> WarmProcess:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_process"],
            env=environment(),
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._hard = resource.prlimit(self._child.pid, resource.RLIMIT_FSIZE)[1]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin
        self._child.stdin.close()
        self._child.kill()
        self._child.wait()
        assert self._child.stdout
        self._child.stdout.close()

    def begin(self, suite: Path, folder: Path, *options: str) -> None:
        """Starts or resumes a run; `outcome` waits for its end."""
        assert self._child.stdin
        request = ["rows", str(suite), "--out", str(folder), *options]
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()

    def outcome(self) -> tuple[int, str]:
        """The exit code of the run that was begun, and its standard error or its uncaught exception."""
        assert self._child.stdout
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the warm process ended: {self._child.wait()}")
        code, err = json.loads(line)
        return code, err

    def wait_for_rows(self, folder: Path, count: int) -> None:
        """Returns once run.db holds so many rows, or the run has written its last."""
        while stored_rows(folder) < count and not self.has_answered:
            time.sleep(0.005)

    @property
    def has_answered(self) -> bool:
        """Whether the run that was begun has ended."""
        assert self._child.stdout
        return bool(select.select([self._child.stdout], [], [], 0)[0])

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def copy_as_killed(self, folder: Path, copy: Path) -> None:
        """Copies a run folder as SIGKILL would leave it at this moment."""
        self._child.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
        try:
            if folder.exists():
                shutil.copytree(folder, copy)
        finally:
            self._child.send_signal(signal.SIGCONT)

    def limit_file_size(self, size_bytes: int | None) -> None:
        """Makes every write beyond a size fail, as a full disk does; None: no limit."""
        limit = self._hard if size_bytes is None else size_bytes
        resource.prlimit(self._child.pid, resource.RLIMIT_FSIZE, (limit, self._hard))


def _serve() -> None:
    """Runs what the lines of standard input ask for, until it closes."""
    import click
    from click.testing import CliRunner

    from restem.harness.app.run import run_suite
    from restem.harness.cli.main import main
    from restem.harness.config import load_suite

    @main.command("rows")
    @click.argument("suite")
    @click.option("--out", type=click.Path(path_type=Path))
    @click.option("--set", "overrides", multiple=True)
    def rows(suite: str, out: Path, overrides: tuple[str, ...]) -> None:
        run_suite(load_suite(suite, overrides), out, quiet=True)

    def ignored(*_: Any) -> None:
        """For a signal that comes when the run has ended already."""

    for number in STOPPING:
        signal.signal(number, ignored)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result = CliRunner().invoke(main, json.loads(line))
            signal.signal(signal.SIGINT, ignored)
        except KeyboardInterrupt:  # it came in the instant before the command line began, or after it ended
            signal.signal(signal.SIGINT, ignored)
            print(json.dumps([128 + signal.SIGINT, ""]), file=answers, flush=True)
            continue
        known = result.exception is None or isinstance(result.exception, SystemExit)
        print(
            json.dumps([result.exit_code, result.stderr if known else repr(result.exc_info)]), file=answers, flush=True
        )


if __name__ == "__main__":
    _serve()
