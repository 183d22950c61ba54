"""Contests of arms and verifiers side by side, from a synthetic run.db: what the report's tables are made from."""

import dataclasses
import math
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis import agreement_between_verifiers as between
from restem.reports.analysis.contest import ContestResult, contest_of
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.ranking import Ranking, rank
from restem.reports.data.read import read_run
from restem.reports.pages.report import write_report
from restem.reports.tables import arms
from restem.verifiers.verdict import Outcome, Verdict
from tests.test_reports_pages_report import TPR_FPR, Size, build_run

EXAMPLE = Path(__file__).parents[1] / "reports" / "examples" / "dose_response"


def findings_of(folder: Path) -> tuple[Findings, Ranking]:
    with Store(folder) as store:
        findings = find(read_run(store))
    return findings, rank(findings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with five verifiers beside the gold and the control, so that Dawid and Skene's model can be tested."""
    with pytest.MonkeyPatch.context() as patch:
        for name, rates in (("exact", (0.85, 0.02)), ("vote", (0.97, 0.2)), ("substitution", (0.95, 0.05))):
            patch.setitem(TPR_FPR, name, rates)
        return build_run(tmp_path_factory.mktemp("raters"), Size(problems=80, gold_undecided=0.1))


@pytest.fixture(scope="module")
def findings(folder: Path) -> Findings:
    return findings_of(folder)[0]


def test_each_arm_meets_the_base_and_a_candidate_its_ceiling_and_its_floor(findings: Findings) -> None:
    ranking = rank(findings)
    assert {c.left for c in ranking.gains} == {"sympy", "judge", "accept_all"}
    assert {c.right for c in ranking.gains} == {"base"}
    assert [(c.left, c.right) for c in ranking.contests] == [("judge", "accept_all"), ("sympy", "judge")]
    floor = ranking.contests[0]
    assert floor.p_value == pytest.approx(floor.claim.p_value / 2)  # one-sided, and the judge is ahead
    for contest in (*ranking.gains, *ranking.contests):
        assert contest.p_value <= contest.adjusted_p <= 1
        assert contest.flips.gained + contest.flips.lost <= 80
    assert ranking.overall.freedom == 3
    assert ranking.overall.p_value < 0.001


def test_one_sample_a_problem_of_what_was_not_trained_is_tested_by_mcnemar(tmp_path: Path) -> None:
    findings, _ = findings_of(build_run(tmp_path, Size(problems=60, test_samples=1)))
    judge, base = findings.standings["judge", 2], findings.standings["", 0]
    contest = contest_of(dataclasses.replace(judge, kind="base"), base)
    assert contest is not None
    assert contest.p_value == contest.flips.p_value
    assert contest.claim == contest.difference
    trained = contest_of(judge, base)
    assert trained is not None
    assert trained.p_value == trained.claim.p_value != trained.flips.p_value


def test_a_contests_code_is_what_its_tests_show(tmp_path: Path) -> None:
    _, ranking = findings_of(build_run(tmp_path, Size(problems=150, test_samples=6, iterations=1)))
    for contest in (*ranking.gains, *ranking.contests):
        difference, margin = contest.difference, contest.equivalence.margin
        if contest.decided:
            left = difference.value > 0
            assert contest.result is (ContestResult.LEFT_BETTER if left else ContestResult.RIGHT_BETTER)
        elif contest.equal:
            assert contest.result is ContestResult.EQUAL
            assert -margin < difference.value < margin
    results = {(c.left, c.right): c.result for c in ranking.gains}
    assert results["sympy", "base"] is ContestResult.LEFT_BETTER
    assert results["accept_all", "base"] is not ContestResult.LEFT_BETTER


def test_a_gold_that_decided_nothing_gives_no_numbers(tmp_path: Path) -> None:
    folder = build_run(tmp_path, Size(problems=12, iterations=1, gold_undecided=1.0))
    findings, _ = findings_of(folder)
    accuracies = [row["accuracy"].line for row in arms.arms(findings).rows]
    assert set(accuracies) == {"– (of 0.0 % decided: 0.0 to 100.0)"}
    write_report(folder, tmp_path, figures=False)
    assert not re.search(r"\bnan\b", (tmp_path / "report.md").read_text("utf-8"))


def test_the_oracle_chooses_best_and_one_sample_leaves_no_choice(findings: Findings) -> None:
    gains = between.choosing(findings)
    assert {item.by for item in gains} >= {"oracle", "majority", "judge", "exact"}
    assert "accept_all" not in {item.by for item in gains}
    oracle = {item.standing.checkpoint: item.accuracy for item in gains if item.by == "oracle"}
    for item in gains:
        best = oracle[item.standing.checkpoint]
        assert item.accuracy[1].value == pytest.approx(best[1].value)
        assert all(item.accuracy[k].value <= best[k].value + 1e-12 for k in best)


def test_a_pair_flips_where_one_of_the_two_accepts_alone(findings: Findings) -> None:
    run = findings.run
    pair = next(p for p in between.pairs(run) if (p.left, p.right) == ("judge", "judge_blind"))
    kept = [c.id for c in run.checkpoints.values() if c.kind != "candidate"]
    rows = np.concatenate([run.rows(c, "test") for c in kept])
    left, right = run.outcome("judge", rows), run.outcome("judge_blind", rows)
    assert (pair.flips.gained, pair.flips.lost) == (int((left > right).sum()), int((left < right).sum()))
    assert pair.agreement.n == int((~np.isnan(left) & ~np.isnan(right)).sum())


def test_no_pair_is_of_a_control(findings: Findings) -> None:
    named = {name for pair in between.pairs(findings.run) for name in (pair.left, pair.right)}
    assert named == {"sympy", "judge", "judge_blind", "exact", "vote", "substitution"}


def test_controls_take_no_part_in_what_is_said_of_all_verifiers_together(findings: Findings) -> None:
    reliability = between.together(findings.run)
    assert reliability is not None
    assert set(reliability.names) == {"sympy", "judge", "judge_blind", "exact", "vote", "substitution"}
    assert reliability.homogeneity.freedom == 5
    assert reliability.reliability.ac1.low < reliability.reliability.ac1.value < reliability.reliability.ac1.high


def test_the_second_opinion_comes_near_the_gold_where_errors_are_independent(findings: Findings) -> None:
    model = between.second_opinion(findings.run)
    assert model is not None
    assert "sympy" not in model.names
    assert model.classes.prevalence == pytest.approx(model.prevalence, abs=0.05)
    np.testing.assert_allclose(model.classes.sensitivity, model.tpr, atol=0.05)
    assert model.worst is not None
    assert abs(model.worst[2]) < 0.15


def test_two_verifiers_beside_the_gold_give_no_second_opinion(tmp_path: Path) -> None:
    findings, _ = findings_of(build_run(tmp_path, Size(iterations=1)))
    assert between.second_opinion(findings.run) is None


def test_a_reward_corrected_by_rates_that_stay_is_the_golds_accuracy(findings: Findings) -> None:
    """The synthetic verifiers err at fixed rates: the difference's interval holds 0 about nineteen times in twenty."""
    corrected = [item for item in between.corrections(findings) if not math.isnan(item.excess.value)]
    assert len(corrected) == 30
    assert sum(item.excess.low <= 0 <= item.excess.high for item in corrected) >= 24
    for item in corrected:
        assert item.excess.value == pytest.approx(item.corrected.value - item.gold.value)
        assert item.bounds[0] <= item.reward.value <= item.bounds[1]


def test_samples_that_one_left_undecided_make_no_difference_of_reward_and_gold(findings: Findings) -> None:
    """A verifier that agrees with the gold, and accepts what the gold leaves undecided."""
    run = findings.run
    gold = run.outcomes[run.gold]
    alike = dataclasses.replace(gold, value=np.where(np.isnan(gold.value), 1.0, gold.value))
    agreeing = dataclasses.replace(run, outcomes={**run.outcomes, "judge": alike})
    corrections = between.corrections(dataclasses.replace(findings, run=agreeing))
    of_judge = [item for item in corrections if item.verifier == "judge"]
    assert of_judge
    for item in of_judge:
        assert item.reward.value == item.gold.value == item.corrected.value
        assert item.excess.value == 0


def test_errors_are_counted_by_the_gold(findings: Findings) -> None:
    by_verifier = {item.verifier: item for item in between.errors(findings.run)}
    assert by_verifier["judge_blind"].fpr.value == pytest.approx(TPR_FPR["judge_blind"][1], abs=0.1)
    assert all(-0.2 < item.accepts.value < 1 for item in by_verifier.values())


def test_the_pages_hold_every_table_of_verifiers(folder: Path, tmp_path: Path) -> None:
    write_report(folder, tmp_path, figures=False)
    page = (tmp_path / "report.md").read_text("utf-8")
    for title in (
        *("One answer out of k samples", "Reward, corrected for the verifier's errors", "Systematic or random errors"),
        *("All verifiers together", "A second opinion without the gold", "Arms against the base and each other"),
    ):
        assert f"\n## {title}" in page
    assert "The largest residual correlation is" in page
    assert re.search(r"of \d\d\.\d % decided: \d\d\.\d to \d\d\.\d", page)


def test_a_few_marks_by_hand_change_nothing_that_is_said_of_all(folder: Path, tmp_path: Path) -> None:
    with sqlite3.connect(folder / "run.db") as source, sqlite3.connect(tmp_path / "run.db") as copy:
        source.backup(copy)
    source.close()
    copy.close()
    with Store(tmp_path, write=True) as store:
        (base,) = store.query("SELECT group_concat(id) FROM sample WHERE checkpoint = 'base'")[0]
        verdict = Verdict(outcome=Outcome.CORRECT, score=1.0)
        store.add_verifier("human:ada", "human:ada", {})
        store.set_run("verifiers", {**store.run()["verifiers"], "human:ada": "human:ada"})
        store.add_verdicts("human:ada", [(int(id), verdict) for id in base.split(",")[-5:]])
    before, after = (findings_of(run)[0] for run in (folder, tmp_path))
    assert "human:ada" in after.run.compared
    assert between.together(after.run) == between.together(before.run)
    models = [between.second_opinion(findings.run) for findings in (before, after)]
    assert models[0]
    assert models[1]
    assert models[0].names == models[1].names
    np.testing.assert_array_equal(models[0].classes.sensitivity, models[1].classes.sensitivity)
    assert {item.by for item in between.choosing(after)} == {item.by for item in between.choosing(before)}
    pairs = {pair.right: pair.agreement.n for pair in between.pairs(after.run) if pair.left == "sympy"}
    assert pairs["human:ada"] <= 5 < pairs["judge"]


def test_the_second_opinion_is_of_samples_with_three_verdicts_or_more() -> None:
    """Most samples of a run with replicates have the verdict of one noisy verifier, which tells the model nothing.

    The base's samples have those of all, and once in each of the replicates.
    """
    run = findings_of(EXAMPLE)[0].run
    model = between.second_opinion(run)
    assert model is not None
    base = run.rows("base", "test")
    outcome = run.outcome("sympy", base)
    decided = outcome[~np.isnan(outcome)]
    assert model.classes.n == run.facts["suite"]["replicates"] * len(decided)
    assert model.samples > 30 * len(base)
    assert model.prevalence == pytest.approx(decided.mean())
    together = between.together(run)
    assert together is not None
    assert together.reliability.n == model.classes.n


def test_whoever_chooses_among_one_sample_of_each_replicate_is_as_good_as_the_oracle() -> None:
    gains = between.choosing(findings_of(EXAMPLE)[0])
    oracle = {item.standing.arm: item.accuracy[1].value for item in gains if item.by == "oracle"}
    chose = {item.by for item in gains if item.standing.arm and item.by == item.standing.arm.verifier}
    assert {"t90_f10", "t60_f10"} <= chose
    for item in gains:
        assert item.accuracy[1].value == pytest.approx(oracle[item.standing.arm])
