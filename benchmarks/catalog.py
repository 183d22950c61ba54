"""The benchmarks by name. A new one, or a family of them, is one short file and one line here.

Gives `Benchmark` records, and for problems from any source the step check that can read them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from restem.benchmarks.arithmetic_mixed import BENCHMARK as ARITHMETIC_MIXED
from restem.benchmarks.benchmark import Benchmark, Regime, StepCheck
from restem.benchmarks.files import FILE, file_benchmark
from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.human_eval import BENCHMARK as HUMAN_EVAL
from restem.benchmarks.linear_1d import BENCHMARK as LINEAR_1D
from restem.benchmarks.mathematics import FAMILY as MATHEMATICS
from restem.benchmarks.mixture import mixed
from restem.benchmarks.problem import Problem
from restem.benchmarks.reasoning_gym import FAMILY as REASONING_GYM

MIXED = "mixed"  # the name of several benchmarks in turn
OWN_REGIME = "default"  # stands for a benchmark's own default regime
SUITES = Path(__file__).parent / "suites"
BENCHMARKS = {benchmark.name: benchmark for benchmark in (LINEAR_1D, ARITHMETIC_MIXED, HUMAN_EVAL)}
FAMILIES = (MATHEMATICS, REASONING_GYM)
KNOWN = f"known are {', '.join([*BENCHMARKS, *(family.title.replace('`', '') for family in FAMILIES), FILE, MIXED])}"


def find_benchmark(name: str, path: Path | None = None) -> Benchmark:
    """The benchmark of that name, such as `reasoning_gym:maze`, or with the name `file` the problems of a file.

    Raises:
        ValueError: There is none; the message names the known ones.
    """
    if name == FILE and path is not None:
        return file_benchmark(path)
    if name == FILE:
        raise ValueError(f"benchmark {FILE!r}: the problems of a file, whose path is missing")
    if name == MIXED:
        raise ValueError(f"benchmark {MIXED!r}: several benchmarks in turn, named by a suite's `[benchmark.parts]`")
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    for family in FAMILIES:
        if benchmark := family.find(name):
            return benchmark
    raise ValueError(f"no benchmark {name!r}{did_you_mean(name, benchmark_names())}: {KNOWN}")


def mixture_of(parts: Mapping[str, Regime]) -> Benchmark:
    """Benchmarks in turn, by name, each with its regime or with `default` for its own.

    Raises:
        ValueError: A name or a regime is not known, the benchmarks have different golds, or there are none.
    """
    benchmarks = {name: find_benchmark(name) for name in parts}
    regimes = {
        name: benchmark.default_regime if parts[name] == OWN_REGIME else parts[name]
        for name, benchmark in benchmarks.items()
    }
    for name, benchmark in benchmarks.items():
        try:
            benchmark.stream(0, regimes[name])  # draws nothing; raises where the regime is not known
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return mixed(MIXED, {name: (benchmark, regimes[name]) for name, benchmark in benchmarks.items()})


def generated_names() -> list[str]:
    """The names that `restem generate` takes, as far as they are known without an import of a data set's package."""
    return [name for name in benchmark_names() if name not in (FILE, MIXED)]


def benchmark_names() -> list[str]:
    """All names that are known without an import of a data set's package."""
    return [*BENCHMARKS, *(name for family in FAMILIES for name in family.names), FILE, MIXED]


def step_check(problems: Iterable[Problem]) -> StepCheck | None:
    """The first step check of the catalogue that can read every question; None where none can."""
    questions = [problem.question for problem in problems]
    checks = (benchmark.steps for benchmark in BENCHMARKS.values())
    return next((check for check in checks if check is not None and all(map(check.applies, questions))), None)
