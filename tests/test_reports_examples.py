"""The example reports are golden: the committed rows give the committed pages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from restem.harness.store.store import Store
from restem.reports.pages.report import write_report

EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/report.md"))


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_rows_give_the_committed_page(name: str, tmp_path: Path) -> None:
    """Figures are left out: their bytes belong to the version of matplotlib."""
    shutil.copytree(EXAMPLES / name, tmp_path / name)
    write_report(tmp_path / name)
    assert (tmp_path / name / "report.md").read_bytes() == (EXAMPLES / name / "report.md").read_bytes()


def test_there_are_examples_of_two_finished_runs_and_of_an_audit() -> None:
    assert NAMES == ["audit", "dose_response", "linear_1d"]
    for name in NAMES[1:]:
        with Store(EXAMPLES / name) as store:
            assert store.run()["finished"] is True
