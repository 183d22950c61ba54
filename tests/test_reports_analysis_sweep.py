"""Arms that a suite writes once a value of one setting, as a curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.findings import find
from restem.reports.analysis.ranking import rank
from restem.reports.analysis.sweep import Sweep, sweep
from restem.reports.data.read import read_run
from restem.reports.figures import sweep as figure
from tests.test_reports_pages_report import Size, build_run


def swept(folder: Path, key: str, values: list[Any], verifiers: tuple[str, ...] = ("sympy",)) -> Sweep | None:
    """The sweep of a run whose arms were written from arms with the names of their verifiers."""
    arms: dict[str, dict[str, Any]] = {}
    for verifier in verifiers:
        for value in values:
            own = {"selection": {"cap": value}} if key == "selection.cap" else {key: value}
            arms[f"{verifier}-{value}"] = {"verifier": verifier, **own}
    settings = {"key": key, "values": values, "arms": list(verifiers)}
    build_run(folder, Size(arms=(*arms, "accept_all"), settings=arms, iterations=1, sweep=settings))
    with Store(folder) as store:
        findings = find(read_run(store))
    return sweep(findings, rank(findings))


def test_each_arm_of_the_suites_file_is_a_line_with_the_gain_at_each_value(tmp_path: Path) -> None:
    result = swept(tmp_path, "selection.cap", [1, 4, 10], ("sympy", "judge"))
    assert result
    assert [arm.name for arm in result.arms] == ["sympy", "judge"]
    assert [arm.values for arm in result.arms] == [(1, 4, 10)] * 2
    with Store(tmp_path) as store:
        gains = {gain.left: gain.claim for gain in rank(find(read_run(store))).gains}
    assert [arm.gains for arm in result.arms] == [
        tuple(gains[f"{name}-{value}"] for value in (1, 4, 10)) for name in ("sympy", "judge")
    ]


@pytest.mark.parametrize(
    ("key", "values", "logarithmic"),
    [("samples", [2, 4, 16], True), ("samples", [2, 3], False), ("selection.cap", [0, 4], False)],
)
def test_values_far_apart_are_drawn_on_a_log_axis(
    tmp_path: Path, key: str, values: list[Any], logarithmic: bool
) -> None:
    result = swept(tmp_path, key, values)
    assert result
    assert result.logarithmic is logarithmic
    (axes,) = figure.draw(result).axes
    assert axes.get_xscale() == ("log" if logarithmic else "linear")
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(value) for value in values]


def test_values_that_are_no_numbers_stand_side_by_side(tmp_path: Path) -> None:
    result = swept(tmp_path, "restart", [True, False])
    assert result
    assert not result.numeric
    (axes,) = figure.draw(result).axes
    assert axes.get_xticks().tolist() == [0, 1]


def test_one_value_alone_is_no_curve(tmp_path: Path) -> None:
    assert swept(tmp_path, "samples", [4]) is None
    assert figure.sweep(None) is None
