"""Prints how many requests a second the judge's client asks of a loopback server, and what each costs in CPU time.

    python tests/perf/judge_throughput.py [REQUESTS] [CONCURRENCY ...]

Client and server are two processes, as in a run. Asserts nothing: the figure belongs to the machine and its load.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.problem import Problem
from harness.store import Store
from verifiers.judge import Judge
from verifiers.verdict import Attempt

SERVER = Path(__file__).parents[1] / "judge_server.py"


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of a judge server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()


def attempts(count: int) -> list[Attempt]:
    """Attempts with the length and shape of a small policy's, all different."""
    worked = "{0}*x + 3 = 7*x + 45\n{0}*x - 7*x = 45 - 3\n-3*x = 42\nx = 42/-3\nx = {0}"
    problems = (
        Problem(id=str(i), question=f"Solve {i}*x + 3 = 7*x + 45 for x.", reference=str(i), split="test", source="perf")
        for i in range(count)
    )
    return [Attempt(problem=problem, response=worked.format(problem.id)) for problem in problems]


def measure(base_url: str, count: int, concurrency: int) -> None:
    batch = attempts(count)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder), write=True) as store:
        judge = Judge(name="judge", calls=store, base_url=base_url, concurrency=concurrency)
        wall, cpu = time.perf_counter(), time.process_time()
        judge.verify(batch)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        stored = time.perf_counter()
        judge.verify(batch)
        stored = time.perf_counter() - stored
    print(
        f"concurrency {concurrency:3}: {count / wall:6.0f} requests/s, {1e3 * cpu / count:.2f} ms of CPU each;"
        f" from the store {count / stored:6.0f} requests/s"
    )


def main() -> None:
    numbers = [int(text) for text in sys.argv[1:]]
    with served() as base_url:
        for concurrency in numbers[1:] or [1, 4, 16, 64]:
            measure(base_url, numbers[0] if numbers else 3000, concurrency)


if __name__ == "__main__":
    main()
