"""Transfer: what a run shows of further test sets, with its intervals, on the page, on the screen and as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from restem.benchmarks.problem import Problem
from restem.harness.names import replicate
from restem.harness.store.records import Sample
from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, Findings, find
from restem.reports.analysis.ranking import claims
from restem.reports.analysis.transfer import Transfer, transfers
from restem.reports.data.read import read_run
from restem.reports.pages.report import write_report
from restem.reports.pages.terminal import standings, summary
from restem.reports.tables.transfer import transfer
from restem.verifiers.verdict import Outcome, Verdict
from tests.edited import edited
from tests.test_reports_pages_report import Size, build_run

HARDER = "test:harder"
PROBLEMS, SAMPLES = 10, 3
SIZE = Size(iterations=1, seeds=3, arms=("sympy", "judge"))
DECODING = {"temperature": 1.0, "top_k": None, "top_p": 0.95, "greedy": False}


def with_further_set(folder: Path, size: Size = SIZE, **sampling: object) -> Path:
    """A synthetic run with a second test set, on which every checkpoint is right at a rate of its own."""
    build_run(folder, size)
    random = np.random.default_rng(5)
    problems = [
        Problem(id=f"h/{n}", question=f"{n}?", reference=str(n), split=HARDER, source="test") for n in range(PROBLEMS)
    ]
    with Store(folder, write=True) as store:
        suite = store.run()["suite"]
        suite["tests"] = {"harder": {"name": "linear_1d", "regime": "interpolate", "test": PROBLEMS}}
        suite["sampling"] |= sampling
        store.set_run("suite", suite)
        gold, judge = (store.run()["verifiers"][name] for name in ("sympy", "judge"))
        store.add_problems(problems)
        trained = [f"{replicate(arm, seed)}/{i}" for arm in size.arms for seed in range(size.seeds)
                   for i in range(1, size.iterations + 1)]  # fmt: skip
        for checkpoint in ("base", *trained):
            rate = random.uniform(0.2, 0.8)
            samples = [
                Sample(checkpoint=checkpoint, problem=problem.id, index=k, text=f"{checkpoint} {k}", token_count=3,
                       mean_logprob=-0.1, finish_reason="stop")
                for problem in problems for k in range(SAMPLES)
            ]  # fmt: skip
            store.add_samples(samples)
            right = [random.random() < rate for _ in samples]
            store.add_verdicts(gold, _verdicts(samples, right))
            if checkpoint.startswith("judge"):
                store.add_verdicts(judge, _verdicts(samples, [True] * len(samples)))
    return folder


def _verdicts(samples: list[Sample], right: list[bool]) -> list[tuple[int, Verdict]]:
    outcomes = [Outcome.CORRECT if each else Outcome.WRONG for each in right]
    return [
        (sample.id, Verdict(outcome=outcome, score=float(outcome is Outcome.CORRECT)))
        for sample, outcome in zip(samples, outcomes, strict=True)
    ]


def read(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_further_set(tmp_path_factory.mktemp("transfer") / "run", test=DECODING)


@pytest.fixture(scope="module")
def findings(folder: Path) -> Findings:
    return read(folder)


def on(findings: Findings, split: str, arm: str) -> Transfer:
    return next(t for t in transfers(findings) if t.split == split and t.last.arm and t.last.arm.name == arm)


def test_every_arm_stands_on_every_set_and_on_the_suites_own(findings: Findings) -> None:
    rows = [(row["set"].text, row["arm"].text) for row in transfer(findings).rows]
    assert rows == [("test", "sympy"), ("test", "judge"), ("harder", "sympy"), ("harder", "judge")]


def test_accuracies_are_those_of_the_rows(findings: Findings, folder: Path) -> None:
    with Store(folder) as store:
        shares = dict(
            store.query(
                "SELECT s.checkpoint, avg(v.outcome = 'correct') FROM verdict v JOIN sample s ON s.id = v.sample"
                " JOIN problem p ON p.id = s.problem WHERE p.split = ? AND v.verifier LIKE 'sympy%' GROUP BY 1",
                (HARDER,),
            )
        )
    seeds = np.mean([shares[f"{replicate('judge', seed)}/1"] for seed in range(3)])
    judge = on(findings, HARDER, "judge")
    assert judge.base.accuracy.value == pytest.approx(shares["base"])
    assert judge.last.accuracy.value == pytest.approx(seeds)
    assert judge.gain
    assert judge.gain.claim.value == pytest.approx(seeds - shares["base"])


def test_on_the_suites_own_set_the_gain_is_that_of_the_verdict(findings: Findings) -> None:
    for arm in ("sympy", "judge"):
        gain = on(findings, TEST, arm).gain
        assert gain
        assert gain.claim == claims(findings)[arm, 1]


def test_seeds_widen_the_interval_of_a_gain(findings: Findings) -> None:
    gain = on(findings, HARDER, "judge").gain
    assert gain
    assert gain.seeds == 3
    assert gain.claim.high - gain.claim.low > gain.difference.high - gain.difference.low


def test_the_gap_is_shown_where_the_training_verifier_judged_the_set(findings: Findings) -> None:
    judge = on(findings, HARDER, "judge")
    assert judge.last.gap
    assert judge.last.gap.value == pytest.approx(1 - judge.last.accuracy.value)
    assert on(findings, HARDER, "sympy").last.gap is None


def test_the_test_sets_own_findings_leave_those_of_the_test_split_alone(findings: Findings, folder: Path) -> None:
    alone = build_run(folder.parent / "alone", SIZE)
    ours, theirs = findings.standings, read(alone).standings
    assert ours.keys() == theirs.keys()
    for place, standing in ours.items():
        assert (standing.accuracy, standing.gain, standing.passed) == (
            theirs[place].accuracy,
            theirs[place].gain,
            theirs[place].passed,
        )


def test_the_page_has_the_table_what_the_sets_are_and_how_test_samples_were_drawn(folder: Path, tmp_path: Path) -> None:
    write_report(folder, tmp_path, figures=False)
    text = (tmp_path / "report.md").read_text()
    drawn = "Test samples are drawn with temperature 1.0, top_p 0.95; training samples are drawn with temperature 0.7"
    assert "Transfer" in text
    assert "harder of linear_1d (interpolate)" in text
    assert text.count(drawn) >= 3  # among the first sentences, below Table 1 and below Transfer
    assert (tmp_path / "report.html").read_text().count(drawn) >= 3
    assert drawn in " ".join(summary(folder).split())
    assert "So their accuracies differ for that reason too." in text


def test_the_json_has_the_sets_and_the_decoding(folder: Path, findings: Findings) -> None:
    shown = json.loads(json.dumps(standings(folder)))
    assert [(row["split"], row["arm"]) for row in shown["transfer"]] == [
        (TEST, "sympy"),
        (TEST, "judge"),
        (HARDER, "sympy"),
        (HARDER, "judge"),
    ]
    gain = on(findings, HARDER, "judge").gain
    assert gain
    assert shown["transfer"][3]["gain"]["difference"][0] == pytest.approx(gain.claim.value, abs=1e-6)
    assert (shown["test_decoding"]["temperature"], shown["test_decoding"]["top_p"]) == (1.0, 0.95)


def test_a_run_without_further_sets_has_no_such_table_and_no_such_sentence(tmp_path: Path) -> None:
    build_run(tmp_path, SIZE)
    write_report(tmp_path, figures=False)
    assert "Transfer" not in (tmp_path / "report.md").read_text()
    assert "training samples are drawn with" not in (tmp_path / "report.md").read_text()
    assert standings(tmp_path)["transfer"] == []


def test_greedy_test_samples_are_named(tmp_path: Path) -> None:
    greedy = {"temperature": None, "top_k": None, "top_p": None, "greedy": True}
    write_report(with_further_set(tmp_path / "run", test=greedy), tmp_path, figures=False)
    assert "Test samples are greedy: the likeliest token at each step" in (tmp_path / "report.md").read_text()


def test_an_arm_stands_where_it_is_while_a_run_is_unfinished(tmp_path: Path) -> None:
    folder = with_further_set(tmp_path / "run", dataclasses.replace(SIZE, seeds=1))
    with edited(folder) as db:
        db.execute("DELETE FROM verdict WHERE sample IN (SELECT id FROM sample WHERE checkpoint = 'judge/1')")
        db.execute("DELETE FROM sample WHERE checkpoint = 'judge/1'")
    assert {t.last.arm.name for t in transfers(read(folder)) if t.last.arm} == {"sympy"}
    write_report(folder, tmp_path / "page", figures=False)
