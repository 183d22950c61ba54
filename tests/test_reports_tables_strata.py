"""Tables by stratum: a row a part of every division that the problems name, and numbers that add up to the whole."""

import json
from pathlib import Path

import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.findings import Findings, find
from restem.reports.data.read import read_run
from restem.reports.pages.report import write_report
from restem.reports.tables.strata import MOST_PARTS, by_stratum, rates_by_stratum
from tests.edited import edited
from tests.test_reports_pages_report import HOSTILE, Size, build_run


def divided(folder: Path, size: Size, **divisions: list[str]) -> Findings:
    """A run whose problems name strata: problem i has the i-th of the texts of each division, again and again."""
    build_run(folder, size)
    with edited(folder) as db:
        for id, position in db.execute("SELECT id, position FROM problem").fetchall():
            strata = {name: parts[position % len(parts)] for name, parts in divisions.items()}
            strata = {name: part for name, part in strata.items() if part}
            db.execute("UPDATE problem SET strata = ? WHERE id = ?", (json.dumps(strata), id))
    with Store(folder) as store:
        return find(read_run(store))


def test_there_is_a_row_a_part_and_its_accuracies_add_up_to_the_arms(tmp_path: Path) -> None:
    findings = divided(tmp_path, Size(), module=["add", "gcd", "sort"])
    table = by_stratum(findings)
    assert [row["part"].text for row in table.rows] == ["add", "gcd", "sort"]
    assert table.headings[0] == "module"
    assert sum(int(row["problems"].text) for row in table.rows) == 24
    for arm in findings.run.arms:
        last = findings.last(arm)
        assert last
        assert last.gain
        for key, whole in ((f"accuracy:{arm.name}", last.accuracy.value), (f"gain:{arm.name}", last.gain.value)):
            values = [float(row[key].text.replace("−", "-")) for row in table.rows]
            assert sum(values) / 3 == pytest.approx(100 * whole, abs=0.06)


def test_the_parts_of_several_divisions_are_named_with_their_division(tmp_path: Path) -> None:
    table = by_stratum(divided(tmp_path, Size(iterations=1), level=["1", "2"], type=["a", "b", "c"]))
    assert [(row["division"].text, row["part"].text) for row in table.rows] == [
        *[("level", "1"), ("level", "2")],
        *[("type", "a"), ("type", "b"), ("type", "c")],
    ]


def test_a_division_that_does_not_divide_has_no_rows(tmp_path: Path) -> None:
    findings = divided(tmp_path, Size(iterations=1), module=["add"])
    assert not by_stratum(findings).rows
    assert not rates_by_stratum(findings).rows


def test_a_division_that_divides_as_another_does_is_shown_once(tmp_path: Path) -> None:
    table = by_stratum(divided(tmp_path, Size(iterations=1), benchmark=["x", "y"], module=["", "m"]))
    assert [row["part"].text for row in table.rows] == ["x", "y"]


def test_problems_without_a_part_are_a_part_of_their_own(tmp_path: Path) -> None:
    table = by_stratum(divided(tmp_path, Size(iterations=1), level=["", "2"]))
    assert [(row["part"].text, row["problems"].text) for row in table.rows] == [("–", "12"), ("2", "12")]


def test_the_rates_are_those_of_verifiers_that_are_no_controls(tmp_path: Path) -> None:
    table = rates_by_stratum(divided(tmp_path, Size(iterations=1), module=["add", "gcd"]))
    verifiers = {column.key.partition(":")[2] for column in table.columns if ":" in column.key}
    assert "judge" in verifiers
    assert not {"accept_all", "sympy"} & verifiers


def test_of_many_parts_the_largest_are_shown_and_the_number_of_all_is_told(tmp_path: Path) -> None:
    names = [f"n{i:02d}" for i in range(90)]
    table = by_stratum(divided(tmp_path, Size(problems=90, iterations=1, arms=("sympy",)), id=names))
    assert len(table.rows) == MOST_PARTS
    assert "id: 90" in table.note


def test_the_report_has_strata_in_place_of_kinds_and_escapes_their_names(tmp_path: Path) -> None:
    divided(tmp_path, Size(iterations=1), **{"module": [HOSTILE, "gcd"]})
    write_report(tmp_path, figures=False)
    page, text = (tmp_path / "report.html").read_text("utf-8"), (tmp_path / "report.md").read_text("utf-8")
    assert "By stratum" in text
    assert "By kind of problem" not in text
    assert page.count("<script") == scripts_of_a_page_without_strata(tmp_path / "plain")
    assert HOSTILE not in page


def scripts_of_a_page_without_strata(folder: Path) -> int:
    """Script elements of a page without strata."""
    build_run(folder, Size(iterations=1))
    write_report(folder, figures=False)
    return (folder / "report.html").read_text("utf-8").count("<script")
