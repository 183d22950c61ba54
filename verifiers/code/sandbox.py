"""Runs a program against tests in two sandboxed processes, and says how it ended.

Takes texts and limits; gives one `Ending` a run, from any thread. It starts the launcher (launcher.py) at the first
use, a new interpreter with a small environment that shares a socket with this process and nothing else, and passes it
the pipes of each run. A run is over when all its processes have ended. Depends on no verifier.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

from restem.verifiers import interruption
from restem.verifiers.child_process import STARTS, EndedByASignal, start_interpreter, started
from restem.verifiers.verdict import WorkerFailed

PASSED, WRONG, UNDECIDED = "passed", "wrong", "undecided"
START_SECONDS = 60.0
GRACE_SECONDS = 30.0  # for the end of processes that were killed
NAMESPACES = ("root", "user")
UNSANDBOXED = "none"
_CHUNK = 1 << 16
_MAX_LINE = 4096
_ACCEPTED = b"+"
_SERVE = "restem.verifiers.code.launcher:serve"


class NoSandbox(Exception):
    """Programs cannot be isolated on this machine; the message says what was tried."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A program and the tests that it has to pass.

    Attributes:
        sources: The program; of several texts, the first that is valid Python.
        tests: The settings of checker.py: the tests' text, what they need, and which of them count.
        processor_seconds: Limit of processor time of the program, and of the tests.
        wall_seconds: Limit of time of the program with its waits.
        memory_bytes: Limit of memory of the program, and of the tests.
    """

    sources: Sequence[str]
    tests: dict[str, Any]
    processor_seconds: float
    wall_seconds: float
    memory_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended.

    Attributes:
        outcome: PASSED, WRONG, or UNDECIDED where the sandbox or the tests failed.
        reason: Why it is not PASSED.
    """

    outcome: str
    reason: str = ""


class Sandbox:
    """Starts programs in isolated processes.

    Args:
        kinds: The kinds of isolation that may be used, see isolation.py; the first that works is.
        filtered: Whether system calls are filtered too.
    """

    def __init__(self, kinds: Sequence[str] = NAMESPACES, *, filtered: bool = True) -> None:
        self.kinds, self.filtered = tuple(kinds), filtered
        self._launcher: _Launcher | None = None
        self._lock = threading.Lock()

    def kind(self) -> str:
        """The kind of isolation that is used.

        Raises:
            NoSandbox: None of them works on this machine.
            WorkerFailed: The launcher does not start.
        """
        with self._lock:
            return self._living().kind

    def run(self, run: Run) -> Ending:
        """How the run ended; all its processes have ended then.

        Raises:
            NoSandbox: No kind of isolation works on this machine.
            WorkerFailed: The launcher does not start.
        """
        with contextlib.ExitStack() as stack:
            ends = _Ends(stack)
            limits = {
                "processor_seconds": math.ceil(run.processor_seconds),
                "memory_bytes": run.memory_bytes,
                "wall_seconds": run.wall_seconds + GRACE_SECONDS,
            }
            with self._lock:
                accepted = any(self._accepted(limits, ends.theirs) for _ in range(2))
            ends.close_theirs()
            if not accepted:
                return Ending(outcome=UNDECIDED, reason="sandbox: the launcher has ended")
            program, tests = (json.dumps(item).encode() for item in (list(run.sources), run.tests))
            verdict = ends.exchange(program, tests, time.monotonic() + run.wall_seconds + GRACE_SECONDS / 2)
            return _ending(verdict, ends.finish(), run.processor_seconds)

    def close(self) -> None:
        """Ends the launcher; the next use starts another."""
        with self._lock:
            launcher, self._launcher = self._launcher, None
            if launcher is not None:
                launcher.end()

    def _accepted(self, limits: dict[str, Any], descriptors: Sequence[int]) -> bool:
        """Whether the launcher has started a run's processes; one that has not is ended, so that the next is new."""
        launcher = self._living()
        if not launcher.request(limits, descriptors):
            launcher.kill()
            self._launcher = None
        return self._launcher is not None

    def _living(self) -> _Launcher:
        if self._launcher is not None and not self._launcher.is_alive():
            self._launcher.end()
            self._launcher = None
        if self._launcher is None:
            try:
                self._launcher = started(lambda: _Launcher(self.kinds, self.filtered))
            except (EndedByASignal, TimeoutError) as problem:
                raise WorkerFailed(f"the launcher of sandboxed programs does not start: {problem}") from None
        return self._launcher


@functools.cache
def shared_sandbox(*, unsandboxed: bool = False) -> Sandbox:
    """The sandbox that all verifiers of this process use."""
    return Sandbox((*NAMESPACES, UNSANDBOXED) if unsandboxed else NAMESPACES)


class _Launcher:
    """The launcher's process and the socket to it; ended at garbage collection and at the exit of the interpreter."""

    def __init__(self, kinds: Sequence[str], filtered: bool) -> None:
        ours, theirs = socket.socketpair()
        self.folder = tempfile.mkdtemp(prefix="restem-root-")
        settings = [str(theirs.fileno()), " ".join(kinds), "1" if filtered else "0", self.folder]
        try:
            self.process = start_interpreter(_SERVE, settings, (theirs.fileno(),))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.socket, self.owner = ours, os.getpid()
        self.end = weakref.finalize(self, _end, self.process, ours, self.folder, self.owner)
        try:
            self.kind = self._started()
        except BaseException:
            self.kill()
            raise

    def _started(self) -> str:
        self.socket.settimeout(START_SECONDS)
        data = b""
        while not data.endswith(b"\n"):
            try:
                more = self.socket.recv(_MAX_LINE)
            except TimeoutError:
                raise TimeoutError(
                    f"it is not ready after {START_SECONDS:g} s; the machine may be overloaded"
                ) from None
            if not more:
                status = self.process.wait()
                if status < 0:
                    raise EndedByASignal(f"signal {-status} ended it {STARTS} times; memory may be short")
                raise RuntimeError(f"the launcher of sandboxed programs does not start: exit status {status}")
            data += more
        answer = json.loads(data)
        if answer["kind"] is None:
            raise NoSandbox(answer["problem"])
        return answer["kind"]

    def kill(self) -> None:
        """Ends a launcher that does not answer, and does not wait for it to end by itself."""
        if self.owner == os.getpid():
            self.process.kill()
        self.end()

    def is_alive(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def request(self, limits: dict[str, Any], descriptors: Sequence[int]) -> bool:
        """Whether the launcher has started a run's processes."""
        try:
            socket.send_fds(self.socket, [json.dumps(limits).encode()], descriptors)
            return self.socket.recv(1) == _ACCEPTED
        except OSError:
            return False


def _end(process: subprocess.Popen[bytes], ours: socket.socket, folder: str, owner: int) -> None:
    """Ends the launcher, which ends with its socket; in a fork of its owner, only closes the socket."""
    ours.close()
    if os.getpid() != owner:
        process.returncode = 0  # not a child of this process
        return
    try:
        process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(OSError):
        os.rmdir(folder)


class _Ends:
    """This process's ends of a run's pipes, and until they are passed on, the other ends."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._open: set[int] = set()
        stack.callback(self._close, self._open)
        leash, self._leash = self._pipe()
        self._status, status = self._pipe()
        program, self._program = self._pipe()
        tests, self._tests = self._pipe()
        self._verdict, verdict = self._pipe()
        self.theirs = [leash, status, program, tests, verdict]  # in the order of launcher.DESCRIPTORS

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open |= set(ends)
        return ends

    def _close(self, descriptors: set[int]) -> None:
        for descriptor in list(descriptors):
            self._open.discard(descriptor)
            os.close(descriptor)

    def close_theirs(self) -> None:
        """Closes the ends that the launcher has received."""
        self._close(set(self.theirs))

    def exchange(self, program: bytes, tests: bytes, deadline: float) -> bytes:
        """Sends program and tests; gives the line of the tests' process, empty where there is none in time."""
        unsent = {self._program: memoryview(program), self._tests: memoryview(tests)}
        for descriptor in unsent:
            os.set_blocking(descriptor, False)
        line = b""
        while not line.endswith(b"\n"):
            poll = select.poll()
            poll.register(self._verdict, select.POLLIN)
            for descriptor in unsent:
                poll.register(descriptor, select.POLLOUT)
            left = max(0.0, deadline - time.monotonic())
            ready = dict(poll.poll(min(left, interruption.WAIT_SECONDS) * 1000))
            interruption.check()
            if not ready and not left:
                return b""
            for descriptor in [descriptor for descriptor in unsent if descriptor in ready]:
                unsent[descriptor] = unsent[descriptor][_sent(descriptor, unsent[descriptor]) :]
                if not unsent[descriptor]:
                    del unsent[descriptor]
                    self._close({descriptor})
            if self._verdict in ready:
                data = os.read(self._verdict, _CHUNK)
                line += data
                if not data or len(line) > _MAX_LINE:
                    return b""
        return line

    def finish(self) -> list[dict[str, Any]]:
        """Ends all processes of the run; gives what their supervisors reported."""
        self._close({self._leash})
        deadline, data = time.monotonic() + GRACE_SECONDS, b""
        while True:
            poll = select.poll()
            poll.register(self._status, select.POLLIN)
            if not poll.poll(max(0.0, (deadline - time.monotonic()) * 1000)):
                return [{"problem": "a process does not end"}]  # its supervisor goes on waiting for it
            more = os.read(self._status, _CHUNK)
            if not more:
                return [_report(line) for line in data.splitlines()]
            data += more


def _report(line: bytes) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:
        return {"problem": line.decode(errors="replace")}


def _sent(descriptor: int, data: memoryview) -> int:
    try:
        return os.write(descriptor, data[:_CHUNK])
    except BlockingIOError:
        return 0
    except BrokenPipeError:  # the process has ended; its supervisor reports how
        return len(data)


def _ending(verdict: bytes, reports: Sequence[dict[str, Any]], seconds: float) -> Ending:
    problems = [report["problem"] for report in reports if "problem" in report]
    ready = {report["role"] for report in reports if "ready" in report}
    if problems or ready != {"program", "tests"}:
        return Ending(outcome=UNDECIDED, reason=f"sandbox: {'; '.join(problems) or 'a process did not start'}"[:200])
    ends = {report["role"]: report for report in reports if "exit" in report}
    if not verdict:
        return Ending(outcome=UNDECIDED, reason=f"tests: they do not end ({_exit(ends['tests'], seconds)})")
    outcome, reason = json.loads(verdict)
    if outcome == WRONG and reason == "ended":
        reason = _exit(ends["program"], seconds)
    return Ending(outcome=outcome, reason=reason)


def _exit(end: dict[str, Any], seconds: float) -> str:
    """How a process ended: over its time, by a signal, or with an exit status."""
    if end["seconds"] >= math.ceil(seconds) - 0.1:
        return "timeout"
    return f"signal {-end['exit']}" if end["exit"] < 0 else f"ended: exit status {end['exit']}"
