"""Arms that differ in their settings: at which iteration each is compared, and what the table of all of them holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.answer import Headline, answer
from restem.reports.analysis.contest import arm_of, contest_of
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.ranking import ends, gains, rank
from restem.reports.analysis.recommendation import Recommendation, advise
from restem.reports.analysis.side_by_side import differing, side_by_side
from restem.reports.data.read import read_run
from restem.reports.pages.report import write_report
from restem.reports.pages.sentences import answer_sentences
from restem.reports.pages.terminal import standings
from restem.reports.stats.estimates import holm
from restem.reports.tables.side_by_side import arms_side_by_side
from restem.reports.tables.verdict import verdict
from tests.test_reports_pages_report import Size, build_run

GOLD = {"one": {"verifier": "sympy", "iterations": 1}, "three": {"verifier": "sympy", "iterations": 3}}
MIXED = {"short": {"verifier": "judge", "iterations": 1}, "long": {"verifier": "judge", "iterations": 3}}


def read(folder: Path, *, brief: bool = False) -> Findings:
    with Store(folder) as store:
        return find(read_run(store, brief=brief), brief=brief)


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    size = Size(problems=60, arms=("one", "three"), settings=GOLD, seeds=2)
    return build_run(tmp_path_factory.mktemp("gold"), size)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    arms = ("sympy", "short", "long", "accept_all")
    return build_run(tmp_path_factory.mktemp("mixed"), Size(problems=60, arms=arms, settings=MIXED))


def test_each_arm_is_compared_after_its_own_last_iteration(mixed: Path) -> None:
    findings = read(mixed)
    ranking = rank(findings)
    assert ends(findings) == ranking.ends == {"sympy": 2, "short": 1, "long": 3, "accept_all": 2}
    assert {arm_of(s).name: s.iteration for s in ranking.standings} == ranking.ends
    assert ranking.iterations == (1, 2, 3)
    assert not ranking.held_back


def test_no_arm_of_an_unfinished_run_is_compared_later_than_an_unfinished_arm(tmp_path: Path) -> None:
    """The arms are made one after another: `long` has reached two of its three iterations, `accept_all` none."""
    arms = ("deep", "short", "long", "accept_all")
    settings = {**MIXED, "deep": {"verifier": "sympy", "iterations": 3}}
    findings = read(build_run(tmp_path, Size(arms=arms, settings=settings, stop_after=6, finished=False)))
    ranking = rank(findings)
    assert ranking.ends == {"deep": 2, "short": 1, "long": 2}
    assert ranking.held_back
    assert "no arm is compared later than after iteration 2" in arms_side_by_side(findings, ranking).note


def test_gains_at_the_ends_are_one_family(mixed: Path) -> None:
    findings = read(mixed)
    base, ranking = findings.base, rank(findings)
    assert base
    single = {arm_of(s).name: contest_of(s, base, margin=0.0) for s in ranking.standings}
    adjusted = dict(zip(single, holm([c.p_value for c in single.values() if c]), strict=True))
    assert {c.left: c.adjusted_p for c in ranking.gains} == pytest.approx(adjusted)
    assert {c.left: c for c in ranking.gains} == {arm: gains(findings)[arm, i] for arm, i in ranking.ends.items()}


def test_differences_are_to_the_suites_first_arm_and_corrected_for_all_arms(mixed: Path) -> None:
    findings = read(mixed)
    sides = side_by_side(findings, rank(findings))
    assert [arm_of(side.standing).name for side in sides] == ["sympy", "short", "long", "accept_all"]
    assert [side.reference for side in sides] == [True, False, False, False]
    first = findings.standings["sympy", 2]
    single = [contest_of(side.standing, first) for side in sides[1:]]
    assert [side.contest.claim for side in sides[1:] if side.contest] == [c.claim for c in single if c]
    adjusted = [side.contest.adjusted_p for side in sides if side.contest]
    assert adjusted == pytest.approx(holm([c.p_value for c in single if c]))


def test_samples_are_those_of_one_seed_over_all_iterations_of_the_arm(gold: Path) -> None:
    findings = read(gold)
    sides = side_by_side(findings, rank(findings))
    assert [side.sampled for side in sides] == [1 * 60 * 4, 3 * 60 * 4]


def test_settings_are_those_in_which_two_arms_differ(gold: Path, mixed: Path) -> None:
    assert differing(read(gold).run) == ("iterations",)
    assert differing(read(mixed).run) == ("iterations", "verifier")
    findings = read(gold)
    one, three = side_by_side(findings, rank(findings))
    assert (one.settings, three.settings) == ({"iterations": 1}, {"iterations": 3})


def test_a_setting_that_an_arm_leaves_to_the_suite_is_the_suites(tmp_path: Path) -> None:
    settings = {"fewer": {"verifier": "sympy", "samples": 2, "selection": {"cap": 1, "dedupe": True}}}
    run = read(build_run(tmp_path, Size(arms=("sympy", "fewer"), settings=settings))).run
    assert differing(run) == ("samples", "selection.cap")
    assert [arm.settings["samples"] for arm in run.arms] == [4, 2]


def test_one_arm_alone_has_no_table(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(arms=("judge",))))
    assert not arms_side_by_side(findings, rank(findings)).rows


def test_an_arm_that_trained_nothing_has_a_row_and_is_no_reference(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(skipped=("sympy/1", "sympy/2"))))
    sides = side_by_side(findings, rank(findings))
    assert [side.reference for side in sides] == [False, True, False]
    row = arms_side_by_side(findings, rank(findings)).rows[0]
    assert (row["gain"].text, row["contest"].text, row["p"].text) == ("–", "–", "–")


def test_several_arms_of_the_gold_alone_are_the_candidates(gold: Path) -> None:
    findings = read(gold)
    ranking = rank(findings)
    assert ranking.settings
    assert ranking.ceiling is None
    assert answer(findings, ranking).code is Headline.TRAIN
    assert {advice.code for advice in advise(findings, ranking)} <= {
        Recommendation.TRAIN,
        Recommendation.OTHER_GAINS_MORE,
        Recommendation.NO_GAIN,
    }


def test_arms_of_one_verifier_are_named_as_arms(gold: Path, mixed: Path) -> None:
    for folder in (gold, mixed):
        findings = read(folder)
        ranking = rank(findings)
        first, *rest = answer_sentences(answer(findings, ranking))
        assert first.startswith("Train as arm ")
        assert not any("sympy (arm" in text or "judge (arm" in text for text in (first, *rest))
        table = verdict(findings, ranking)
        assert table.title == "Which arm to train"
        assert {row["arm"].text: int(row["after"].text) for row in table.rows} == ranking.ends


def test_of_two_arms_of_the_gold_beside_candidates_the_better_is_the_ceiling(tmp_path: Path) -> None:
    settings = {"again": {"verifier": "sympy", "iterations": 1}}
    findings = read(build_run(tmp_path, Size(problems=60, arms=("sympy", "again", "judge"), settings=settings)))
    codes = {arm_of(advice.standing).name: advice.code for advice in advise(findings, rank(findings))}
    assert codes["sympy"] is Recommendation.CEILING
    assert codes["again"] is Recommendation.GOLD


@pytest.mark.parametrize(("shift", "words"), [(2.4, "gold, another arm"), (0.2, "gold, below the ceiling")])
def test_an_arm_of_the_gold_is_below_the_ceiling_only_where_that_is_shown(
    tmp_path: Path, shift: float, words: str
) -> None:
    size = Size(
        problems=60,
        arms=("sympy", "again", "judge"),
        settings={"again": {"verifier": "sympy"}},
        iterations=1,
        seeds=2,
        shifts={"sympy": (2.5,), "again": (shift,), "judge": (1.0,)},
    )
    findings = read(build_run(tmp_path, size))
    table = verdict(findings, rank(findings))
    assert {row["advice"].text for row in table.rows[:3]} >= {"ceiling", words}
    assert "Ceiling: the gain of the best of 2 gold arms" in table.note


def test_where_rejected_samples_train_too_the_verdict_has_no_precision(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(arms=("sympy", "judge"), iterations=1)))
    run = findings.run
    choice = run.choices["judge/1"]
    signed = dataclasses.replace(choice, weight=np.where(choice.weight > 0, 1.0, -1.0))
    trained = dataclasses.replace(findings, run=dataclasses.replace(run, choices={**run.choices, "judge/1": signed}))
    for found, dash in ((findings, False), (trained, True)):
        table = verdict(found, rank(found))
        (text,) = (row["precision"].text for row in table.rows if row["arm"].text == "judge")
        assert (text == "–") is dash
        assert ("as by GRPO" in table.note) is dash


def test_the_page_and_the_json_hold_the_table(mixed: Path, tmp_path: Path) -> None:
    page = write_report(mixed, tmp_path, figures=False).with_suffix(".md").read_text("utf-8")
    assert "## Arms side by side" in page
    data = {side["arm"]: side for side in standings(mixed)["side_by_side"]}
    assert data["long"]["settings"] == {"iterations": 3, "verifier": "judge"}
    assert data["sympy"]["reference"] is True
    assert data["sympy"]["contest"] is None
    assert data["short"]["contest"]["code"]
