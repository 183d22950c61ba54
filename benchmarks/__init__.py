"""Sets of problems: what a problem and a benchmark are, the known benchmarks, and problem files.

    from restem.benchmarks import find_benchmark

    problems = find_benchmark("linear_1d").problems(0, "train-easy", {"test": 100})["test"]

Imports nothing of the other packages. Importing it loads the records alone; NumPy and SymPy are imported when a problem
is drawn.
"""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports
from restem.benchmarks.problem import Probe, Problem, canonical_form, problem_id, split_of

if TYPE_CHECKING:
    from restem.benchmarks.benchmark import Benchmark, StepCheck, chance_level
    from restem.benchmarks.catalog import BENCHMARKS, find_benchmark, step_check
    from restem.benchmarks.files import read_problems, write_json_lines, write_lines
    from restem.benchmarks.probes import attacks, equivalents, make_probes

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Probe",
    "Problem",
    "StepCheck",
    "attacks",
    "canonical_form",
    "chance_level",
    "equivalents",
    "find_benchmark",
    "make_probes",
    "problem_id",
    "read_problems",
    "split_of",
    "step_check",
    "write_json_lines",
    "write_lines",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "benchmark": ("Benchmark", "StepCheck", "chance_level"),
        "catalog": ("BENCHMARKS", "find_benchmark", "step_check"),
        "files": ("read_problems", "write_json_lines", "write_lines"),
        "probes": ("attacks", "equivalents", "make_probes"),
    },
)
