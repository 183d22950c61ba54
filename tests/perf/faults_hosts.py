"""Faults on a run of two hosts: what the other host does, after how many seconds, and whether the rows are the same.

    uv run python tests/perf/faults_hosts.py [--fault KILL]... [--victim 0]... [--stage training]... [--work FOLDER]
    uv run python tests/perf/faults_hosts.py --case STOP:0:training --case TERM:1:saving
    uv run python tests/perf/faults_hosts.py --start            the mistakes and faults of the start alone
    uv run python tests/perf/faults_hosts.py --disk MOUNTED     the leader's run folder on a small, full file system

Run by name. Two processes on loopback, one CPU device each. For each fault and victim there is one chain: the same
commands are started again and again, with the fault once in every stage, then undisturbed to the end. Prints one line
a fault, and for each chain whether all tables are those of an undisturbed run.

`CUT` is a relay between follower and leader that forwards nothing any more; `RESET` one that closes the connection.
A stopped process (STOP) is continued after --stop-seconds. In the stage `judge` every reply takes five minutes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import faults
from tests.judge_server import JudgeServer
from tests.small_policy import small_policy_folder

SUITE = """
name = "hosts"
seed = 3
iterations = 1
policy = "POLICY"
scoring = ["judge"]

[benchmark]
train = 8
validation = 2
test = 4

[sampling]
train_samples = 8
validation_samples = 8
test_samples = 8
max_new_tokens = 24
top_k = 400
rows = 16

[training]
optimizer = "sgd"
learning_rate = 0.05
steps = 400
rows = 4
row_length = 128
checks = 2

[probe]
problems = 0

[[arms]]
name = "accept_all"
verifier = "accept_all"

[verifiers.judge]
model = "m"
timeout_seconds = 600
"""
STAGES = ("connecting", "sampling", "judge", "training", "check", "saving")
"""In the order in which a run comes to them, so that each is new in the start that is disturbed there."""
SIGNALS = {name: getattr(signal, f"SIG{name}") for name in ("KILL", "TERM", "INT", "HUP", "STOP")}
LIMIT_SECONDS = 100.0  # a survivor that lives longer after a fault counts as hanging


class Wire:
    """A TCP relay between the follower and the coordinator's port, which can be cut."""

    def __init__(self, port: int) -> None:
        self._target, self._listener = port, socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.silent, self._open = False, list[socket.socket]()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            while True:  # the leader may be started later
                with contextlib.suppress(OSError):
                    server = socket.create_connection(("127.0.0.1", self._target))
                    break
                time.sleep(0.05)
            self._open += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(2**16):
                if not self.silent:
                    target.sendall(received)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(suite: Path, folder: Path, index: int, port: int, *options: object) -> subprocess.Popen[str]:
    """One of two hosts."""
    where = ("--hosts", 2, "--host-index", index, "--coordinator", f"127.0.0.1:{port}", "--set", "mesh.data=2")
    return faults.start("run", suite, "--out", folder, "--quiet", *where, *options)


def connected(port: int) -> bool:
    """Whether a connection to this port of loopback is established."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f":{port:04X}" in (line := text.split())[2] and line[3] == "01" for text in lines)


def asked(folder: Path, question: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as db:
            return db.execute(question).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def reached(stage: str, folder: Path, port: int, server: JudgeServer) -> Callable[[], bool]:
    """Whether a run is in this stage now."""
    requests = server.requests
    return {
        "connecting": lambda: connected(port),
        "sampling": lambda: asked(folder, "SELECT count(*) FROM sample") > 0,
        "judge": lambda: server.requests > requests,
        "training": lambda: asked(folder, "SELECT count(*) FROM selection") > 0,
        "check": lambda: asked(folder, "SELECT count(*) FROM sample WHERE checkpoint LIKE '%@%'") > 0,
        "saving": lambda: any((folder / "checkpoints").glob("*")),
    }[stage]


PAUSE = {"judge": 30.0, "training": 4.0}
"""Seconds between the first sign of a stage and the fault: a waiting follower is not lost; training is under way."""


def line_of(end: faults.Ended) -> str:
    """What a process said on stderr; more than one line, or a stack trace, is marked."""
    lines = end.err.strip().splitlines()
    marks = ["TRACEBACK"] if end.has_traceback else []
    marks += ["NATIVE"] if "Check failure" in end.err or "@     0x" in end.err else []
    marks += [f"{len(lines)} LINES"] if len(lines) > 1 else []
    return " ".join([*marks, " | ".join(lines[-3:]) or "(no line)"])


def disturbed(
    suite: Path, folder: Path, fault: str, victim: int, stage: str, server: JudgeServer, stop_seconds: float
) -> None:
    """Starts both hosts, and disturbs one of them in the stage; prints what came of it."""
    port = free_port()
    wire = Wire(port) if fault in ("CUT", "RESET") else None
    server.latency_seconds = 300.0 if stage == "judge" else 0.0
    come = reached(stage, folder, port, server)
    judge = faults.at(server.base_url)
    hosts = [start(suite, folder, index, wire.port if index and wire else port, *judge) for index in range(2)]
    while not come():
        if any(host.poll() is not None for host in hosts):
            for host in hosts:
                host.kill()
            ends = [faults.ended(host) for host in hosts]
            click.echo(f"{fault} {victim} {stage}: ENDED BEFORE THE STAGE: {[line_of(end) for end in ends]}")
            return
        time.sleep(0.002)
    time.sleep(PAUSE.get(stage, 0.0))
    lived = [host.poll() is None for host in hosts]
    began = time.monotonic()
    if wire is None:
        hosts[victim].send_signal(SIGNALS[fault])
    elif fault == "CUT":
        wire.silent = True
    else:
        wire.reset()
    try:
        survivor = faults.ended(hosts[1 - victim], LIMIT_SECONDS)
        seconds = time.monotonic() - began
        click.echo(
            f"{fault} host {victim}, {stage}: host {1 - victim} ended after {seconds:.1f} s with {survivor.code}: "
            f"{line_of(survivor)}{'' if all(lived) else '  (HAD ENDED BEFORE)'}"
        )
    except subprocess.TimeoutExpired:
        click.echo(f"{fault} host {victim}, {stage}: host {1 - victim} HANGS")
    if fault == "STOP":
        time.sleep(max(0.0, began + stop_seconds - time.monotonic()))
        hosts[victim].send_signal(signal.SIGCONT)
        began = time.monotonic()
    try:
        other = faults.ended(hosts[victim], LIMIT_SECONDS)
        seconds = time.monotonic() - began
        click.echo(f"    the disturbed one: {other.code} after {seconds:.1f} s: {line_of(other)}")
    except subprocess.TimeoutExpired:
        click.echo("    the disturbed one HANGS")
    server.latency_seconds = 0.0


def undisturbed(suite: Path, folder: Path, server: JudgeServer) -> None:
    """Brings a run to its end on both hosts."""
    server.latency_seconds = 0.0
    port = free_port()
    hosts = [start(suite, folder, index, port, *faults.at(server.base_url)) for index in range(2)]
    for end in [faults.ended(host) for host in hosts]:
        if end.code:
            click.echo(f"    UNDISTURBED HOST FAILED: {end.code} {end.err}")


def start_faults(suite: Path, work: Path, server: JudgeServer) -> None:
    """The faults of the start: hosts that differ, are there twice, or never come."""

    def show(name: str, *hosts: subprocess.Popen[str]) -> None:
        began = time.monotonic()
        for index, host in enumerate(hosts):
            try:
                end = faults.ended(host, 400.0)
                click.echo(
                    f"{name}: process {index} ended within {time.monotonic() - began:.0f} s, {end.code}: {line_of(end)}"
                )
            except subprocess.TimeoutExpired:
                click.echo(f"{name}: process {index} HANGS")

    judge, run = faults.at(server.base_url), work / "start"
    other = small_policy_folder(work / "other", seed=1)
    port = free_port()
    show("other suite", start(suite, run, 0, port, *judge), start(suite, run, 1, port, *judge, "--set", "seed=4"))
    port = free_port()
    show(
        "other policy",
        start(suite, run, 0, port, *judge),
        start(suite, run, 1, port, *judge, "--set", f"policy={other}"),
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        show("port taken", start(suite, run, 0, taken.getsockname()[1], *judge))
    port = free_port()
    first = start(suite, run, 1, port, *judge)
    leader = start(suite, run, 0, port, *judge)
    while not connected(port):
        time.sleep(0.01)
    twin = start(suite, run, 1, port, *judge)
    show("the same index twice (leader, first, second)", leader, first, twin)
    show(
        "a follower that never comes, a wrong address",
        start(suite, run, 0, free_port(), *judge),
        start(suite, run, 1, free_port(), *judge),
    )


def full_disk(suite: Path, folder: Path, server: JudgeServer) -> None:
    """A run whose folder has no room left."""
    port = free_port()
    hosts = [start(suite, folder, index, port, *faults.at(server.base_url)) for index in range(2)]
    for index, host in enumerate(hosts):
        end = faults.ended(host)
        click.echo(f"full disk of the leader: host {index} ended with {end.code}: {line_of(end)}")


@contextlib.contextmanager
def prepared(work: Path) -> Iterator[tuple[Path, JudgeServer]]:
    work.mkdir(parents=True, exist_ok=True)
    policy = work / "policy"
    if not policy.exists():
        small_policy_folder(policy)
    with JudgeServer() as server:
        yield faults.suite_file(work, SUITE.replace("POLICY", str(policy.absolute()))), server


@click.command(help=__doc__)
@click.option("--fault", "kinds", multiple=True, type=click.Choice([*SIGNALS, "CUT", "RESET"]))
@click.option("--victim", "victims", multiple=True, type=click.IntRange(0, 1))
@click.option("--stage", "stages", multiple=True, type=click.Choice(STAGES))
@click.option("--case", "cases", multiple=True, help="KILL:1:judge and the like: one chain of these alone.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/hosts"), show_default=True)
@click.option("--stop-seconds", default=120.0, show_default=True)
@click.option("--start", "at_start", is_flag=True)
@click.option("--disk", type=click.Path(path_type=Path, file_okay=False), help="A small file system's mount point.")
def main(
    kinds: tuple[str, ...],
    victims: tuple[int, ...],
    stages: tuple[str, ...],
    cases: tuple[str, ...],
    work: Path,
    stop_seconds: float,
    at_start: bool,
    disk: Path | None,
) -> None:
    os.setpgrp()
    # A shell that starts this in the background may have switched these off, also for what this starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with prepared(work) as (suite, server):
        if at_start:
            return start_faults(suite, work, server)
        alone = work / f"undisturbed-{time.time_ns()}"  # made anew: the address of the judge is in its rows
        undisturbed(suite, alone, server)
        expected = faults.every_row(alone)
        if disk:
            full_disk(suite, disk / "run", server)
        chains = [
            [(fault, victim, stage) for stage in STAGES if stage in (stages or STAGES)]
            for fault in kinds or (*SIGNALS, "CUT", "RESET")
            for victim in victims or (1, 0)
        ]
        for chain in () if disk else [[_case(text) for text in cases]] if cases else chains:
            folder = work / f"chain-{time.time_ns()}"
            for fault, victim, stage in chain:
                disturbed(suite, folder, fault, victim, stage, server, stop_seconds)
            undisturbed(suite, folder, server)
            differing = faults.differences(expected, faults.every_row(folder))
            click.echo(f"{len(chain)} faults in a chain: rows {differing or 'EQUAL'}")


def _case(text: str) -> tuple[str, int, str]:
    fault, victim, stage = text.split(":")
    return fault, int(victim), stage


if __name__ == "__main__":
    main()
