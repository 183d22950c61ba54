"""Untrusted work in a killable child process: each way to fail costs one item and no other."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.verifiers.child_process import Surroundings
from restem.verifiers.verdict import WorkerFailed
from restem.verifiers.worker import Failure, Worker

ROOT = Path(__file__).parents[1]

# The functions of the workers in these tests: a real module, imported through sys.path.
WORK = """
import ctypes, os, signal, sys, tempfile, threading, time

def act(item):
    match item:
        case "sleep": time.sleep(60)
        case "spin":
            while True: pass
        case "c loop": 10 ** (10 ** 10)
        case "stop": os.kill(os.getpid(), signal.SIGSTOP)
        case "segfault": ctypes.string_at(0)
        case "exit 0": os._exit(0)
        case "exit 1": sys.exit(1)
        case "later": threading.Timer(0.05, os._exit, [0]).start()
        case "allocate": bytearray(1 << 31)
        case "grow":
            kept = []
            while True: kept.append(bytes(1 << 24))
        case "recurse": act_deep(0)
        case "raise": raise ValueError("no\\nnot this")
        case "print": print("[1, \\"done\\", 7]", flush=True); os.write(1, b"garbage"); os.write(2, b"garbage")
        case "garbage": [os.write(fd, b"garbage\\n") for fd in pipes()]
        case "endless": [os.write(fd, b"x" * 50_000) for fd in pipes() for _ in range(100)]
        case "unsayable": return {1, 2}
        case "file": tempfile.TemporaryFile(buffering=0).write(b"x")
        case "environment": return sorted(os.environ)
        case "pid": return os.getpid()
        case "twins": os.fork(), time.sleep(60)
    return item

def act_deep(n):
    return act_deep(n + 1) + 1

def pipes():
    return [fd for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and is_pipe(fd)]

def is_pipe(fd):
    try:
        os.write(fd, b"")
        return True
    except OSError:
        return False
"""

# The kernel ends processes so where memory is short: the first ones, as many as the folder's name says.
KILLED = """
import os, signal, tempfile
folder = tempfile.gettempdir()
tries = len(os.listdir(folder))
if tries < int(folder.rpartition("-")[2]):
    open(f"{folder}/{tries}", "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
act = str
"""


@pytest.fixture(scope="module", autouse=True)
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("work")
    (folder / "worker_functions.py").write_text(WORK)
    (folder / "worker_broken.py").write_text("import a_package_that_is_not_there\n")
    (folder / "worker_exits.py").write_text("import os\nos._exit(3)\n")
    (folder / "worker_killed.py").write_text(KILLED)
    (folder / "worker_stopped.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def started(seconds: float = 0.3, function: str = "worker_functions:act") -> Worker:
    return Worker(function, seconds_per_item=seconds, memory_bytes=256 << 20)


@pytest.fixture(scope="module")
def worker(work: None) -> Iterator[Worker]:
    worker = started()
    yield worker
    worker.close()


@given(st.lists(st.text(max_size=30) | st.integers() | st.none(), max_size=20))
@settings(max_examples=30)
def test_results_come_in_the_order_of_the_items(worker: Worker, items: list[object]) -> None:
    wrapped = [["\ud800", item] for item in items]  # a list is no command to `act`
    assert worker.map(wrapped) == wrapped


FATAL = {
    "sleep": "timeout",
    "c loop": "timeout",
    "stop": "timeout",
    "segfault": "crashed",
    "exit 0": "crashed",
    "exit 1": "crashed",
    "allocate": "memory",
    "grow": "memory",
    "recurse": "raised",
    "raise": "raised",
    "garbage": "crashed",
    "endless": "crashed",
    "unsayable": "raised",
    "file": "raised",
}


@pytest.mark.parametrize(("order", "kind"), FATAL.items())
def test_work_that_fails_costs_its_own_item_alone(worker: Worker, order: str, kind: str) -> None:
    before, failed, *after = worker.map(["a", order, "b", "c"])
    assert (before, after) == ("a", ["b", "c"])
    assert isinstance(failed, Failure)
    assert failed.kind == kind


def test_output_of_the_work_is_not_read_as_a_result(worker: Worker) -> None:
    assert worker.map(["a", "print", "b"]) == ["a", "print", "b"]


def test_an_item_does_not_fail_for_the_item_before_it(worker: Worker) -> None:
    assert worker.map(["later"]) == ["later"]
    time.sleep(0.2)  # the child ends before the next batch
    assert worker.map(["a"]) == ["a"]
    assert isinstance(worker.map(["later", "sleep", "b"])[1], Failure)  # and while the next item runs
    assert worker.map(["later", *range(9_000)])[1:] == list(range(9_000))


def test_a_child_that_was_killed_or_stopped_from_outside_costs_no_item(worker: Worker) -> None:
    for how in (signal.SIGKILL, signal.SIGSTOP):
        (pid,) = worker.map(["pid"])
        os.kill(pid, how)
        time.sleep(0.1)
        assert worker.map(["a", "b"]) == ["a", "b"]


def test_processes_that_the_work_starts_end_with_it(worker: Worker) -> None:
    (pid,) = worker.map(["pid"])
    assert isinstance(worker.map(["twins"])[0], Failure)
    command = ["ps", "-o", "stat=", "--sid", str(pid)]
    states = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    assert [state for state in states if not state.startswith("Z")] == []


def test_large_and_many_items_do_not_block_the_pipes(worker: Worker) -> None:
    items = ["x" * 300_000] * 3 + [*range(30_000)]
    assert worker.map(items) == items


def test_a_stopped_child_does_not_stop_a_parent_that_is_sending(worker: Worker) -> None:
    began = time.monotonic()
    stopped, *others = worker.map(["stop", "x" * 1_000_000, "y" * 1_000_000])
    assert isinstance(stopped, Failure)
    assert [len(other) for other in others] == [1_000_000] * 2
    assert time.monotonic() - began < 30


def test_the_child_has_no_environment_variable_but_search_paths_and_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a secret")
    worker = started()
    (names,) = worker.map(["environment"])
    assert set(names) <= {"PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONHASHSEED", "LANG", "LC_CTYPE"}
    worker.close()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("worker_broken:act", "ModuleNotFoundError.*a_package_that_is_not_there"),
        ("worker_exits:act", "exit status 3"),
        ("worker_functions:missing", "AttributeError"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_an_error_and_not_a_failure_of_the_items(
    function: str, message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        started(function=function).map(["a"])


@pytest.mark.parametrize("kills", [2, 3])
def test_a_child_that_is_killed_while_it_starts_is_started_three_times(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"tries-{kills}"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    surroundings = Surroundings(variables=("TMPDIR",))
    worker = Worker("worker_killed:act", seconds_per_item=1, memory_bytes=1 << 28, surroundings=surroundings)
    if kills < 3:
        assert worker.map([1]) == ["1"]
    else:
        with pytest.raises(WorkerFailed, match="does not start: signal 9 ended it 3 times"):
            worker.map([1])
    assert len(os.listdir(folder)) == kills
    worker.close()


def test_a_child_that_is_stopped_while_it_starts_is_given_up_after_the_time_for_starting() -> None:
    worker = Worker("worker_stopped:act", seconds_per_item=1, memory_bytes=1 << 28, start_seconds=1)
    with pytest.raises(WorkerFailed, match="not ready after 1 s"):
        worker.map([1])


def test_threads_take_turns(worker: Worker) -> None:
    results: dict[int, list[object]] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.__setitem__(n, worker.map([n] * 50)), daemon=True) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert results == {n: [n] * 50 for n in range(8)}


def test_an_interrupted_batch_leaves_no_results_for_the_next(worker: Worker) -> None:
    class Break(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Break

    worker.map(["a"])
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Break):
            worker.map(["b", "sleep", "c"])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert worker.map(["d"]) == ["d"]


def test_a_closed_or_collected_worker_leaves_no_process_and_no_open_file() -> None:
    gc.collect()
    open_before = len(os.listdir("/proc/self/fd"))
    closed, collected = started(), started()
    pids = [*closed.map(["pid"]), *collected.map(["pid", "exit 0", "pid"])]
    closed.close()
    del collected
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == open_before
    assert not [pid for pid in pids if isinstance(pid, int) and Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("order", ["pid", "spin"])
def test_the_child_ends_with_its_parent(order: str) -> None:
    """An idle child reads the end of its pipe; a busy child reaches its limit of processor time."""
    script = (
        "import sys, os, threading\n"
        f"sys.path.insert(0, {sys.path[0]!r})\n"
        "from restem.verifiers.worker import Worker\n"
        "worker = Worker('worker_functions:act', seconds_per_item=0.5, memory_bytes=1 << 28)\n"
        "print(*worker.map(['pid']), flush=True)\n"
        f"threading.Thread(target=worker.map, args=([{order!r}],), daemon=True).start()\n"
        "import time; time.sleep(0.2); os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{int(done.stdout)}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_a_fork_of_the_parent_starts_another_child_and_does_not_end_the_first() -> None:
    script = (
        "import sys, os\n"
        f"sys.path.insert(0, {sys.path[0]!r})\n"
        "from restem.verifiers.worker import Worker\n"
        "worker = Worker('worker_functions:act', seconds_per_item=0.5, memory_bytes=1 << 28)\n"
        "before = worker.map(['pid'])\n"
        "if not os.fork():\n"
        "    os._exit(0 if worker.map(['pid']) != before and worker.close() is None else 1)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "assert worker.map(['pid']) == before\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=ROOT, check=True, timeout=60)


def test_the_interpreter_exits_quietly_with_a_living_child() -> None:
    script = (
        "import sys\n"
        f"sys.path.insert(0, {sys.path[0]!r})\n"
        "from restem.verifiers.worker import Worker\n"
        "worker = Worker('worker_functions:act', seconds_per_item=0.5, memory_bytes=1 << 28)\n"
        "print(*worker.map(['pid']))\n"
    )
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert not Path(f"/proc/{int(done.stdout)}").exists()
