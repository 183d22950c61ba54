"""Worker processes give the verdicts of one process, whatever becomes of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from restem.verifiers import catalog, processes
from restem.verifiers.interruption import Interruption
from restem.verifiers.processes import Processes, parts, verdicts_on
from restem.verifiers.verdict import Attempt, Verdict, Verifier, WorkerFailed, checked
from tests.conftest import problem, restem
from tests.hostile import HOSTILE

TABLES = {"noisy": {"base": "sympy", "tpr": 0.8, "fpr": 0.3, "seed": 4}, "usual": {"type": "sympy"}}
NAMES = ("sympy", "exact", "substitution", "majority", "noisy", "usual", "random")
"""Verifiers that work by rule, one with parts, one under another name, and one that compares samples."""


def batches(count: int = 40, size: int = 4) -> list[list[Attempt]]:
    """Two batches of problems, each with right, wrong and odd responses."""
    texts = ["x = {0}", "{0}", "I think\n\\boxed{{{0}}}", "x = {1}", "\ud800 é\0 {0}", "2*x + {1}", ""]
    attempts = [
        Attempt(
            problem=problem(f"Solve x = {n} for x.", str(n), id=str(n)), response=texts[(n + k) % 7].format(n, n + 1)
        )
        for n in range(count)
        for k in range(size)
    ]
    return [attempts[: len(attempts) // 2], attempts[len(attempts) // 2 :]]


def without_clocks(verdicts: Sequence[Sequence[Verdict]]) -> list[list[Verdict]]:
    return [[dataclasses.replace(verdict, seconds=0.0) for verdict in batch] for batch in verdicts]


def built(name: str) -> Verifier:
    return catalog.build(name, TABLES)


def in_one(name: str, of: Sequence[Sequence[Attempt]]) -> list[list[Verdict]]:
    verifier = built(name)
    return without_clocks([checked(verifier, batch) for batch in of])


@pytest.fixture(scope="module")
def two() -> Iterator[Processes]:
    with Processes(2, NAMES, TABLES) as several:
        yield several


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_are_those_of_one_process(two: Processes, name: str) -> None:
    assert two.takes(built(name))
    assert without_clocks(list(verdicts_on(built(name), batches(), two))) == in_one(name, batches())


def test_hostile_texts_have_the_limits_of_one_process(two: Processes) -> None:
    texts = [[Attempt(problem=problem("q", "7", id=str(n)), response=each.text) for n, each in enumerate(HOSTILE[::9])]]
    assert without_clocks(list(verdicts_on(built("sympy"), texts, two))) == in_one("sympy", texts)


@pytest.mark.parametrize("name", ["judge", "cascade"])
def test_what_asks_a_judge_is_verified_in_this_process(name: str) -> None:
    tables = {"cascade": {"members": ["exact", "judge"]}, "judge": {"model": "m"}}
    assert not catalog.works_by_rule(name, tables)


def test_the_samples_of_a_problem_are_in_one_part() -> None:
    batch = batches(100, 7)[0]
    found = list(parts(batch, 3))
    assert [attempt for part in found for attempt in part] == batch
    ids = [{attempt.problem.id for attempt in part} for part in found]
    assert len(found) > 1
    assert sum(map(len, ids)) == len(set().union(*ids))


def children() -> list[int]:
    """The worker processes of this one."""
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "verifiers.processes:prepare" in line]


def test_a_worker_that_is_killed_costs_no_verdict() -> None:
    of, expected = batches(400), in_one("sympy", batches(400))
    with Processes(2, ["sympy"], {}) as several:
        found: list[list[Verdict]] = []
        for verdicts in verdicts_on(built("sympy"), of, several):
            found.append(verdicts)
            for child in children():
                os.kill(child, signal.SIGKILL)
    assert without_clocks(found) == expected
    assert children() == []


def test_a_worker_that_gives_no_verdicts_again_and_again_stops_the_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PART_SECONDS", 1e-6)
    match = "'sympy': its worker process failed"
    with pytest.raises(WorkerFailed, match=match), Processes(2, ["sympy"], {}) as several:
        list(verdicts_on(built("sympy"), batches(), several))
    assert children() == []


def test_an_interrupt_ends_the_workers() -> None:
    interruption, began = Interruption(), threading.Event()
    without_end = itertools.chain.from_iterable(itertools.repeat(batches()))

    def work() -> None:
        with Processes(2, ["sympy"], {}) as several:
            for _ in verdicts_on(built("sympy"), without_end, several):
                began.set()

    def verify() -> None:
        interruption.take_thread()
        with pytest.raises(KeyboardInterrupt):
            work()

    thread = threading.Thread(target=verify, daemon=True)
    thread.start()
    assert began.wait(60)
    interruption.interrupt()
    thread.join(60)
    assert not thread.is_alive()
    assert children() == []


def test_restem_verify_writes_the_same_rows_with_several_workers(tmp_path: Path) -> None:
    rows = [
        {"id": n, "question": attempt.problem.question, "reference": attempt.problem.reference}
        | {"response": attempt.response, "problem_id": attempt.problem.id}
        for n, attempt in enumerate(attempt for batch in batches() for attempt in batch)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    written = []
    for workers in (1, 3):
        output = tmp_path / f"{workers}.jsonl"
        options = ["--verifier", "sympy", "--verifier", "exact", "--input", str(tmp_path / "rows.jsonl")]
        restem("verify", *options, "--output", str(output), "--workers", str(workers))
        written.append([json.loads(line) | {"seconds": 0} for line in output.read_text().splitlines()])
    assert written[0] == written[1]
    assert len(written[0]) == 2 * len(rows)
