"""`restem label`: responses drawn into a file, labels read back, and files that were changed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis import labels
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import restem
from tests.test_reports_analysis_plan import base_run

CANDIDATES = ("--verifier", "strict", "--verifier", "loose")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_run(tmp_path_factory.mktemp("label"), 60)


@pytest.fixture(scope="module")
def rows(trial: Path) -> Run:
    with Store(trial) as store:
        return read_run(store)


@pytest.fixture
def file(trial: Path, tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    assert restem("label", trial, *CANDIDATES, "--count", 60, "--out", path).exit_code == 0
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def truth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the labels of `base_run`, whose texts hold whether they are right."""
    return [row | {"label": row["response"].endswith("True")} for row in rows]


def answer(trial: Path, *files: Path, by: str | None = None) -> dict[str, Any]:
    arguments = [part for path in files for part in ("--from", path)] + (["--by", by] if by else [])
    result = restem("label", trial, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_rows_hold_what_a_person_needs_and_an_empty_label(file: Path) -> None:
    rows = read(file)
    assert len(rows) == 60
    for row in rows:
        assert row["label"] == ""
        assert row["question"]
        assert row["response"]
        assert set(row["verdicts"]) == {"strict", "loose"}
        assert 0 < row["inclusion"] <= 1


def test_labels_give_rates_whose_intervals_hold_those_of_all_responses(trial: Path, file: Path, rows: Run) -> None:
    data = answer(trial, write(file, truth(read(file))))
    at = rows.rows("base", "train")
    gold = np.array([verdict == 1 for verdict in rows.outcome("gold", at)])
    assert data["count"] == 60
    for verifier in data["verifiers"]:
        outcomes = rows.outcome(verifier["verifier"], at)
        for name, value in (("tpr", outcomes[gold].mean()), ("fpr", outcomes[~gold].mean())):
            _, low, high = verifier[name]
            assert low <= value <= high


@pytest.mark.parametrize(
    ("right", "wrong"), [(True, False), (1, 0), ("correct", "wrong"), ("true", "false"), (" Right ", "0")]
)
def test_a_label_may_be_written_in_several_ways(trial: Path, file: Path, right: object, wrong: object) -> None:
    expected = answer(trial, write(file, truth(read(file))))
    other = [row | {"label": right if row["label"] else wrong} for row in read(file)]
    assert answer(trial, write(file, other)) == expected


def test_a_null_is_a_response_that_the_person_could_not_tell(trial: Path, file: Path) -> None:
    rows = truth(read(file))
    data = answer(trial, write(file, [rows[0] | {"label": None}, *rows[1:]]))
    assert (data["count"], data["unclear"]) == (60, 1)


def test_a_file_that_is_filled_from_the_top_on_is_a_smaller_sample(trial: Path, file: Path, tmp_path: Path) -> None:
    rows = truth(read(file))
    half = answer(trial, write(file, [*rows[:40], *(row | {"label": ""} for row in rows[40:])]))
    assert (half["rows"], half["count"], half["skipped"]) == (60, 40, 0)
    smaller = tmp_path / "smaller.jsonl"
    restem("label", trial, *CANDIDATES, "--count", 40, "--out", smaller)
    alone = answer(trial, write(smaller, truth(read(smaller))))
    assert half["verifiers"] == alone["verifiers"]


def test_rows_left_out_in_the_middle_are_counted(trial: Path, file: Path) -> None:
    rows = truth(read(file))
    assert answer(trial, write(file, [*rows[:10], rows[10] | {"label": ""}, *rows[11:]]))["skipped"] == 1
    assert answer(trial, write(file, [*rows[:10], *rows[11:]]))["skipped"] == 1


def test_a_second_batch_goes_on_where_the_first_ended(trial: Path, file: Path, tmp_path: Path) -> None:
    more, both = tmp_path / "more.jsonl", tmp_path / "both.jsonl"
    assert restem("label", trial, "--from", file, "--count", 30, "--out", more).exit_code == 0
    assert restem("label", trial, *CANDIDATES, "--count", 90, "--out", both).exit_code == 0
    assert [row["id"] for row in read(file) + read(more)] == [row["id"] for row in read(both)]
    parts = [write(path, truth(read(path))) for path in (file, more, both)]
    assert answer(trial, *parts[:2]) == answer(trial, parts[2])


def test_another_seed_draws_other_responses(trial: Path, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    restem("label", trial, *CANDIDATES, "--count", 60, "--seed", 1, "--out", other)
    assert len({row["id"] for row in read(file)} & {row["id"] for row in read(other)}) < 30


def test_labels_may_come_from_a_verifier_of_the_run(trial: Path, file: Path) -> None:
    data = answer(trial, file, by="gold")
    assert (data["count"], data["from_run"]) == (60, 60)
    expected = answer(trial, write(file, truth(read(file))))
    assert data | {"from_run": 0} == expected


def test_a_persons_marks_in_the_run_are_labels(trial: Path, tmp_path: Path) -> None:
    folder, path = base_run(tmp_path / "marked", 40), tmp_path / "rows.jsonl"
    restem("label", folder, *CANDIDATES, "--count", 30, "--out", path)
    marked = {int(row["id"]): row["response"].endswith("True") for row in read(path)[:25]}
    contradicted = next(iter(marked))
    with Store(folder, write=True) as store:
        for name in ("human:ada", "human:kim"):
            store.add_verifier(name, name, {})
            store.set_run("verifiers", {**store.run()["verifiers"], name: name})
        for name, samples in (("human:ada", marked), ("human:kim", {contradicted: not marked[contradicted]})):
            store.add_verdicts(
                name,
                [
                    (sample, Verdict(outcome=Outcome.CORRECT if right else Outcome.WRONG, score=float(right)))
                    for sample, right in samples.items()
                ],
            )
    assert answer(folder, path)["from_run"] == 24


def changed(rows: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    return [*rows[:2], rows[2] | fields, *rows[3:]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inclusion": 0.5}, "rows.jsonl:3: inclusion: expected 0."),
        ({"id": "12"}, "rows.jsonl:3: id: expected a response of this run"),
        ({"label": "maybe"}, "rows.jsonl:3: label: expected true, false"),
        ({"label": 0.5}, "rows.jsonl:3: label: expected true, false"),
        ({"label": 2}, "rows.jsonl:3: label: expected true, false"),
        ({"place": 4}, "rows.jsonl:3: place: expected 3"),
        ({"drawn": 1}, "rows.jsonl:3: drawn: expected a whole number from 3 to"),
        ({"stratum": 9}, "rows.jsonl:3: stratum: expected"),
        ({"seed": 5}, "rows.jsonl:3: seed: expected 0"),
        ({"verdicts": {"strict": "correct"}}, "rows.jsonl:3: verdicts: expected {'strict'"),
    ],
)
def test_a_changed_row_is_refused_by_its_line(trial: Path, file: Path, fields: dict[str, Any], message: str) -> None:
    result = restem("label", trial, "--from", write(file, changed(truth(read(file)), **fields)))
    assert result.exit_code == 2
    assert message in result.output


def test_a_row_that_stands_twice_is_refused_by_both_lines(trial: Path, file: Path) -> None:
    rows = truth(read(file))
    result = restem("label", trial, "--from", write(file, [*rows, rows[4]]))
    assert result.exit_code == 2
    assert "rows.jsonl:61: id: " in result.output
    assert "stands in rows.jsonl:5 already" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --count and --out"),
        (("--count", 5), "give --count and --out"),
        (("--verifier", "strikt", "--count", 60, "--out", "new.jsonl"), "did you mean 'strict'"),
        (("--checkpoint", "nowhere", "--count", 60, "--out", "new.jsonl"), "no samples of checkpoint nowhere"),
        (("--count", 3, "--out", "new.jsonl"), "2 of each of"),
        (("--count", 60, "--out", "nowhere/new.jsonl"), "there is no folder"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    trial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = restem("label", trial, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "new.jsonl").exists()


def test_a_file_of_labels_is_never_written_over(trial: Path, file: Path) -> None:
    before = file.read_text()
    assert restem("label", trial, "--count", 60, "--out", file).exit_code == 2
    assert file.read_text() == before


def test_too_few_labels_say_how_many_are_needed(trial: Path, file: Path) -> None:
    result = restem("label", trial, "--from", file)
    assert result.exit_code == 2
    assert "8 more are needed" in result.output


def test_the_options_of_a_second_batch_may_not_contradict_the_first(trial: Path, file: Path, tmp_path: Path) -> None:
    result = restem("label", trial, "--from", file, "--seed", 7, "--count", 9, "--out", tmp_path / "more.jsonl")
    assert result.exit_code == 2
    assert "--seed: found 7, the earlier batch has 0" in result.output


def test_controls_and_the_gold_are_no_candidates_unless_they_are_named(rows: Run) -> None:
    assert labels.population(rows).verifiers == ("strict", "loose")
    assert labels.population(rows, ("gold", "strict")).verifiers == ("gold", "strict")


def test_verifiers_that_differ_much_take_few_labels_to_tell_apart(rows: Run) -> None:
    def needed(*names: str) -> int:
        responses = labels.population(rows, names)
        gold = rows.outcome("gold", responses.rows[responses.order])
        return labels.labelled(responses, dict(enumerate(gold.tolist()))).contests[0].needed

    assert 8 <= needed("strict", "blind") < 150
    assert needed("strict", "blind") < needed("strict", "loose") <= len(rows.rows("base", "train"))


def test_all_labels_settle_every_contest(rows: Run) -> None:
    responses = labels.population(rows, ("strict", "loose", "blind"))
    gold = rows.outcome("gold", responses.rows[responses.order])
    result = labels.labelled(responses, dict(enumerate(gold.tolist())))
    assert labels.Settled.OPEN not in [contest.settled for contest in result.contests]
    best = max(result.rates, key=lambda named: named[1].youden.value)[0]
    assert {contest.better for contest in result.contests} == {best}
    assert not any(math.isnan(rates.tpr.value) for _, rates in result.rates)
