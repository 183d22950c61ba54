"""When a host of a run is lost, each other one ends within seconds, with one line that names it; without JAX."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOST = """
import hashlib, json, sys, time
from restem.harness.distributed import liveness
from restem.harness.errors import RestemError
liveness.SILENCE_SECONDS, liveness.GRACE_SECONDS = 3.0, 1.0
port, count, index, facts, work = json.loads(sys.argv[1])
peers = liveness.Peers(("127.0.0.1", port), count, index, facts, meet_seconds=float(sys.argv[2]))
try:
    peers.meet()
    if index == 0:
        peers.announce(1)
    print("met", flush=True)
    if work == "native":
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**8)
    elif work == "fail":
        raise RuntimeError("out of cheese")
    time.sleep(60 if work else 0)
    peers.leave()
except BaseException as error:
    peers.leave(error)
    sys.exit(f"{type(error).__name__}: {error}")
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a host of a run in a process of its own, which ends with the test."""
    hosts: list[subprocess.Popen[str]] = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def host(index: int, count: int = 2, facts: object = None, work: str = "idle", meet: float = 60.0):
        content = json.dumps([port, count, index, facts or {}, work])
        command = [sys.executable, "-c", HOST, content, str(meet)]
        hosts.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return hosts[-1]

    yield host
    for started in hosts:
        started.kill()
        started.communicate()


def met(*hosts: subprocess.Popen[str]) -> None:
    assert [host.stdout.readline() for host in hosts if host.stdout] == ["met\n"] * len(hosts)


def end(host: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr."""
    return host.wait(30), host.stderr.read() if host.stderr else ""


def test_hosts_that_end_one_after_the_other_lose_no_one(start: Start) -> None:
    hosts = [start(index, work="") for index in range(2)]
    assert [end(host) for host in hosts] == [(0, ""), (0, "")]


@pytest.mark.parametrize("victim", [0, 1])
def test_every_other_host_ends_with_the_name_of_the_one_that_was_killed(start: Start, victim: int) -> None:
    hosts = [start(index, 3, work="native" if index == 2 else "idle") for index in range(3)]
    met(*hosts)
    hosts[victim].kill()
    for survivor in {0, 1, 2} - {victim}:
        code, line = end(hosts[survivor])
        assert (code, line.count("\n")) == (1, 1)
        assert line.startswith(f"restem: host {victim} (")
        assert "is gone: its process has ended, or its connection was cut; start the same command" in line


@pytest.mark.parametrize("victim", [0, 1])
def test_a_stopped_host_is_lost_after_a_silence_and_ends_when_it_is_continued(start: Start, victim: int) -> None:
    hosts = [start(index) for index in range(2)]
    met(*hosts)
    hosts[victim].send_signal(signal.SIGSTOP)
    code, line = end(hosts[1 - victim])
    assert code == 1
    assert line.startswith(f"restem: host {victim} (")
    assert "has not answered for 3 s" in line
    hosts[victim].send_signal(signal.SIGCONT)
    code, line = end(hosts[victim])
    assert (code, line.count("\n"), line.startswith("restem: host ")) == (1, 1, True)


def test_two_stopped_hosts_go_on_when_they_are_continued(start: Start) -> None:
    hosts = [start(index) for index in range(2)]
    met(*hosts)
    for host in hosts:
        host.send_signal(signal.SIGSTOP)
    time.sleep(4)
    for host in hosts:
        host.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert [host.poll() for host in hosts] == [None, None]


def test_an_error_on_one_host_ends_the_other_with_its_reason(start: Start) -> None:
    hosts = [start(0), start(1, work="fail")]
    code, line = end(hosts[0])
    assert code == 1
    assert "host 1 (" in line
    assert "failed: RuntimeError: out of cheese" in line
    assert end(hosts[1])[0] == 1


def test_a_host_with_another_setting_ends_both_and_a_second_one_of_a_number_ends_alone(start: Start) -> None:
    leader, other = start(0, facts={"seed": 1}), start(1, facts={"seed": 2})
    assert "seed: 2, host 0 has 1; all hosts need the same" in end(other)[1]
    assert "host 1 (" in end(leader)[1]
    first, leader = start(1, 3), start(0, 3)
    time.sleep(1.5)
    second = start(1, 3)
    refused = [host for host in (first, second) if _ended(host, 3)]
    assert [("has this number already" in end(host)[1]) for host in refused] == [True]
    third = start(2, 3)
    met(leader, third)


def _ended(host: subprocess.Popen[str], seconds: float) -> bool:
    try:
        host.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_a_host_that_does_not_come_and_a_taken_port_are_told(start: Start) -> None:
    assert "host 1 of 2 did not connect" in end(start(0, meet=1.0))[1]
    assert "no answer from the leader at 127.0.0.1:" in end(start(1, meet=1.0))[1]
    leader = start(0)
    time.sleep(1.0)
    assert "address already in use; give another free port" in end(start(0))[1]
    assert leader.poll() is None
