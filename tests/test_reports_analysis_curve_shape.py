"""Curves of four and more iterations: delay, plateau or collapse, and the iteration at which they turn."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.contest import arm_of
from restem.reports.analysis.curve_shape import LongCurve, Shape, long_curves
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.ranking import rank
from restem.reports.data.read import read_run
from restem.reports.stats import seeds
from restem.reports.stats.estimates import DRAWS, bootstrap_weights
from restem.reports.tables.curve_shape import curve_shapes
from tests.test_reports_pages_report import Size, build_run

SHIFTS = {
    "sympy": (1.5, 2.0, 2.0, 2.0, 2.0),
    "falls": (1.5, 2.0, 1.0, 0.0, -0.5),
    "stays": (0.6, 0.7, 0.7, 0.7, 0.7),
    "late": (0.0, 0.3, 1.0, 1.8, 2.6),
    "keeps": (1.7, 2.3, 2.3, 2.3, 2.3),
    "rises": (0.0, 0.0, 0.0, 0.5, 1.0),
    "creeps": (0.0, 0.1, 0.2, 0.35, 0.5),
}
SIZE = Size(
    problems=110,
    train_samples=1,
    arms=tuple(SHIFTS),
    iterations=5,
    seeds=2,
    settings={name: {"verifier": "judge"} for name in SHIFTS if name != "sympy"},
    shifts=SHIFTS,
)


def read(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store, brief=True), brief=True)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return read(build_run(tmp_path_factory.mktemp("long"), SIZE))


@pytest.fixture
def curves(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> dict[str, LongCurve]:
    monkeypatch.setattr(seeds, "SPREAD", 0.005)  # the prior's 4 points would take more seeds than a test has time for
    return {arm_of(curve.last).name: curve for curve in long_curves(findings, rank(findings))}


@pytest.mark.parametrize(
    ("arm", "shape"),
    [
        ("falls", Shape.COLLAPSE),
        ("stays", Shape.PLATEAU),
        ("late", Shape.DELAY),
        ("keeps", Shape.LEVEL),
        ("rises", Shape.UNDECIDED),
        ("sympy", Shape.UNDECIDED),
    ],
)
def test_the_shape_of_a_curve_is_the_planted_one(curves: dict[str, LongCurve], arm: str, shape: Shape) -> None:
    assert curves[arm].shape is shape


def test_an_arm_behind_the_golds_whose_growth_is_not_excluded_is_no_plateau(
    curves: dict[str, LongCurve],
) -> None:
    curve = curves["creeps"]
    assert curve.behind
    assert curve.behind.worse
    assert not curve.grown.better
    assert curve.shape is Shape.UNDECIDED


def test_the_last_iteration_against_the_golds_arm_is_one_test(curves: dict[str, LongCurve]) -> None:
    contests = [curve.behind for curve in curves.values() if curve.behind]
    assert len(contests) == len(SHIFTS) - 1
    assert all(contest.adjusted_p == contest.p_value for contest in contests)


def test_the_turn_is_the_best_iteration_with_the_share_of_resamples_that_choose_it(
    findings: Findings, curves: dict[str, LongCurve]
) -> None:
    """The second opinion resamples problem by problem."""
    chain = [findings.standings["falls", i] for i in range(6)]
    turn = curves["falls"].turn
    assert turn.iteration == int(np.argmax([s.accuracy.value for s in chain])) == 2
    chosen = []
    for weights in bootstrap_weights(110):
        accuracies = [(weights @ s.counts.correct) / (weights @ s.counts.decided) for s in chain]
        chosen.append(int(np.argmax(accuracies)))
    assert turn.chosen == pytest.approx(chosen.count(2) / DRAWS)
    assert turn.low <= 2 <= turn.high


def test_without_an_arm_of_the_gold_only_a_collapse_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "SPREAD", 0.005)
    arms = ("falls", "stays")
    found = read(build_run(tmp_path, dataclasses.replace(SIZE, arms=arms)))
    shapes = {arm_of(curve.last).name: curve.shape for curve in long_curves(found, rank(found))}
    assert shapes == {"falls": Shape.COLLAPSE, "stays": Shape.UNDECIDED}


def test_three_iterations_have_no_shape_and_four_of_an_unfinished_run_have(tmp_path: Path) -> None:
    size = dataclasses.replace(SIZE, arms=("sympy", "keeps"), seeds=1, problems=20, finished=False)
    for number, (made, expected) in enumerate([(8, []), (9, ["sympy", "keeps"])]):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = read(build_run(folder, dataclasses.replace(size, stop_after=made)))
        curves = long_curves(found, rank(found))
        assert [arm_of(curve.last).name for curve in curves] == expected
        assert all(curve.last.iteration == 4 for curve in curves)


def test_the_table_says_the_shape_and_leaves_the_golds_own_arm_out(curves: dict[str, LongCurve]) -> None:
    rows = {row["arm"].text: row for row in curve_shapes(list(curves.values())).rows}
    assert rows["falls"]["shape"].text == "collapse"
    assert rows["sympy"]["shape"].text == "–"
    assert rows["sympy"]["behind"].text == "–"
    assert rows["falls"]["turn"].text == "2"
    assert "of resamples; " in rows["falls"]["turn"].detail
