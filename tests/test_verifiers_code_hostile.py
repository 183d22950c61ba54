"""No program reads, writes, connects or outlives its run, and none that is wrong is accepted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.verifiers.child_process import start_interpreter
from restem.verifiers.code.sandbox import NAMESPACES, PASSED, Ending, NoSandbox, Run, Sandbox
from restem.verifiers.verdict import WorkerFailed
from tests.hostile_programs import LEAVING, PROGRAMS, RIGHT, SECRET, TESTS, program

SECONDS, WALL = 1.0, 3.0


def can_isolate(*kinds: str) -> bool:
    sandbox = Sandbox(kinds)
    try:
        sandbox.kind()
    except NoSandbox:
        return False
    finally:
        sandbox.close()
    return True


isolated = pytest.mark.skipif(not can_isolate(*NAMESPACES), reason="this machine has no namespaces for programs")


class World:
    """What a program must not reach: a file, a folder, a listener, and a variable of the environment."""

    def __init__(self, folder: Path) -> None:
        self.canary, self.new = folder / "canary", folder / "new"
        self.canary.write_text("do not read")
        self.canary.chmod(0o666)
        folder.chmod(0o777)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.listener.accept()[0].close()
            except OSError:
                return
            self.connections += 1

    def state(self) -> tuple[object, ...]:
        return (sorted(os.listdir(self.canary.parent)), self.canary.read_text(), self.connections)

    def program(self, name: str) -> str:
        return program(name, canary=str(self.canary), new=str(self.new), port=self.port)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-a-secret-of-the-user")
        world = World(tmp_path_factory.mktemp("world"))
        yield world
        world.listener.close()


def made(*kinds: str, filtered: bool = True) -> Iterator[Sandbox]:
    sandbox = Sandbox(kinds, filtered=filtered)
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[Sandbox]:
    yield from made(*NAMESPACES)


@pytest.fixture(scope="module", params=NAMESPACES)
def unfiltered(world: World, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Namespaces and limits alone, so that a program can fork: each way by itself."""
    if not can_isolate(request.param):
        pytest.skip(f"this machine has no namespaces by way of {request.param}")
    yield from made(request.param, filtered=False)


def tried(sandbox: Sandbox, source: str) -> Ending:
    tests = {"setup": "", "tests": TESTS, "entry_point": "f", "share": 1.0, "seed": 0, "wall_seconds": WALL}
    run = Run(sources=[source], tests=tests, processor_seconds=SECONDS, wall_seconds=WALL, memory_bytes=256 << 20)
    return sandbox.run(run)


def left_over(sandbox: Sandbox) -> list[int]:
    """The processes that this sandbox's launcher has forked and that are there still, with or without their parents.

    A fork has the command line of its launcher, and in that stands a folder that no other launcher has.
    """
    launcher = sandbox._launcher
    assert launcher is not None
    marked: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != launcher.process.pid:
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            marked += [int(entry.name)] if launcher.folder.encode() in command else []
    return marked


def test_there_are_more_than_forty() -> None:
    assert len(PROGRAMS) > 40


@isolated
def test_a_right_program_is_accepted_by_the_same_tests(sandbox: Sandbox) -> None:
    assert tried(sandbox, RIGHT).outcome == PASSED


@isolated
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_hostile_program_is_accepted_or_leaves_anything(name: str, sandbox: Sandbox, world: World) -> None:
    before = world.state()
    began = time.monotonic()
    ending = tried(sandbox, world.program(name))
    assert ending.outcome != PASSED
    assert not ending.reason.startswith(("sandbox", "tests: they do not end"))
    assert SECRET not in ending.reason
    assert world.state() == before
    assert left_over(sandbox) == []
    assert time.monotonic() - began < 30


# What needs a process of its own, and what a filter of system calls would refuse before the namespaces do.
WITHOUT_A_FILTER = (
    *(f"leaves {name}" for name in LEAVING),
    *("reads a file outside", "reads the old root", "writes a new file outside", "writes in the standard library"),
    *("connects by TCP", "connects by system calls", "gets a mount", "gets root", "gets the parent's memory"),
    *("gets a hundred processes", "endless: forks without end", "fakes: exits at once in a call"),
)


@isolated
@pytest.mark.parametrize("name", WITHOUT_A_FILTER)
def test_namespaces_and_limits_alone_hold_too(name: str, unfiltered: Sandbox, world: World) -> None:
    if name == "gets a hundred processes" and unfiltered.kinds == ("user",) and os.geteuid() == 0:
        pytest.skip("the kernel counts no processes of root; the filter refuses them")
    before = world.state()
    assert tried(unfiltered, world.program(name)).outcome != PASSED
    assert world.state() == before
    assert left_over(unfiltered) == []
    assert tried(unfiltered, RIGHT).outcome == PASSED


@isolated
def test_a_program_sees_a_root_with_the_standard_library_alone(sandbox: Sandbox) -> None:
    source = "import os\ndef f(folder):\n    return os.listdir(folder)"
    tests = "assert set(f('/')) <= {'lib', 'lib64', 'root', 'home', 'opt', 'tmp', 'usr'}\nassert f('/tmp') == []"
    settings = {"setup": "", "tests": tests, "entry_point": "f", "share": 1.0, "seed": 0, "wall_seconds": WALL}
    run = Run(sources=[source], tests=settings, processor_seconds=1, wall_seconds=WALL, memory_bytes=1 << 28)
    assert sandbox.run(run).outcome == PASSED


@pytest.mark.parametrize("kills", [2, 3])
def test_a_launcher_that_is_killed_while_it_starts_is_started_three_times(
    monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    """The first launchers are killed as soon as their processes exist, as the kernel does where memory is short."""
    ended: list[int] = []

    def start_and_kill(*arguments: Any) -> subprocess.Popen[bytes]:
        process = start_interpreter(*arguments)
        if len(ended) < kills:
            process.kill()
            ended.append(process.pid)
        return process

    monkeypatch.setattr("restem.verifiers.code.sandbox.start_interpreter", start_and_kill)
    for sandbox in made("none"):
        ended.clear()
        if kills < 3:
            assert tried(sandbox, RIGHT).outcome == PASSED
        else:
            with pytest.raises(WorkerFailed, match="does not start: signal 9 ended it 3 times"):
                tried(sandbox, RIGHT)
        assert len(ended) == kills


def test_a_launcher_that_was_killed_or_stopped_costs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restem.verifiers.code.sandbox.START_SECONDS", 3.0)
    for sandbox in made("none"):
        for how in (signal.SIGKILL, signal.SIGSTOP):
            assert tried(sandbox, RIGHT).outcome == PASSED
            assert sandbox._launcher is not None
            os.kill(sandbox._launcher.process.pid, how)
            assert tried(sandbox, RIGHT).outcome == PASSED


def test_no_program_runs_where_no_isolation_works() -> None:
    sandbox = Sandbox(())
    with pytest.raises(NoSandbox):
        tried(sandbox, RIGHT)


def test_without_namespaces_time_memory_processes_and_network_are_limited_still(world: World) -> None:
    for sandbox in made("none"):
        before = world.state()
        assert tried(sandbox, RIGHT).outcome == PASSED
        for name in (
            "endless: loops in C",
            "gets four gigabytes",
            "connects by TCP",
            "gets a shell",
            "fakes: is a mock",
        ):
            assert tried(sandbox, world.program(name)).outcome != PASSED
        assert world.state() == before
        assert left_over(sandbox) == []
