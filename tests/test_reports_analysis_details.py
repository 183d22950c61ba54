"""The folded tables: difficulty without regression to the mean, gaps, proxies, scores and diversity, from rows."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from restem.harness.names import BASE
from restem.harness.store.store import Store
from restem.reports.analysis.calibration import calibrations
from restem.reports.analysis.difficulty import by_difficulty, even_numbered, sorted_by
from restem.reports.analysis.diversity import diversities
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.gain_by_quality import trained_on
from restem.reports.analysis.over_optimisation import curves
from restem.reports.analysis.train_test_gap import train_test_gaps, trained_from
from restem.reports.data.read import read_run
from restem.reports.figures.style import LIGHT, looks_of
from restem.reports.figures.train_test_gap import train_test_gap
from restem.reports.pages.report import write_report
from restem.reports.stats import estimates
from tests.edited import edited
from tests.test_reports_pages_report import Size, build_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of each arm; `judge` grades: a correct outcome scores 0.9 or 0.6, a wrong one 0.2 or 0.4."""
    folder = build_run(tmp_path_factory.mktemp("details"), Size(seeds=2))
    with edited(folder) as db:
        db.execute(
            "UPDATE verdict SET score = CASE WHEN score = 1 THEN iif(sample % 3, 0.9, 0.6)"
            " ELSE iif(sample % 3, 0.2, 0.4) END WHERE verifier LIKE 'judge-%' AND score IS NOT NULL"
        )
    return folder


@pytest.fixture(scope="module")
def findings(folder: Path) -> Iterator[Findings]:
    with Store(folder) as store:
        yield find(read_run(store))


def test_every_second_sample_of_a_problem_sorts_it() -> None:
    assert even_numbered(np.array([0, 0, 0, 2, 2, 5])).tolist() == [True, False, True, True, False, True]


def test_an_arm_that_changes_nothing_gains_nothing_in_any_band() -> None:
    """1000 problems of unequal difficulty; by the sorting samples themselves the hardest gain over 10 points."""
    random, size, samples = np.random.default_rng(0), 1000, 8
    skill = random.beta(1, 1, (size, 1))
    problem = np.repeat(np.arange(size), samples)
    base, later = ((random.random((size, samples)) < skill).astype(float).ravel() for _ in range(2))
    even = even_numbered(problem)
    rate = estimates.ratio(*estimates.per_problem(base[even], problem[even], size))
    hardest = rate < 0.25
    held_out, sorting, after = (
        estimates.per_problem(outcome, of, size)
        for outcome, of in ((base[~even], problem[~even]), (base[even], problem[even]), (later, problem))
    )

    def gain(before: estimates.Counts) -> estimates.Difference:
        sides = (estimates.Counts(side.correct[hardest], side.decided[hardest]) for side in (after, before))
        difference = estimates.paired(*sides)
        assert difference
        return difference

    assert gain(held_out).low < 0 < gain(held_out).high
    assert gain(sorting).low > 0.1


def test_the_bands_divide_the_test_problems_and_their_figures_are_of_the_other_half(findings: Findings) -> None:
    run, items = findings.run, by_difficulty(findings)
    for arm in run.arms:
        of_arm = [item for item in items if item.arm.name == arm.name]
        assert sum(item.problems for item in of_arm) == run.size("test")
        assert sum(item.base.n for item in of_arm) == len(run.rows(BASE, "test")) // 2
    bands, rows = sorted_by(run, "test", [run.rows(BASE, "test")])
    assert set(bands) <= set(range(4))
    assert len(rows) == len(run.rows(BASE, "test")) // 2


def test_the_gold_arm_keeps_nothing_wrong_in_any_band(findings: Findings) -> None:
    gold = [item for item in by_difficulty(findings) if item.arm.gold]
    assert {item.precision.value for item in gold if item.precision.n} == {1.0}
    assert {(item.tpr.value, item.fpr.value) for item in gold if item.tpr.n and item.fpr.n} == {(1.0, 0.0)}


def test_the_last_iteration_is_not_sampled_on_training_problems(findings: Findings) -> None:
    rows = {(item.arm.name if item.arm else "", item.iteration): item for item in train_test_gaps(findings)}
    assert not rows["judge", 2].train.n
    for key in (("", 0), ("judge", 1), ("accept_all", 1)):
        assert rows[key].gap.value == pytest.approx(rows[key].train.value - rows[key].test.value)


def test_a_checkpoints_training_samples_are_those_of_all_its_replicates(findings: Findings) -> None:
    run = findings.run
    (judge,) = (
        item for item in train_test_gaps(findings) if item.arm and (item.arm.name, item.iteration) == ("judge", 1)
    )
    rows = np.concatenate([run.rows(id, "train") for id in ("judge/1", "judge~1/1")])
    assert judge.train.value == pytest.approx(np.nanmean(run.outcome(run.gold, rows)))


def test_the_gold_has_j_1_and_a_control_that_accepts_all_0(findings: Findings) -> None:
    steps = trained_on(findings)
    assert {(s.youden.value, s.ratio.value) for s in steps if s.arm.gold} == {(1.0, np.inf)}
    assert {s.youden.value for s in steps if s.arm.control} == {0.0}
    assert {(s.arm.name, s.iteration) for s in steps} == {
        (arm, i) for arm in ("sympy", "judge", "accept_all") for i in (1, 2)
    }


def test_a_pick_among_one_is_the_mean_reward_and_the_gold_of_a_harder_pick_is_no_better_than_pass_at_k(
    findings: Findings,
) -> None:
    """`accept_all` and other controls pick nothing, so that they have no curve."""
    found = curves(findings)
    assert {c.verifier for c in found} == {"judge", "judge_blind"}
    assert findings.base
    for curve in (c for c in found if not c.arm):
        assert all(curve.proxy[k].value <= curve.proxy[k + 1].value + 1e-12 for k in range(1, curve.most))
    blind = next(c for c in found if c.verifier == "judge_blind")  # decides every sample, so its problems are all
    assert blind.most == findings.samples_per_problem
    assert blind.gold[blind.most].value <= findings.base.passed[blind.most].value + 1e-9


def test_a_verifier_that_picks_by_the_gold_parts_from_it_nowhere(findings: Findings) -> None:
    run = findings.run
    outcomes = {**run.outcomes, "judge_blind": run.outcomes[run.gold]}
    same = dataclasses.replace(findings, run=dataclasses.replace(run, outcomes=outcomes))
    assert {c.parted.value for c in curves(same) if c.verifier == "judge_blind"} == {0.0}


def test_only_a_verifier_that_grades_has_a_calibration(findings: Findings) -> None:
    (judge,) = calibrations(findings.run)
    assert judge.verifier == "judge"
    assert {each.correct.n > 0 for each in judge.bins} == {True, False}
    assert [cut.threshold for cut in judge.cuts] == [0.2, 0.4, 0.6, 0.9]
    assert sum(cut.best for cut in judge.cuts) == 1
    best = max(judge.cuts, key=lambda cut: cut.quality.youden.value)
    assert best.best


def test_raising_the_threshold_lowers_both_rates(findings: Findings) -> None:
    (judge,) = calibrations(findings.run)
    for rates in ([cut.quality.tpr.value for cut in judge.cuts], [cut.quality.fpr.value for cut in judge.cuts]):
        assert rates == sorted(rates, reverse=True)


def test_the_base_has_no_change_of_its_entropy_and_every_checkpoint_a_share_of_distinct_texts(
    findings: Findings,
) -> None:
    items = diversities(findings)
    assert np.isnan(next(item for item in items if item.arm is None).change.value)
    assert all(1 / findings.samples_per_problem <= item.distinct.value <= 1 for item in items)
    assert all(item.answers.value <= item.texts.value + 1e-9 for item in items)


def test_the_page_has_the_tables_of_scores_where_a_verifier_grades(folder: Path, tmp_path: Path) -> None:
    write_report(folder, tmp_path, figures=False)
    page = (tmp_path / "report.html").read_text("utf-8")
    for id in ("calibration", "reliability", "thresholds", "difficulty", "train_test_gap", "gain_by_quality"):
        assert f'<table id="{id}">' in page
        assert f'href="#{id}-section"' in page


def test_an_arm_is_compared_on_the_problems_that_it_is_trained_on(tmp_path: Path) -> None:
    """The base's samples on all problems are there, as another arm uses them."""
    settings = {"fewer": {"verifier": "sympy", "problems": 5, "iterations": 1}}
    with Store(build_run(tmp_path, Size(arms=("sympy", "fewer"), settings=settings))) as store:
        run = read_run(store)
    whole, fewer = (trained_from(run, arm)[0][0] for arm in run.arms)
    assert np.unique(run.samples.problem[whole]).tolist() == list(range(24))
    assert np.unique(run.samples.problem[fewer]).tolist() == list(range(5))


def test_train_and_test_over_iterations_are_drawn_of_arms_with_three_iterations(tmp_path: Path) -> None:
    """The last one is not sampled on training problems, and one checkpoint alone is a row of the table."""
    settings = {"long": {"verifier": "judge", "iterations": 3}}
    with Store(build_run(tmp_path, Size(arms=("sympy", "long"), settings=settings))) as store:
        found = find(read_run(store))
    items, looks = train_test_gaps(found), looks_of(found.run)
    drawing = train_test_gap(items, looks)
    assert drawing
    panels = {panel.get_title(loc="left"): panel for panel in drawing.draw(LIGHT).axes}
    lines = [line.get_xdata().tolist() for line in panels["long"].lines]  # type: ignore[union-attr]
    assert lines == [[0, 1, 2], [0, 1, 2, 3]]
    assert train_test_gap([item for item in items if item.arm is None or item.arm.name == "sympy"], looks) is None
