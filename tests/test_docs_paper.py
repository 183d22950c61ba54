"""docs/paper.md and docs/literature.md: made from the tables in docs/paper, by one rule; their suites run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.config import load_suite
from tests.conftest import restem
from tests.perf.em_grpo import rank, youden
from tests.perf.literature_findings import LITERATURE
from tests.perf.paper import PAGES, ROOT, STORED, effects_of, page, printed, studies
from tests.perf.paper_findings import ABOVE, EQUAL, PAPER, Answer, Effect, Finding, Range, answer
from tests.perf.paper_rows import rows_of

FINDINGS = (*PAPER, *LITERATURE)
POINTS = st.floats(-100, 100)


def finding(range: Range) -> Finding:
    return Finding(where="", published="", suite="", effect=Effect(measure="accuracy"), range=range)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_tables_make(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    assert text == page(name), "mend it: python -m tests.perf.paper pages"


@pytest.mark.parametrize("table", sorted(STORED.glob("*.json")), ids=lambda table: table.stem)
def test_a_table_has_a_number_for_every_finding_of_its_suite(table: Path) -> None:
    stored = json.loads(table.read_text("utf-8"))
    assert stored["suite"] == table.stem
    assert set(stored["effects"]) == {str(effect) for effect in effects_of(table.stem)}


@pytest.mark.parametrize("each", FINDINGS, ids=lambda each: f"{each.suite} {each.effect}")
def test_a_finding_speaks_of_arms_that_its_suite_has(each: Finding) -> None:
    suite = load_suite(each.suite)
    iterations = {arm.name: suite.settings_of(arm).iterations for arm in suite.arms}
    for place in (each.effect.left, each.effect.right):
        arm, _, iteration = place.partition("/")
        assert arm in ("", "base") or int(iteration) <= iterations[arm]


def test_a_page_has_findings_of_its_own_suites_alone() -> None:
    for name, findings in PAGES.items():
        assert {each.suite for each in findings} <= set(studies(name))


@given(POINTS, POINTS, st.integers(3, 9))
def test_an_interval_within_the_range_agrees_and_one_outside_does_not(low: float, width: float, seeds: int) -> None:
    high = low + abs(width)
    told = answer(finding(ABOVE), low, high, seeds)
    assert (told is Answer.AGREE) == (low >= 0)
    assert (told is Answer.DISAGREE) == (high < 0)
    assert (answer(finding(EQUAL), low, high, seeds) is Answer.AGREE) == (low >= -5 and high <= 5)


def test_an_interval_around_a_limit_and_near_0_holds_nothing_large() -> None:
    limits = {(-4.0, 5.0): Answer.SMALL, (-5.1, 2.0): Answer.UNKNOWN, (-2.0, 5.1): Answer.UNKNOWN}
    assert {key: answer(finding(ABOVE), *key, 8) for key in limits} == limits
    squared = Finding(where="", published="", suite="", effect=Effect(measure="R2 accuracy"), range=(0.92, 1.0))
    assert answer(squared, 0.5, 0.98, 8) is Answer.UNKNOWN


@given(POINTS, POINTS, st.integers(0, 2))
def test_fewer_than_three_seeds_tell_nothing(low: float, high: float, seeds: int) -> None:
    assert answer(finding(ABOVE), low, high, seeds) is Answer.UNKNOWN


def test_no_interval_tells_nothing() -> None:
    assert answer(finding(ABOVE), math.nan, math.nan, 5) is Answer.UNKNOWN


@given(POINTS, POINTS, st.integers(0, 9))
def test_without_a_range_nothing_is_compared(low: float, high: float, seeds: int) -> None:
    assert answer(finding(None), low, high, seeds) is Answer.INCOMPARABLE


def test_verifiers_of_equal_j_are_tied_in_the_ranks() -> None:
    j = [youden(tpr=tpr, fpr=fpr) for tpr, fpr in ((0.9, 0.3), (1.0, 0.4), (0.6, 0.1))]
    assert rank(j, np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]])).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["paper_compute", "paper_size_problems"])
def test_a_quick_study_runs_and_gives_a_table(tmp_path: Path, name: str) -> None:
    ended = restem("run", name, "--quick", "--out", tmp_path / "run", "--quiet")
    assert ended.exit_code == 0, ended.stderr
    effect = Effect(measure="accuracy", left=f"{load_suite(name, quick=True).arms[0].name}/1", right="base")
    table = json.loads(printed(rows_of(tmp_path / "run", [effect])))
    assert table["suite"] == f"{name}-quick"
    assert table["finished"]
    assert len(table["effects"][str(effect)]) == 3
    assert all(row["accuracy"][0] is not None for row in table["rows"])
