"""What a run shows: numbers and decisions from run.db, as tables, figures and pages.

    from pathlib import Path
    from restem.reports import write_report

    write_report(Path("runs/linear_1d"))

Importing this package loads none of it; each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

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
__getattr__, __dir__ = exports(
    __name__,
    {
        "analysis.answer": ("answer",),
        "analysis.compare": ("compare",),
        "analysis.findings": ("find",),
        "analysis.ranking": ("rank",),
        "analysis.recommendation": ("advise",),
        "data.read": ("read_run",),
        "pages.compare": ("write_comparison",),
        "pages.plan": ("write_plan",),
        "pages.report": ("write_report",),
        "pages.terminal": ("standings", "status", "summary"),
    },
)
