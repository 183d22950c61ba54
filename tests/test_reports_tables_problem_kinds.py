"""Problems by kind: what a reference and a question say of themselves, and that the strata add up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.harness.store.store import Store
from restem.reports.analysis.findings import find
from restem.reports.data.read import read_run
from restem.reports.tables.problem_kinds import DIVISIONS, by_kind, kinds
from tests.test_reports_pages_report import Size, build_run


def problem(reference: str | None, question: str = "Solve 3*b = 6 for b.") -> Problem:
    return Problem(id="p", question=question, reference=reference, split="test", source="s")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("7", {"positive", "below 10", "whole"}),
        ("-12", {"negative", "10 to 99", "whole"}),
        ("0", {"zero", "below 10", "whole"}),
        ("007", {"positive", "below 10", "whole"}),
        ("1234", {"positive", "100 and more", "whole"}),
        ("-3/4", {"negative", "fraction"}),
        ("0.5", {"positive", "fraction"}),
        ("x + 1", set()),
        ("-", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_a_reference_says_its_sign_and_size(reference: str | None, expected: set[str]) -> None:
    assert kinds(problem(reference)) - set(DIVISIONS[3]) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Solve 3*b = 6 for b.", {"unknown on one side"}),
        ("Solve -18 = -10*f + 32 for f.", {"unknown on one side"}),
        ("Solve 118*j - 12 = 112*j for j.", {"unknown on both sides"}),
        ("What is 3 plus 4?", set()),
    ],
)
def test_a_question_says_where_its_unknown_stands(question: str, expected: set[str]) -> None:
    assert kinds(problem(None, question)) & set(DIVISIONS[3]) == expected


@given(reference=st.none() | st.text(), question=st.text())
def test_any_text_is_of_at_most_one_kind_of_a_division(reference: str | None, question: str) -> None:
    names = kinds(problem(reference, question))
    assert all(len(names & set(division)) <= 1 for division in DIVISIONS)


def test_the_kinds_of_a_division_hold_all_problems_and_their_gains(tmp_path: Path) -> None:
    build_run(tmp_path, Size())
    with Store(tmp_path) as store:
        findings = find(read_run(store))
    table = by_kind(findings)
    for arm in findings.run.arms:
        rows = [row for row in table.rows if row["arm"].text == arm.name and row["kind"].text in DIVISIONS[1]]
        assert len(rows) == 2
        assert sum(int(row["problems"].text) for row in rows) == 24
        last = findings.last(arm)
        assert last
        mean = sum(int(row["problems"].text) * float(row["accuracy"].text) for row in rows) / 24
        assert mean == pytest.approx(100 * last.accuracy.value, abs=0.06)
        assert (rows[0]["fpr"].text == "–") == arm.gold
