"""A server that the harness starts for itself with the user's command, and stops.

Takes the words of a command, in which `{folder}` and `{port}` stand for the weights and a free port; gives the address
when the server answers there. Does not know which server it is.

The command runs in a session of its own, so that all its processes end together. A small watcher ends them too where
this process is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from restem.harness.engines.server import Busy, Gone, Server
from restem.harness.errors import EngineFailed
from restem.harness.settings import EngineConfig

END_SECONDS = 15.0
POLL_SECONDS = 0.2
# Waits until the parent's end of the pipe is closed, then ends the whole session of the command.
_WATCH = """
import contextlib, os, signal, sys
os.read(0, 1)
with contextlib.suppress(ProcessLookupError):
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
"""


class Child:
    """The started server.

    Args:
        config: The command, and how long it may take to answer.
        log: The file that gets its output.
    """

    def __init__(self, config: EngineConfig, log: Path) -> None:
        self._config, self._log = config, log
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, folder: Path) -> str:
        """The address at which the server answers, with these weights; one that ran before is stopped.

        Raises:
            EngineFailed: The command cannot be run, or ends, or does not answer in time.
        """
        self.stop()
        port = _free_port()
        words = [word.replace("{folder}", str(folder)).replace("{port}", str(port)) for word in self._config.start]
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            raise EngineFailed(f"engine.start: {words[0]!r} cannot be run: {error.strerror}") from None
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCH, str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}/v1"
        try:
            self._wait_until_ready(self._process, address)
        except BaseException:
            self.stop()
            raise
        return address

    def _wait_until_ready(self, process: subprocess.Popen[bytes], address: str) -> None:
        server = Server(address, self._config)
        deadline = time.monotonic() + self._config.start_seconds
        with contextlib.closing(server):
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise EngineFailed(
                        f"engine.start: the server ended with exit code {process.returncode}: {self._last_line()}"
                    )
                with contextlib.suppress(Gone, Busy):
                    server.get("models")
                    return
                time.sleep(POLL_SECONDS)
        raise EngineFailed(
            f"engine.start: no answer at {address} within {self._config.start_seconds:g} s (engine.start_seconds); "
            f"{self._log} holds its output"
        )

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1][-300:] if lines else 'no output'} ({self._log})"

    def stop(self) -> None:
        """Ends the server with all its processes, where it runs."""
        if self._process is not None:
            _end(self._process)
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
            if self._watcher.stdin is not None:
                self._watcher.stdin.close()
        self._process = self._watcher = None


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # also what its first process left behind
    process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
