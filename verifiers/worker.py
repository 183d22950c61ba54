"""Runs untrusted work in a killable child process, under a time limit and a memory limit.

Takes the `module:function` to call and items that JSON can hold; gives one result per item, in order, and a `Failure`
for an item that was too slow, too large, raised, or ended its process. Does not depend on verifiers or answers.

Only SIGKILL from another process enforces a time limit: a loop in C delays every signal handler, and a thread cannot be
stopped. One child serves all batches. It is a new interpreter, not a fork, so it shares nothing with the threads of its
parent; it has a small environment without keys and no standard output, and exchanges JSON lines with the parent over
two private pipes: one line per item, one line per result. The parent therefore knows which item was running when the
time limit passed: that item fails, a new child is started, and the rest of the batch continues. An item that fails in
a child that has answered before is tried once more in a new child, because an earlier item may have damaged the first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restem.verifiers import interruption
from restem.verifiers.child_process import HOSTILE, STARTS, EndedByASignal, Surroundings, start_interpreter, started

START_SECONDS = 120.0
MAX_OPEN_FILES = 64
MAX_LINE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_READY = b"ready\n"
_SERVE = "restem.verifiers.worker:serve"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an item has no result.

    Attributes:
        kind: `timeout`, `memory`, `raised`, or `crashed` (the process ended, was ended, or broke the protocol).
        detail: For people: the exception's name, the signal or the exit status.
    """

    kind: str
    detail: str = ""


class Worker:
    """Calls one function on items, in a child process that is started at the first use.

    Args:
        function: `module:function`; takes one JSON value and gives one.
        seconds_per_item: Time limit of one item.
        memory_bytes: Memory limit of the work, in addition to the memory that the child's imports use.
        start_seconds: Time limit of the child's imports.
        setup: Where given, `function` takes this JSON value once, before the limits hold, and gives the function that
            takes the items.
        surroundings: What the child is given besides its work; nothing by default.
    """

    def __init__(
        self,
        function: str,
        *,
        seconds_per_item: float,
        memory_bytes: int,
        start_seconds: float = START_SECONDS,
        setup: Any = None,
        surroundings: Surroundings = HOSTILE,
    ) -> None:
        self.function = function
        self.seconds_per_item = seconds_per_item
        self.memory_bytes = memory_bytes
        self.start_seconds = start_seconds
        self.setup = setup
        self.surroundings = surroundings
        self._child: _Child | None = None
        self._lock = threading.Lock()
        this = weakref.ref(self)

        def begin_again() -> None:
            if (worker := this()) is not None:
                worker._lock = threading.Lock()  # a thread that is not in the fork may have held it

        os.register_at_fork(after_in_child=begin_again)

    def map(self, items: Sequence[Any]) -> list[Any | Failure]:
        """One result or failure per item, in order.

        Raises:
            RuntimeError: The child's function cannot be imported.
            WorkerFailed: The child does not start: it is late, or a signal ends it again and again.
        """
        if not items:
            return []  # does not wait for the lock, which another thread's batch may hold
        lines = [json.dumps(item).encode() + b"\n" for item in items]
        results: list[Any | Failure] = []
        with self._lock:
            while len(results) < len(lines):
                child = self._living()
                used = child.answered > 0
                try:
                    answers, failure = child.run(lines[len(results) :])
                except BaseException:
                    self._stop()  # otherwise the next batch would read the results of this one
                    raise
                results += answers
                if failure is not None:
                    self._stop()
                    if not used and not answers:
                        results.append(failure)
        return results

    def close(self) -> None:
        """Ends the child; the next use starts another."""
        with self._lock:
            self._stop()

    def _living(self) -> _Child:
        if self._child is not None and not self._child.is_idle():
            self._stop()
        if self._child is None:
            from restem.verifiers.verdict import WorkerFailed  # here, because a child needs the standard library alone

            try:
                self._child = started(lambda: _Child(self))
            except (EndedByASignal, TimeoutError) as problem:
                raise WorkerFailed(f"the worker for {self.function!r} does not start: {problem}") from None
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """One process and the two pipes to it; ended at garbage collection and at the exit of the interpreter."""

    def __init__(self, worker: Worker) -> None:
        self.seconds = worker.seconds_per_item
        self.answered = 0
        self.buffer = b""
        items, self.items = os.pipe()
        self.answers, answers = os.pipe()
        limits = [self.seconds, worker.memory_bytes, worker.surroundings.may_write]
        settings = [worker.function, json.dumps(worker.setup), str(items), str(answers), json.dumps(limits)]
        try:
            self.process = start_interpreter(_SERVE, settings, (items, answers), worker.surroundings)
        except BaseException:
            _close(self.items, self.answers)
            raise
        finally:
            _close(items, answers)
        self.end = weakref.finalize(self, _end, self.process, self.items, self.answers, os.getpid())
        os.set_blocking(self.items, False)
        os.set_blocking(self.answers, False)
        self.owner = os.getpid()
        self._start(worker.function, worker.start_seconds)

    def _start(self, function: str, seconds: float) -> None:
        """Waits until the child has imported its function.

        Raises:
            EndedByASignal: A signal ended the child.
            RuntimeError: The import failed.
            TimeoutError: The time is over.
        """
        deadline = time.monotonic() + seconds
        try:
            while _READY not in self.buffer:
                _, more = self._wait(deadline, sending=False)
                if more is None:
                    raise TimeoutError(f"not ready after {seconds:g} s; the machine may be overloaded")
                if not more:
                    cause = self.buffer.decode(errors="replace") or self._ended().detail
                    if self.process.returncode is not None and self.process.returncode < 0:
                        raise EndedByASignal(f"{cause} ended it {STARTS} times; memory may be short")
                    raise RuntimeError(f"the worker for {function!r} does not start: {cause}")
        except BaseException:
            self.end()
            raise
        self.buffer = b""

    def is_idle(self) -> bool:
        """Whether the child lives and has sent nothing since its last result; False in a fork of its owner."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        return self.owner == os.getpid() and not self.buffer and not poll.poll(0)

    def run(self, lines: Sequence[bytes]) -> tuple[list[Any], Failure | None]:
        """The results of the first items, and why the next item has none; None where all items have a result."""
        unsent = memoryview(b"".join(lines))
        results: list[Any] = []
        deadline = time.monotonic() + self.seconds
        while len(results) < len(lines):
            line, newline, rest = self.buffer.partition(b"\n")
            if newline:
                self.buffer = rest
                result = self._result(line)
                if isinstance(result, Failure) and result.kind != "raised":
                    return results, result
                results.append(result)
                deadline = time.monotonic() + self.seconds
                continue
            if len(line) > MAX_LINE_BYTES:
                return results, Failure(kind="crashed", detail="an answer without end")
            writable, more = self._wait(deadline, sending=len(unsent) > 0)
            if more is None:
                return results, Failure(kind="timeout", detail=f"over {self.seconds:g} s")
            if not more and not writable:
                return results, self._ended()
            if writable:
                unsent = unsent[self._send(unsent) :]
        return results, None

    def _result(self, line: bytes) -> Any | Failure:
        """The result that a line holds; its running number distinguishes it from output of the work itself."""
        self.answered += 1
        try:
            number, kind, value = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            return Failure(kind="crashed", detail="no answer")
        if number != self.answered or kind not in ("done", "raised", "memory"):
            return Failure(kind="crashed", detail="an answer out of turn")
        return value if kind == "done" else Failure(kind=kind, detail=str(value))

    def _wait(self, deadline: float, *, sending: bool) -> tuple[bool, bool | None]:
        """Whether the pipe takes more items, and whether data came: False at its end, None after the deadline."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        if sending:
            poll.register(self.items, select.POLLOUT)
        while True:
            interruption.check()
            left = max(0.0, deadline - time.monotonic())
            ready = dict(poll.poll(math.ceil(min(left, interruption.WAIT_SECONDS) * 1000)))
            if ready:
                break
            if not left:
                return False, None
        if self.answers in ready:
            data = os.read(self.answers, _CHUNK_BYTES)
            self.buffer += data
            return False, bool(data)
        return True, False

    def _send(self, unsent: memoryview) -> int:
        try:
            return os.write(self.items, unsent[:_CHUNK_BYTES])
        except BlockingIOError:
            return 0
        except BrokenPipeError:  # the end of the other pipe, which is read next, gives the reason
            return len(unsent)

    def _ended(self) -> Failure:
        """Why the process ended; the caller ends a process that only closed its pipe."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1)
        status = self.process.returncode
        if status is None:
            return Failure(kind="crashed", detail="closed its pipe")
        if status == -signal.SIGXCPU:
            return Failure(kind="timeout", detail=f"over {self.seconds:g} s of processor time")
        return Failure(kind="crashed", detail=f"exit status {status}" if status >= 0 else f"signal {-status}")


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _end(process: subprocess.Popen[bytes], items: int, answers: int, owner: int) -> None:
    """Kills the process and everything it has started; in a fork of its owner, only closes the pipes."""
    _close(items, answers)
    if os.getpid() != owner:
        process.returncode = 0  # not a child of this process: waiting would fail, and Popen would warn
        return
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# -- In the child ------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Writes one line `[number, kind, value]` per item until their pipe ends; kinds are done, raised, memory."""
    name, setup, items, answers, limits = sys.argv[2:]
    seconds, memory, may_write = json.loads(limits)
    for descriptor in (int(items), int(answers)):
        os.set_inheritable(descriptor, False)
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
        if setup != "null":
            function = function(json.loads(setup))
    except Exception as problem:  # an import can raise anything; the parent raises it again
        os.write(int(answers), f"{type(problem).__name__}: {problem}".encode()[:4096])
        return
    _limit(memory, may_write)
    os.write(int(answers), _READY)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a failed start may write to standard error, the work may not
    with os.fdopen(int(items), "rb") as lines:
        for number, line in enumerate(lines, 1):
            _limit_processor(seconds * (os.cpu_count() or 1) if may_write else seconds)  # libraries start threads
            answer = _answer(function, number, line)
            _write(int(answers), answer)


def _answer(function: Any, number: int, line: bytes) -> bytes:
    try:
        answer = [number, "done", function(json.loads(line))]
        return json.dumps(answer).encode() + b"\n"
    except MemoryError:
        return b'[%d, "memory", ""]\n' % number  # the parent then ends this process
    except Exception as problem:  # untrusted work can raise anything; it becomes a failure, never a result
        return json.dumps([number, "raised", type(problem).__name__]).encode() + b"\n"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _limit(memory: int, may_write: bool) -> None:
    """Limits memory, core dumps and, unless it may write, open files and file sizes for the rest of the process."""
    with contextlib.suppress(OSError):  # outside Linux there is no /proc, and RLIMIT_AS has little effect
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)
    _lower(resource.RLIMIT_CORE, 0)
    if not may_write:
        _lower(resource.RLIMIT_FSIZE, 0)
        _lower(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)


def _lower(limit: int, size: int) -> None:
    hard = resource.getrlimit(limit)[1]
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(limit, (size, size))


def _limit_processor(seconds: float) -> None:
    """Sets the time limit in whole seconds of processor time too: it ends the work of a child without a parent."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
