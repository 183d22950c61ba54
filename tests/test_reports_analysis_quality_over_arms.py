"""Measures of verifiers' quality against the gain over arms: second opinions on coefficients and measures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from restem.harness.store.store import Store
from restem.reports.analysis.findings import TRAIN, Findings, find
from restem.reports.analysis.gain_by_quality import trained_on
from restem.reports.analysis.quality_over_arms import Group, Measure, quality_over_arms
from restem.reports.analysis.ranking import rank
from restem.reports.data.read import read_run
from restem.reports.figures.quality_over_arms import draw
from restem.reports.figures.style import looks_of
from restem.reports.stats import association
from restem.reports.tables.quality_over_arms import fits, measures
from tests.test_reports_pages_report import TPR_FPR, Size, build_run

STATS: Any = scipy.stats  # its types say nothing of what a test gives
VERIFIERS = ("judge", "judge_blind", "accept_all", "noise_1", "noise_2", "noise_3", "noise_4", "noise_5")


def groups_of(findings: Findings) -> list[Group]:
    return quality_over_arms(findings, rank(findings), trained_on(findings))


def read(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store))


@pytest.fixture(scope="module", autouse=True)
def rates() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for number in range(1, 6):
            patch.setitem(TPR_FPR, f"noise_{number}", (1 - 0.06 * number, 0.12 * number))
        yield


@pytest.fixture(scope="module")
def dose(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Verifiers with more and more errors, and the gold."""
    return read(build_run(tmp_path_factory.mktemp("dose"), Size(arms=("sympy", *VERIFIERS), iterations=1, seeds=2)))


@pytest.fixture(scope="module")
def group(dose: Findings) -> Group:
    (group,) = groups_of(dose)
    return group


def test_the_coefficients_are_those_of_scipy_with_ties_too() -> None:
    random = np.random.default_rng(0)
    left, right = random.integers(0, 4, (20, 7)).astype(float), random.normal(size=(20, 7))
    squared, ranked = association.r_squared(left, right), association.spearman(left, right)
    for row in range(20):
        assert squared[row] == pytest.approx(STATS.pearsonr(left[row], right[row])[0] ** 2)
        assert ranked[row] == pytest.approx(STATS.spearmanr(left[row], right[row])[0])


def test_what_does_not_vary_goes_with_nothing() -> None:
    assert np.isnan(association.r_squared(np.ones((1, 5)), np.arange(5.0)[None])).all()
    assert np.isnan(association.spearman(np.ones((1, 5)), np.arange(5.0)[None])).all()


def test_fits_are_over_all_arms_but_the_golds_and_over_all(group: Group) -> None:
    informed = [not arm.gold for arm in group.arms]
    gains = np.array([gain.value for gain in group.gains])
    assert group.settings == {}
    for measure, column in group.values.items():
        values = np.array(column)
        alone, whole = group.fits[measure], group.with_gold[measure]
        assert alone.explained.value == pytest.approx(np.corrcoef(values[informed], gains[informed])[0, 1] ** 2)
        assert whole.explained.value == pytest.approx(np.corrcoef(values, gains)[0, 1] ** 2)
        assert whole.order.value == pytest.approx(STATS.spearmanr(values, gains)[0])
        assert (alone.explained.n, whole.explained.n) == (8, 9)
        assert alone.explained.low <= alone.explained.value <= alone.explained.high


def test_the_measures_are_those_of_the_first_iterations_samples(dose: Findings, group: Group) -> None:
    run = dose.run
    for place, arm in enumerate(group.arms):
        verdicts, truths = [], []
        for replica in run.replicates(arm):
            rows = run.choices[f"{replica.name}/1"].rows
            verdicts.append(run.outcome(replica.verifier, rows))
            truths.append(run.outcome(run.gold, rows))
        verdict, gold = np.concatenate(verdicts), np.concatenate(truths)
        both = ~np.isnan(verdict) & ~np.isnan(gold)
        verdict, gold = verdict[both], gold[both]
        tpr, fpr = verdict[gold == 1].mean(), verdict[gold == 0].mean()
        expected = {
            Measure.ACCURACY: (verdict == gold).mean(),
            Measure.TPR: tpr,
            Measure.FPR: fpr,
            Measure.YOUDEN: tpr - fpr,
            Measure.PRECISION: gold[verdict == 1].mean(),
        }
        assert {m: group.values[m][place] for m in expected} == pytest.approx(expected)
    assert Measure.AUROC not in group.values  # no verifier of this run has scores


def test_the_figure_has_a_panel_a_measure_with_a_mark_an_arm(dose: Findings, group: Group) -> None:
    panels = draw(group, looks_of(dose.run)).axes
    assert len(panels) == 4
    for panel in panels:
        assert sum(line.get_marker() not in ("None", "") for line in panel.lines) == len(group.arms)
        assert panel.get_title(loc="left").startswith("R² 0.")


def test_there_is_no_group_of_fewer_than_eight_arms(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(arms=VERIFIERS[:7], iterations=1)))
    assert groups_of(findings) == []
    assert not fits([]).rows
    assert not measures([]).rows


def test_arms_of_other_settings_are_a_group_of_their_own(tmp_path: Path) -> None:
    """Eight arms with the usual cap and eight with another; one with yet another is in neither."""
    capped = {f"{name}_capped": {"verifier": name, "selection": {"cap": 1, "dedupe": True}} for name in VERIFIERS}
    alone = {"alone": {"verifier": "judge", "selection": {"cap": 2, "dedupe": True}}}
    size = Size(arms=(*VERIFIERS, *capped, "alone"), settings=capped | alone, iterations=1)
    findings = read(build_run(tmp_path, size))
    groups = groups_of(findings)
    assert [group.settings for group in groups] == [{"selection.cap": 3}, {"selection.cap": 1}]
    assert [[arm.verifier for arm in group.arms] for group in groups] == [list(VERIFIERS)] * 2
    assert {row["group"].text for row in fits(groups).rows} == {"cap 3", "cap 1"}


def test_auroc_is_that_of_the_mann_whitney_test(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(arms=VERIFIERS, iterations=1)))
    run, random = findings.run, np.random.default_rng(0)
    scores = np.round(random.random(len(run.samples.id)), 2)
    graded = dataclasses.replace(findings, run=dataclasses.replace(run, scores={"judge": scores}))
    (group,) = groups_of(graded)
    rows = run.rows("base", TRAIN)
    gold = run.outcome(run.gold, rows)
    right, wrong = scores[rows][gold == 1], scores[rows][gold == 0]
    expected = STATS.mannwhitneyu(right, wrong)[0] / (len(right) * len(wrong))
    assert group.values[Measure.AUROC][0] == pytest.approx(expected)
    assert group.values[Measure.AUROC][2] == pytest.approx(0.5)  # accepts all
