"""The summary that ends `restem verify`, on rows of a file and on a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from restem.harness.store.store import Store
from tests.conftest import restem

CODE = "__import__('os').system('x')"  # no reference that any reader of mathematics will ever read
QUESTION = "Solve 3*x = 6 for x."
ROWS = [
    {"reference": "2", "response": "x = 2", "label": 1},
    {"reference": "2", "response": "The answer is 6/3.", "label": 1},
    {"reference": "2", "response": "x = 3", "label": 0},
    {"reference": CODE, "response": "x = 2", "label": 1},
    {"reference": CODE, "response": "x = 5", "label": None},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path, ROWS)


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    lines = [{"id": f"r{number}", "question": QUESTION, **row} for number, row in enumerate(rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def summary(*arguments: object) -> list[dict[str, Any]]:
    result = restem("verify", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["verifiers"]


def test_the_summary_counts_outcomes_and_reasons(rows: Path, tmp_path: Path) -> None:
    (sympy, exact) = summary(
        "--verifier", "sympy", "--verifier", "exact", "--input", rows, "--output", tmp_path / "out.jsonl"
    )
    assert (sympy["verifier"], exact["verifier"]) == ("sympy", "exact")
    counts = {name: sympy[name] for name in ("rows", "problems", "decided", "correct", "wrong", "undecided")}
    assert counts == {"rows": 5, "problems": 5, "decided": 3, "correct": 2, "wrong": 1, "undecided": 2}
    assert sum(sympy["reasons"].values()) == 2


def test_the_summary_has_the_rates_of_labelled_rows(rows: Path, tmp_path: Path) -> None:
    (sympy,) = summary("--verifier", "sympy", "--input", rows, "--output", tmp_path / "out.jsonl")
    labels = sympy["labels"]
    assert (labels["against"], labels["right"], labels["wrong"]) == (None, 3, 1)
    assert (labels["right_accepted"], labels["right_refused"], labels["wrong_accepted"]) == (2, 0, 0)
    assert (labels["tpr"][0], labels["fpr"][0], labels["decided"][0]) == (1.0, 0.0, 0.75)
    assert labels["tpr"][1] < 0.5  # two problems


def test_rows_without_labels_have_no_rates(tmp_path: Path) -> None:
    path = write(tmp_path, [{name: row[name] for name in ("reference", "response")} for row in ROWS])
    (sympy,) = summary("--verifier", "sympy", "--input", path, "--output", tmp_path / "out.jsonl")
    assert sympy["labels"] is None


def test_rows_with_unreadable_references_are_verified_and_counted(rows: Path, tmp_path: Path) -> None:
    (sympy, exact) = summary(
        "--verifier", "sympy", "--verifier", "exact", "--input", rows, "--output", tmp_path / "out.jsonl"
    )
    assert (sympy["unreadable_references"]["count"], sympy["unreadable_references"]["problems"]) == (2, 5)
    assert [first["id"] for first in sympy["unreadable_references"]["first"]] == ["r3", "r4"]
    assert exact["unreadable_references"] is None


def test_rows_of_one_problem_may_have_two_references(tmp_path: Path) -> None:
    path = write(tmp_path, [{**row, "problem_id": "p"} for row in ROWS])
    (sympy,) = summary("--verifier", "sympy", "--input", path, "--output", tmp_path / "out.jsonl")
    assert (sympy["unreadable_references"]["count"], sympy["unreadable_references"]["problems"]) == (1, 2)


def test_the_rows_are_the_same_with_and_without_a_summary(rows: Path, tmp_path: Path) -> None:
    command = ("verify", "--verifier", "accept_all", "--input", rows)
    shown, quiet = restem(*command), restem(*command, "--quiet")
    assert shown.stdout == quiet.stdout
    assert len(shown.stdout.splitlines()) == len(ROWS)
    assert "accept_all" in shown.stderr
    assert quiet.stderr == ""
    assert restem(*command, "--output", tmp_path / "out.jsonl").stdout == ""
    assert (tmp_path / "out.jsonl").read_text() == shown.stdout


def test_a_json_summary_beside_rows_on_stdout_is_the_last_line_of_stderr(rows: Path) -> None:
    result = restem("verify", "--verifier", "accept_all", "--input", rows, "--json", "--quiet")
    assert len(result.stdout.splitlines()) == len(ROWS)
    assert json.loads(result.stderr.splitlines()[-1])["verifiers"][0]["correct"] == len(ROWS)


def test_a_file_without_rows_is_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    result = restem("verify", "--verifier", "sympy", "--input", path, "--output", tmp_path / "out.jsonl", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "rows.jsonl: no rows in it" in result.output
    assert not (tmp_path / "out.jsonl").exists()


# -- On a run ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


def test_a_runs_verdicts_are_compared_with_its_gold(run: Path) -> None:
    (reject, exact, gold) = summary(
        run, "--verifier", "reject_all", "--verifier", "exact", "--verifier", "sympy", "--split", "test"
    )
    with Store(run) as store:
        known = store.run()["verifiers"]
        groups = store.sampled_splits("test")
        outcomes = [v.reward for group in groups for v in store.verdicts(*group, known["sympy"]).values()]
    right, wrong = outcomes.count(1), outcomes.count(0)
    assert (gold["correct"], gold["wrong"], gold["labels"]) == (right, wrong, None)
    labels = reject["labels"]
    assert (labels["against"], labels["right"], labels["wrong"]) == ("sympy", right, wrong)
    assert (labels["tpr"][0], labels["fpr"][0]) == (0.0, 0.0)
    assert exact["labels"]["wrong_accepted"] == 0
    assert gold["unreadable_references"] is None


def test_the_text_of_a_run_keeps_its_counts_on_stdout(run: Path) -> None:
    result = restem("verify", run, "--verifier", "reject_all")
    assert result.stdout.splitlines() == [line for line in result.stdout.splitlines() if "new verdicts" in line]
    assert "reject_all" in result.stderr
    assert restem("verify", run, "--verifier", "reject_all", "--quiet").stderr == ""
