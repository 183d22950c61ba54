"""Rows of an unsealed run.db that this program did not write are named, in every command."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from restem.harness.errors import DamagedRun
from restem.harness.store.store import Store
from tests.conftest import restem
from tests.fuzz_runs import small_run

DAMAGES = {
    "UPDATE sample SET text = x'00' WHERE idx = 1": "sample: text: found b'.x00', expected TEXT",
    "UPDATE checkpoint SET steps = 'x'": "table checkpoint: steps: found 'x', expected INTEGER",
    "UPDATE verdict SET seconds = 9e999": "table verdict: seconds: found inf, expected REAL",
    "UPDATE verdict SET outcome = 'right'": "(table verdict: outcome: found 'right'|SQLite: 'CHECK)",
    "UPDATE event SET detail = '[1]'": r"table event: detail: found '\[1\]', expected an object",
    "UPDATE event SET detail = '{'": "table event: detail: found '{', expected JSON",
    "UPDATE run SET value = '[[[' WHERE key = 'suite'": r"table run: suite: found '\[\[\[', expected JSON",
    "UPDATE run SET value = '{\"arms\": [3]}' WHERE key = 'suite'": "run: suite.arms.0: found 3, expected an object",
    "UPDATE run SET value = '{\"sympy\": 3}' WHERE key = 'verifiers'": "verifiers.sympy: found 3, expected anoth",
    "DELETE FROM problem WHERE position = 0": "table sample: problem: '.*' is no id of table problem",
}


@pytest.mark.parametrize(("change", "message"), DAMAGES.items())
def test_a_row_that_this_program_does_not_write_is_named(tmp_path: Path, change: str, message: str) -> None:
    folder = small_run(tmp_path / "run")
    with Store(folder):
        pass
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(change)
        db.commit()
    for write in (False, True):
        with pytest.raises(DamagedRun, match=f"damaged: {message}|{message}"):
            Store(folder, write=write)


def test_a_damaged_run_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    folder = small_run(tmp_path / "run")
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute("UPDATE checkpoint SET losses = '0'")
        db.commit()
    result = restem("show", folder)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "checkpoint: losses: found '0', expected a list; restore it from a copy" in result.stderr
