"""The process that starts programs and tests: sealed once, then two fresh processes for each request.

Takes requests over a socket: a line of JSON with limits, and the file descriptors of the pipes that the two processes
read and write. It reads neither programs nor tests, so a process that it forks holds nothing of earlier ones. For each
request it makes the two pipes between tests and program, and two processes; each becomes the supervisor of process 1 in
a namespace of its own, which holds the program, or the tests. A supervisor kills its process when the time is over, or
when the other end of the request's `leash` is closed, be it that the verdict is there or that the parent has died.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from restem.verifiers.code import candidate, checker, isolation, seccomp

# Modules that many programs use: imported once here and not in each program.
_COMMON = (
    *("bisect", "collections", "copy", "datetime", "decimal", "fractions", "functools", "hashlib", "heapq"),
    *("itertools", "json", "math", "operator", "random", "re", "statistics", "string", "typing"),
)
DESCRIPTORS = ("leash", "status", "program", "tests", "verdict")
READY, ACCEPTED = b"ready", b"+"
MAX_REQUEST = 4096
_FILES = 256  # descriptors of this process; a few dozen are used


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """How this launcher isolates.

    Attributes:
        kind: See isolation.py.
        filtered: Whether system calls are filtered.
        address_space: Bytes of address space that a process has before it runs anything.
    """

    kind: str
    filtered: bool
    address_space: int


def serve() -> None:
    """Answers requests until their socket ends. Its arguments: descriptor, kinds of isolation to try, filter or not."""
    descriptor, kinds, filtered, empty_folder = int(sys.argv[2]), sys.argv[3].split(), sys.argv[4] == "1", sys.argv[5]
    control = socket.socket(fileno=descriptor)
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.close(null)
    isolation.close_others([descriptor])
    _limit_files()
    for name in _COMMON:
        importlib.import_module(name)
    machine, problem = _sealed(kinds, filtered, empty_folder)
    answer = {"kind": machine.kind if machine else None, "problem": problem}
    control.sendall(json.dumps(answer).encode() + b"\n")
    if machine is not None:
        _answer(control, machine)


def _limit_files() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    number = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def _sealed(kinds: list[str], filtered: bool, empty_folder: str) -> tuple[Machine | None, str]:
    """The first kind of isolation that works here, in which this process now is; why the others do not."""
    problems: list[str] = []
    for kind in kinds:
        machine = Machine(kind=kind, filtered=filtered, address_space=isolation.address_space())
        if problem := _tried(machine, empty_folder):
            problems.append(f"{kind}: {problem}")
            continue
        if kind != isolation.NONE:
            isolation.seal(kind, empty_folder)
        return machine, "; ".join(problems)
    return None, "; ".join(problems)


def _tried(machine: Machine, empty_folder: str) -> str:
    """Why a process cannot be isolated in this way; empty where it can. Tried in a child, which is changed for ever."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            try:
                if machine.kind != isolation.NONE:
                    isolation.seal(machine.kind, empty_folder)
                process = _start(machine, 5, 64 << 20, [writing], writing, lambda: os.write(writing, READY))
                os.waitpid(process, 0)
            except OSError as problem:
                os.write(writing, str(problem).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return "" if text == READY else text.decode(errors="replace") or "the process ended"


# -- Requests ----------------------------------------------------------------------------------------------------------


def _answer(control: socket.socket, machine: Machine) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are not waited for
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST, len(DESCRIPTORS))
        if not data:
            return
        request, ends = json.loads(data), dict(zip(DESCRIPTORS, descriptors, strict=True))
        calls, replies = os.pipe(), os.pipe()
        shared = [ends["leash"], ends["status"]]
        _fork_supervisor(machine, request, "program", shared, [ends["program"], calls[0], replies[1]])
        _fork_supervisor(machine, request, "tests", shared, [ends["tests"], calls[1], replies[0], ends["verdict"]])
        for descriptor in (*descriptors, *calls, *replies):
            os.close(descriptor)
        control.sendall(ACCEPTED)


def _fork_supervisor(machine: Machine, request: dict[str, Any], role: str, shared: list[int], pipes: list[int]) -> None:
    if os.fork() == 0:
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            isolation.close_others([*shared, *pipes])
            _supervise(machine, request, role, shared, pipes)
        finally:
            os._exit(0)


def _supervise(machine: Machine, request: dict[str, Any], role: str, shared: list[int], pipes: list[int]) -> None:
    """Starts the process of a role, kills it in the end, and writes how it ended."""
    leash, status = shared
    main = {"program": candidate.serve, "tests": checker.serve}[role]
    folder = tempfile.mkdtemp(prefix="restem-code-") if machine.kind == isolation.NONE else None

    def run() -> None:
        if folder is not None:
            os.chdir(folder)
        os.write(status, json.dumps({"role": role, "ready": True}).encode() + b"\n")
        os.close(status)
        main(*pipes)

    try:
        seconds, memory = request["processor_seconds"], request["memory_bytes"]
        process = _start(machine, seconds, memory, [status, *pipes], status, run)
    except OSError as problem:
        os.write(status, f"{problem}\n".encode())
        return
    for descriptor in pipes:
        os.close(descriptor)
    _wait(process, leash, request["wall_seconds"])
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)  # without a namespace, the processes that it started and that stayed
    _, code, usage = os.wait4(process, 0)
    ended = {"role": role, "exit": os.waitstatus_to_exitcode(code), "seconds": usage.ru_utime + usage.ru_stime}
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os.write(status, json.dumps(ended).encode() + b"\n")


def _wait(process: int, leash: int, seconds: float) -> None:
    """Returns when the process has ended, the other end of the leash is closed, or the time is over."""
    poll = select.poll()
    poll.register(leash, select.POLLIN)
    with contextlib.suppress(AttributeError, OSError):  # macOS, or a kernel before 5.3: the parent closes the leash
        poll.register(os.pidfd_open(process), select.POLLIN)
    poll.poll(seconds * 1000)


def _start(
    machine: Machine, seconds: int, memory: int, kept: list[int], problems: int, main: Callable[[], object]
) -> int:
    """The process id of an isolated process that calls `main`; in a namespace of its own it is process 1.

    Args:
        machine: How it is isolated.
        seconds: Its limit of processor time.
        memory: Its limit of memory in bytes.
        kept: The file descriptors that it keeps.
        problems: Where it writes why it cannot be isolated; `main` is not called then.
        main: What it does.

    Raises:
        OSError: The kernel refuses a namespace or a process.
    """
    inside = machine.kind != isolation.NONE
    if inside:
        isolation.new_process_namespace()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()  # otherwise a signal to "my group" would reach the launcher
        if inside:
            isolation.private_temporary_folder()
        isolation.close_others(kept)
        isolation.drop_rights(machine.kind)
        isolation.limit(seconds, machine.address_space + memory, processes=inside)
        isolation.end_with_parent()
        if machine.filtered:
            with contextlib.suppress(OSError):  # a kernel without filters; the namespaces hold without one
                seccomp.install()
        _forget()
    except BaseException as problem:
        os.write(problems, f"{problem}\n".encode())
        os._exit(1)
    try:
        main()
    finally:
        os._exit(0)


def _forget() -> None:
    """Leaves the standard library and nothing of ours to what is imported from now on."""
    sys.path[:] = isolation.standard_library()
    sys.argv[:] = [""]
    for name in [name for name in sys.modules if name.partition(".")[0] == "restem"]:
        del sys.modules[name]
