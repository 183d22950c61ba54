"""Columns are found by key: every key that a screen names exists, and headings and order are free to change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.compare import compare
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.plan import make
from restem.reports.data.read import read_run
from restem.reports.pages import compare as compare_pages
from restem.reports.pages import plan as plan_pages
from restem.reports.pages import terminal
from restem.reports.pages.columns import plain
from restem.reports.tables import compare as compare_tables
from restem.reports.tables import plan as plan_tables
from restem.reports.tables.arms import arms
from restem.reports.tables.table import Cell, Column, Table
from tests.test_reports_pages_report import Size, build_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(tmp_path_factory.mktemp("run"), Size(problems=6, iterations=1, arms=("sympy", "judge")))


@pytest.fixture(scope="module")
def findings(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store))


def test_every_key_that_a_screen_names_is_a_column(folder: Path, findings: Findings) -> None:
    named = (
        (terminal.ARMS, arms(findings)),
        (terminal.BELOW_VERDICT, arms(findings)),
        (compare_pages.SCREEN, compare_tables.checkpoints(compare(folder, folder))),
        (plan_pages.SCREEN, plan_tables.prospects(make(findings.run))),
    )
    for keys, table in named:
        assert list(table.only(keys).rows[0]) == list(keys)


def test_new_headings_and_another_order_change_no_cell_of_a_screen(findings: Findings) -> None:
    table = arms(findings)
    columns = tuple(dataclasses.replace(column, heading="x") for column in reversed(table.columns))
    renamed = dataclasses.replace(table, columns=columns)
    assert renamed.only(terminal.ARMS).rows == table.only(terminal.ARMS).rows
    assert plain(renamed, terminal.ARMS).startswith("x")


def test_two_columns_of_one_key_are_refused() -> None:
    column = Column("a", "A", str)
    with pytest.raises(ValueError, match="two columns have one key"):
        Table.of([1], [column, column], id="t")


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="absent"):
        Table.of([1], [Column("a", "A", str)], id="t").only(["absent"])


def test_a_row_has_the_cells_of_its_record_and_columns_that_are_none_are_left_out() -> None:
    columns = [Column("text", "T", str), None, Column("cell", "C", lambda n: Cell(str(n), "detail"))]
    assert Table.of([1, 2], columns, id="t").rows == (
        {"text": ("1", ""), "cell": ("1", "detail")},
        {"text": ("2", ""), "cell": ("2", "detail")},
    )
