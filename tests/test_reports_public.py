"""What `restem.reports` offers, and that asking for it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import restem.reports
from restem.reports.pages.report import write_report

PUBLIC = [
    *("advise", "answer", "compare", "find", "rank", "read_run", "standings", "status", "summary"),
    *("write_comparison", "write_plan", "write_report"),
]
HEAVY = ("jax", "matplotlib", "numpy", "scipy", "jinja2", "pydantic")


def test_the_package_offers_exactly_these_names() -> None:
    assert restem.reports.__all__ == PUBLIC
    assert all(callable(getattr(restem.reports, name)) for name in PUBLIC)


def test_a_public_name_is_the_function_itself() -> None:
    assert restem.reports.write_report is write_report


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="reports"):
        restem.reports.reports  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = f"import sys, restem.reports; print(*{{*{HEAVY!r}}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
