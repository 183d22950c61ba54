"""What accuracy cost, against the rows it is counted from."""

from pathlib import Path

import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.findings import find
from restem.reports.data.read import read_run
from restem.reports.tables.price import price
from tests.test_reports_pages_report import Size, build_run


def test_verdicts_per_point_are_all_training_verdicts_over_the_gain(tmp_path: Path) -> None:
    build_run(tmp_path, Size())
    with Store(tmp_path) as store:
        findings = find(read_run(store))
        kept, drawn = store.query(
            "SELECT sum(dropped_by IS NULL), count(*) FROM selection WHERE checkpoint = 'sympy/2'"
        )[0]
    row = next(r for r in price(findings).rows if (r["arm"].text, r["iteration"].text) == ("sympy", "2"))
    gain = findings.standings["sympy", 2].gain
    assert gain
    assert gain.low > 0
    assert row["yield"] == (str(kept), f"{100 * kept / drawn:.1f} %")
    assert row["asked"].text == str(2 * drawn)
    assert float(row["verdicts"].text) == pytest.approx(2 * drawn / (100 * gain.value), abs=0.06)


def test_no_price_stands_where_no_gain_is_detectable(tmp_path: Path) -> None:
    build_run(tmp_path, Size(arms=("accept_all",)))
    with Store(tmp_path) as store:
        findings = find(read_run(store))
    for row in price(findings).rows:
        gain = findings.standings["accept_all", int(row["iteration"].text)].gain
        assert gain
        assert (row["verdicts"].text == "–") == (gain.low <= 0)
    assert any(row["verdicts"].text == "–" for row in price(findings).rows)
