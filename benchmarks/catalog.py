"""The benchmarks by name. A new one is one short file and one line here; nothing else names benchmarks.

Gives `Benchmark` records, and for problems from any source the step check that can read them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from restem.benchmarks.arithmetic_mixed import BENCHMARK as ARITHMETIC_MIXED
from restem.benchmarks.benchmark import Benchmark, StepCheck
from restem.benchmarks.files import FILE, file_benchmark
from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.human_eval import BENCHMARK as HUMAN_EVAL
from restem.benchmarks.linear_1d import BENCHMARK as LINEAR_1D
from restem.benchmarks.problem import Problem
from restem.benchmarks.reasoning_gym import benchmark as reasoning_gym

SUITES = Path(__file__).parent / "suites"
BENCHMARKS = {benchmark.name: benchmark for benchmark in (LINEAR_1D, ARITHMETIC_MIXED, HUMAN_EVAL)}

FAMILIES = {"reasoning_gym": reasoning_gym}  # `FAMILY:MEMBER` -> the benchmark of a member


def find_benchmark(name: str, path: Path | None = None) -> Benchmark:
    """The benchmark of that name, such as `reasoning_gym:maze`, or with the name `file` the problems of a file.

    Raises:
        ValueError: There is none; the message names the known ones.
    """
    if name == FILE and path is not None:
        return file_benchmark(path)
    if name == FILE:
        raise ValueError(f"benchmark {FILE!r}: the problems of a file, whose path is missing")
    family, colon, member = name.partition(":")
    if colon and family in FAMILIES:
        return FAMILIES[family](member)
    if name not in BENCHMARKS:
        known = [*BENCHMARKS, *FAMILIES, FILE]
        raise ValueError(f"no benchmark {name!r}{did_you_mean(name, known)}: known are {', '.join(known)}")
    return BENCHMARKS[name]


def step_check(problems: Iterable[Problem]) -> StepCheck | None:
    """The first step check of the catalogue that can read every question; None where none can."""
    questions = [problem.question for problem in problems]
    checks = (benchmark.steps for benchmark in BENCHMARKS.values())
    return next((check for check in checks if check is not None and all(map(check.applies, questions))), None)
