"""The regression test on verifiers: golden rows, baselines, check and update, annotations, the pytest plug-in."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.gate.annotations import import_marks
    from restem.harness.gate.baseline import Baseline, read_baseline
    from restem.harness.gate.check import Golden, quality, read_golden
    from restem.harness.gate.golden import GoldenRow, golden_row, read_rows

__all__ = [
    "Baseline",
    "Golden",
    "GoldenRow",
    "golden_row",
    "import_marks",
    "quality",
    "read_baseline",
    "read_golden",
    "read_rows",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "annotations": ("import_marks",),
        "baseline": ("Baseline", "read_baseline"),
        "check": ("Golden", "quality", "read_golden"),
        "golden": ("GoldenRow", "golden_row", "read_rows"),
    },
)
