"""What a run shows: numbers and decisions from run.db, as tables, figures and pages.

    from pathlib import Path
    from restem.reports import write_report

    write_report(Path("runs/linear_1d"))

Importing this package loads none of it; each name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restem.reports.analysis.answer import answer
    from restem.reports.analysis.compare import compare
    from restem.reports.analysis.findings import find
    from restem.reports.analysis.ranking import rank
    from restem.reports.analysis.recommendation import advise
    from restem.reports.data.read import read_run
    from restem.reports.pages.compare import write_comparison
    from restem.reports.pages.plan import write_plan
    from restem.reports.pages.report import write_report
    from restem.reports.pages.terminal import standings, status, summary

__all__ = [
    "advise",
    "answer",
    "compare",
    "find",
    "rank",
    "read_run",
    "standings",
    "status",
    "summary",
    "write_comparison",
    "write_plan",
    "write_report",
]
_MODULES = {
    "advise": "analysis.recommendation",
    "answer": "analysis.answer",
    "compare": "analysis.compare",
    "find": "analysis.findings",
    "rank": "analysis.ranking",
    "read_run": "data.read",
    "standings": "pages.terminal",
    "status": "pages.terminal",
    "summary": "pages.terminal",
    "write_comparison": "pages.compare",
    "write_plan": "pages.plan",
    "write_report": "pages.report",
}


def __getattr__(name: str) -> Any:
    """A public name, imported late: the pages load matplotlib and Jinja."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"restem.reports.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
