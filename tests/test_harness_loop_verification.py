"""Verifiers beside a run: they work while it samples and trains, and what they meet ends it as it always did."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from restem.harness.app.run import run_suite
from restem.harness.config import load_suite
from restem.harness.loop.verification import parts_of
from restem.harness.store.store import Store
from restem.verifiers.verdict import JudgeUnavailable
from tests.conftest import problem
from tests.faults import at, chance_answer, every_row, smallest_suite
from tests.judge_server import JudgeServer

WAIT = 120.0  # longer than any machine needs


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smallest_suite(tmp_path_factory.mktemp("suite"))


@pytest.fixture(autouse=True)
def _key_and_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "background"]


def run(suite: Path, folder: Path, server: JudgeServer, *overrides: str) -> Path:
    run_suite(load_suite(str(suite), [*at(server.base_url)[1:], *overrides]), folder, quiet=True)
    return folder


def rows(folder: Path, sql: str) -> int:
    """The number in the first row of a query to a run that is being written; 0 where there is none yet."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def answering_when(condition: str, folder: Path, seen: list[bool]) -> JudgeServer:
    """A judge whose first reply waits until a query to the run gives a number other than 0."""

    def answer(prompt: str) -> str:
        deadline = time.monotonic() + WAIT
        while not seen and time.monotonic() < deadline:
            if rows(folder, condition):
                seen.append(True)
            time.sleep(0.02)
        return chance_answer(prompt)

    return JudgeServer(answer)


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(
            "SELECT count(*) FROM sample s JOIN problem p ON p.id = s.problem WHERE split = 'train'", id="drawn"
        ),
        pytest.param("SELECT count(*) FROM checkpoint WHERE id = 'accept_all/2'", id="trained"),
    ],
)
def test_a_judge_verifies_the_base_while_later_samples_are_drawn_and_another_arm_trains(
    suite: Path, tmp_path: Path, condition: str
) -> None:
    seen: list[bool] = []
    with answering_when(condition, tmp_path / "run", seen) as server:
        run(suite, tmp_path / "run", server)
    assert seen


def test_the_rows_do_not_depend_on_how_long_a_judge_takes(suite: Path, tmp_path: Path) -> None:
    with JudgeServer(chance_answer) as server:
        quick = run(suite, tmp_path / "quick", server)
        server.latency_seconds = 0.05
        slow = run(suite, tmp_path / "slow", server, "verifiers.judge.concurrency=2")
    left_out = {"run", "verifier"}  # they hold the suite and the judge's settings
    quick_rows, slow_rows = (
        {table: rows for table, rows in every_row(each).items() if table not in left_out} for each in (quick, slow)
    )
    assert quick_rows == slow_rows


def test_a_judge_that_refuses_the_key_stops_the_run_and_the_same_command_goes_on(suite: Path, tmp_path: Path) -> None:
    with JudgeServer(chance_answer) as server:
        whole = run(suite, tmp_path / "whole", server)
        server.script(*["ok"] * 20, "401")
        with pytest.raises(JudgeUnavailable, match="401"):
            run(suite, tmp_path / "stopped", server)
        with Store(tmp_path / "stopped") as store:
            assert not store.run().get("finished")
        server.script()
        assert every_row(run(suite, tmp_path / "stopped", server)) == every_row(whole)


@pytest.mark.parametrize(
    ("count", "samples", "sizes"), [(5, 512, [1] * 5), (5, 256, [2, 2, 1]), (3, 1, [3]), (0, 4, [])]
)
def test_a_part_has_whole_problems_and_some_512_samples(count: int, samples: int, sizes: list[int]) -> None:
    problems = [problem("q", "1", id=str(number)) for number in range(count)]
    parts = list(parts_of(problems, samples))
    assert [len(part) for part in parts] == sizes
    assert [each for part in parts for each in part] == problems
