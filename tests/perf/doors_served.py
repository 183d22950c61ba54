"""What the scripts about other people's evaluators share: a served policy, problems, and an imported run's numbers.

Not a script. Imports no foreign package: each evaluator runs as a program of an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from restem.harness.app.import_rollouts import Request, import_rollouts
from restem.harness.store.store import Store

RECORDED = "recorded:"


@contextlib.contextmanager
def served(policy: str = "tiny") -> Iterator[tuple[str, str]]:
    """Serves a policy while the block runs; gives the base URL and the model's name."""
    command = [sys.executable, "-m", "restem.harness.cli", "serve", policy, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            first = json.loads(server.stdout.readline())
            yield first["base_url"], first["model"]
        finally:
            server.terminate()


def problems(path: Path, count: int) -> Path:
    """Writes linear equations as JSON lines with `question` and `answer`."""
    command = [
        sys.executable,
        "-m",
        "restem.harness.cli",
        "generate",
        "linear_1d",
        "--count",
        str(count),
        "--seed",
        "3",
    ]
    path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return path


def imported(paths: Sequence[Path], out: Path) -> dict[str, list[float | None]]:
    """Imports files; gives name of a reward -> its numbers, None where undecided."""
    return {name: [number for of in each.values() for number in of] for name, each in by_problem(paths, out).items()}


def by_problem(paths: Sequence[Path], out: Path) -> dict[str, dict[str, list[float | None]]]:
    """Imports files; gives name of a reward -> problem -> its numbers, None where undecided."""
    for result in import_rollouts(Request(paths=tuple(paths)), out, quiet=True):
        print(f"{result.path.name}: {result.title or result.skipped}: {result.counts.as_json()}")
    with Store(out) as store:
        rows = store.query(
            "SELECT v.name, s.problem, d.raw_reward FROM verdict d JOIN verifier v ON v.fingerprint = d.verifier"
            " JOIN sample s ON s.id = d.sample"
        )
    numbers: dict[str, dict[str, list[float | None]]] = {}
    for name, problem, number in rows:
        numbers.setdefault(name.removeprefix(RECORDED), {}).setdefault(problem, []).append(number)
    return numbers


def mean(numbers: Sequence[float | None]) -> float:
    """The mean of the numbers that are decided."""
    decided = [number for number in numbers if number is not None]
    return sum(decided) / len(decided) if decided else float("nan")


def table(rows: Sequence[tuple[str, float, Sequence[float | None]]]) -> None:
    """Prints, for each reward, the tool's own mean beside that of the imported run."""
    print(f"{'reward':32} {'tool':>9} {'imported':>9} {'difference':>11} {'decided':>9}")
    for name, own, numbers in rows:
        decided = sum(number is not None for number in numbers)
        print(f"{name:32} {own:9.4f} {mean(numbers):9.4f} {mean(numbers) - own:11.1e} {decided:>4}/{len(numbers)}")
