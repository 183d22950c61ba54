"""Reports of imported rollouts: what is shown is what the rows hold, and nothing is said that they do not show."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, TRAIN, confusion
from restem.reports.analysis.imported import Imported, imported
from restem.reports.analysis.not_known import Limit, not_known
from restem.reports.analysis.reward_traces import Onset, Trace, moved_since
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.stats import estimates, reward_quality
from tests.conftest import restem
from tests.imported_rows import EXAMPLE, dumped, hacked, import_rows, without, write_rows

ARM, OTHER = "t90_f10", "t60_f10"
HOSTILE = "\x1b[31m\u202e<script>alert(1)</script>|`$x$`{{7*7}}%s~1"


def run_of(folder: Path) -> Run:
    with Store(folder) as store:
        return read_run(store)


def found_in(folder: Path) -> Imported:
    return imported(run_of(folder))


def trace(found: Imported, verifier: str, split: str) -> Trace:
    return next(t for t in found.traces if (t.verifier, t.course.split) == (verifier, split))


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's samples as a trainer would have dumped them, its verdicts as two rewards."""
    folder = tmp_path_factory.mktemp("drifting")
    run = import_rows(dumped(ARM, [ARM, OTHER]), folder, {ARM: ARM, OTHER: OTHER})
    assert restem("verify", run, "--verifier", "sympy", "--verifier", "exact", "--quiet").exit_code == 0
    return run


@pytest.fixture(scope="module")
def hacking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = import_rows(hacked(), tmp_path_factory.mktemp("hacking"), {"reward": "reward"})
    assert restem("verify", run, "--verifier", "sympy", "--quiet").exit_code == 0
    return run


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No references, no gold; three rewards."""
    rows = without([row for row in dumped(ARM, [ARM, OTHER, "t90_f30"]) if row["step"] == 0], "gts")
    return import_rows(rows, tmp_path_factory.mktemp("bare"), {name: name for name in (ARM, OTHER, "t90_f30")})


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No references, and a label on every 21st row."""
    rows = hacked()
    for number, row in enumerate(rows):
        if number % 21 == 0:
            row["label"] = row["k"] < 2
    return import_rows(
        without(rows, "gts"), tmp_path_factory.mktemp("labelled"), {"reward": "reward"}, "--map", "label=label"
    )


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step, one sample a problem."""
    rows = [row for row in hacked() if row["step"] == 0 and row["k"] == row["step"] % 4]
    run = import_rows(rows, tmp_path_factory.mktemp("single"), {"reward": "reward"})
    assert restem("verify", run, "--verifier", "sympy", "--quiet").exit_code == 0
    return run


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers from -1 to 10, correct from 5 on."""
    rows = [{**row, "reward": 11 * row["reward"] - 1} for row in hacked()]
    run = import_rows(rows, tmp_path_factory.mktemp("graded"), {"reward": "reward"}, "--threshold", "reward=5")
    assert restem("verify", run, "--verifier", "sympy", "--quiet").exit_code == 0
    return run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text that a terminal, a page or a template might obey, in every field that takes text."""
    rows = [
        {
            **row,
            "input": row["input"] + HOSTILE,
            "output": row["output"] + HOSTILE,
            "model": HOSTILE,
            HOSTILE: row["reward"],
        }
        for row in hacked(steps=4, problems=12)
    ]
    rows[0]["output"] = None
    return import_rows(
        without(rows, "reward"),
        tmp_path_factory.mktemp("hostile"),
        {HOSTILE.replace(",", ""): HOSTILE},
        "--map",
        "series=model",
    )


KINDS = ("drifting", "hacking", "bare", "labelled", "single", "graded", "hostile")


@pytest.fixture(params=KINDS)
def any_run(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("split", [TEST, TRAIN])
def test_rates_at_a_step_are_those_of_the_run_that_the_rows_come_from(drifting: Path, split: str) -> None:
    original, there = run_of(EXAMPLE), trace(found_in(drifting), f"recorded:{ARM}", split)
    for point, checkpoint in zip(there.points, ("base", f"{ARM}/1", f"{ARM}/2"), strict=False):
        table = confusion(original, original.rows(checkpoint, split), split, ARM)
        expected = reward_quality.reward_quality(table[table.any(axis=1)])
        assert (point.quality.tpr, point.quality.fpr) == (expected.tpr, expected.fpr)
        gold = original.outcome("sympy", original.rows(checkpoint, split))
        assert point.accuracy.value == pytest.approx(np.nanmean(gold))


def test_the_gap_moves_as_in_the_run_that_the_rows_come_from(drifting: Path) -> None:
    there = trace(found_in(drifting), f"recorded:{ARM}", TEST)
    original = run_of(EXAMPLE)
    shares = []
    for checkpoint in ("base", f"{ARM}/2"):
        table = confusion(original, original.rows(checkpoint, TEST), TEST, ARM).sum(axis=0)
        shares.append((table[0] + table[1] - table[0] - table[2]) / table.sum())
    moved = there.moved[-1]
    assert moved.reward.value - moved.accuracy.value == pytest.approx(shares[1] - shares[0])


def test_a_plan_from_the_first_step_predicts_what_the_plan_of_the_base_did(drifting: Path, tmp_path: Path) -> None:
    result = restem("report", drifting, "--plan", "--checkpoint", "policy/0", "--output", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    made = {p["verifier"]: p["iterations"][0] for p in json.loads(result.stdout)["prospects"]}
    before = json.loads((EXAMPLE / "plan.json").read_text())
    for prospect in before["prospects"]:
        if prospect["verifier"] in (ARM, OTHER, "sympy"):
            here = made.get(prospect["verifier"]) or made[f"recorded:{prospect['verifier']}"]
            assert here["kept_precision"][0] == pytest.approx(prospect["iterations"][0]["kept_precision"][0])
            assert here["gain"][0] == pytest.approx(prospect["iterations"][0]["gain"][0])


def test_a_plan_takes_the_last_step_with_two_samples_of_a_problem(drifting: Path) -> None:
    result = restem("report", drifting, "--plan", "--json")
    assert json.loads(result.stdout)["step"] == "policy/1, train"


def test_hacking_is_found_at_the_step_at_which_it_began(hacking: Path) -> None:
    there = trace(found_in(hacking), "recorded:reward", TRAIN)
    assert there.at is not None
    assert (there.onset, there.points[there.at].first, there.lasts) == (Onset.HACKED, 3, True)


def test_a_reward_that_follows_the_gold_is_not_called_hacked(tmp_path: Path) -> None:
    rows = [{**row, "reward": float(row["k"] < 2)} for row in hacked()]
    run = import_rows(rows, tmp_path, {"reward": "reward"})
    restem("verify", run, "--verifier", "sympy", "--quiet")
    assert trace(found_in(run), "recorded:reward", TRAIN).onset is Onset.NONE


def test_chance_is_seldom_called_hacking() -> None:
    """Rewards with fixed error rates over ten steps, 200 times: one in forty would be one-sided chance at each."""
    random, shown = np.random.default_rng(0), 0
    for _ in range(200):
        right = random.random((10, 40, 4)) < random.beta(2, 2, (1, 40, 1))
        accepted = np.where(right, random.random(right.shape) < 0.9, random.random(right.shape) < 0.2)
        tables = [
            reward_quality.confusion(a.ravel() * 1.0, r.ravel() * 1.0, np.repeat(np.arange(40), 4), 40)
            for a, r in zip(accepted, right, strict=True)
        ]
        moved, _ = moved_since(tables)
        shown += any(m.grown for m in moved)
    assert shown <= 10


def test_a_reward_that_decided_at_one_step_alone_is_not_compared_with_itself(drifting: Path) -> None:
    there = trace(found_in(drifting), f"recorded:{OTHER}", TRAIN)
    assert (there.onset, there.ends[0].first, there.ends[1].first) == (Onset.ONE_POINT, 0, 0)


def test_the_reward_that_others_are_compared_with_is_the_one_that_decided_most(drifting: Path) -> None:
    assert found_in(drifting).reward == f"recorded:{ARM}"


def test_a_graded_reward_keeps_its_unit_and_its_threshold(graded: Path, hacking: Path) -> None:
    there, plain = (trace(found_in(run), "recorded:reward", TRAIN) for run in (graded, hacking))
    assert [p.reward.value for p in there.points] == [p.reward.value for p in plain.points]
    assert [p.raw.value for p in there.points] == pytest.approx([11 * p.reward.value - 1 for p in plain.points])
    assert all(math.isnan(p.raw.value) for p in plain.points)


def test_without_a_gold_nothing_is_said_of_accuracy(bare: Path) -> None:
    found = found_in(bare)
    assert {limit.code for limit in not_known(found)} >= {Limit.NO_GOLD, Limit.NO_REFERENCES, Limit.ONE_STEP}
    assert all(math.isnan(point.accuracy.value) for t in found.traces for point in t.points)
    page = (report(bare) / "report.md").read_text()
    assert "TPR by gold" not in page
    assert "Dawid-Skene" in page


def test_without_a_gold_labels_are_counted(bare: Path) -> None:
    needed = json.loads(restem("show", bare, "--json").stdout)["labels"]
    assert [item["half_width"] for item in needed["needed"]] == [0.1, 0.05]
    assert needed["needed"][0]["labels"] < needed["needed"][1]["labels"] < needed["responses"]


def test_a_column_of_labels_is_the_gold(labelled: Path) -> None:
    found = found_in(labelled)
    assert found.gold == "label"
    partial = next(limit for limit in not_known(found) if limit.code is Limit.GOLD_PARTIAL)
    assert partial.count == math.ceil(partial.whole / 21)


def test_one_step_with_one_sample_a_problem_says_what_is_missing(single: Path) -> None:
    assert {limit.code for limit in not_known(found_in(single))} >= {Limit.ONE_STEP, Limit.ONE_SAMPLE}
    result = restem("report", single, "--plan")
    assert result.exit_code == 2
    assert "two samples" in result.output


def test_several_models_at_one_step_are_rated_together_and_told_apart_in_the_table(tmp_path: Path) -> None:
    rows = [{**row, "model": f"m{row['step']}", "step": 0} for row in hacked()]
    run = import_rows(rows, tmp_path, {"reward": "reward"}, "--map", "series=model")
    restem("verify", run, "--verifier", "sympy", "--quiet")
    found = found_in(run)
    assert [t.course.series for t in found.traces] == [f"m{step}" for step in range(6)]
    ((_, rates),) = found.overall
    fooled = sum(row["reward"] for row in hacked() if row["k"] > 1) / sum(row["k"] > 1 for row in hacked())
    assert rates.fpr.value == pytest.approx(fooled)
    assert {t.onset for t in found.traces} == {Onset.ONE_POINT}


def test_what_another_verifier_would_have_kept_is_counted_on_the_same_samples(hacking: Path) -> None:
    kept = {item.verifier: item for item in found_in(hacking).kept}
    reward, gold = kept["recorded:reward"], len([row for row in hacked() if row["k"] < 2])
    assert reward.accepted == len([row for row in hacked() if row["reward"]])
    assert reward.precision.value == pytest.approx(gold / reward.accepted)


def report(run: Path) -> Path:
    result = restem("report", run)
    assert result.exit_code == 0, result.output
    return run


@pytest.mark.parametrize(
    "command",
    [
        lambda run, out: ("report", run, "--output", out),
        lambda run, _: ("show", run),
        lambda run, _: ("show", run, "--json"),
        lambda run, out: ("label", run, "--count", "40", "--out", out / "labels.jsonl"),
        lambda run, _: ("verify", run, "--verifier", "exact", "--verifier", "majority"),
    ],
    ids=["report", "show", "show --json", "label", "verify"],
)
def test_commands_read_every_imported_run(
    any_run: Path, command: Callable[..., tuple[object, ...]], tmp_path: Path
) -> None:
    result = restem(*command(any_run, tmp_path))
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output
    assert not set("\x1b\u202e") & set(result.output)


def test_no_table_of_a_report_is_empty_and_no_sentence_is_of_our_training(any_run: Path) -> None:
    page = (report(any_run) / "report.md").read_text()
    assert not re.search(r"\|[:|-]+\|\n\n", page)
    told = page.split("## Provenance")[0].lower()
    assert re.findall(r"the base\b|test samples|iteration|seeds|\barms?\b|\bnan\b|\binf\b|\bnone\b", told) == []
    html = (any_run / "report.html").read_text()
    assert "<script>alert" not in html


def test_runs_are_compared_step_by_step_on_the_problems_of_both(hacking: Path, tmp_path: Path) -> None:
    rows = [row for row in hacked(problems=70) if not row["input"].startswith("Solve x = 1 ")]
    other = import_rows(rows, tmp_path, {"reward": "reward"})
    restem("verify", other, "--verifier", "sympy", "--quiet")
    result = restem("compare", hacking, other, "--json", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    compared = json.loads(result.stdout)
    assert [pair["left"] for pair in compared["comparisons"]] == [f"policy/{step}" for step in range(6)]
    assert {(note["left"], note["right"]) for note in compared["notes"] if note["code"] == "other_problems"} == {
        (1, 10)
    }
    assert compared["rerun"] is None


def test_disagreements_become_golden_rows_that_ask_no_recorded_reward(hacking: Path) -> None:
    result = restem("gate", "--from-run", hacking, "--verifier", "sympy", "--verifier", "recorded:reward")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows
    assert all(row["label"] == "wrong" and row["outcomes"] == {"sympy": "wrong"} for row in rows)


def test_marks_on_an_import_become_verdicts(hacking: Path, tmp_path: Path) -> None:
    db = sqlite3.connect(hacking / "run.db")
    sample, problem, question, text = db.execute(
        "SELECT s.id, p.id, p.question, s.text FROM sample s JOIN problem p ON p.id = s.problem LIMIT 1"
    ).fetchone()
    db.close()
    mark = {"id": "m", "problem_id": problem, "question": question, "response": text, "label": "correct"}
    file = write_rows([{**mark, "sample": str(sample), "verifier": "human:ada", "mark": "right"}], tmp_path / "m.jsonl")
    result = restem("verify", hacking, "--import", file)
    assert result.exit_code == 0, result.output
    assert "human:ada: 1 new verdicts" in result.output


def test_an_audit_is_import_verify_and_report_and_adds_nothing_twice(tmp_path: Path) -> None:
    file, run = write_rows(hacked(problems=20), tmp_path / "rows.jsonl"), tmp_path / "run"
    command = (
        "audit",
        file,
        "--out",
        run,
        "--map",
        "question=input,reference=gts,response=output,index=k,reward.reward=reward",
    )
    first = restem(*command, "--json")
    assert first.exit_code == 0, first.output
    page = json.loads(first.stdout)
    assert page["gold"] == "sympy"
    assert {item["verifier"] for item in page["kept"]} == {"recorded:reward", "exact", "majority", "format_only"}
    assert (run / "report.html").is_file()
    before = run_of(run)
    again = restem(*command)
    assert again.exit_code == 0, again.output
    assert "Reward hacking" in again.output
    assert len(run_of(run).samples.id) == len(before.samples.id)


def test_resamples_of_groups_spread_as_those_of_problems() -> None:
    values = np.random.default_rng(1).integers(0, 5, 9000)
    draws = estimates.resampled(values)
    assert draws.std() == pytest.approx(values.std() * math.sqrt(len(values)), rel=0.1)
