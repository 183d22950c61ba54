"""What `restem.benchmarks` offers, and that asking for it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from restem import benchmarks

PUBLIC = [
    *("BENCHMARKS", "Benchmark", "Probe", "Problem", "StepCheck", "attacks", "canonical_form", "chance_level"),
    *("equivalents", "find_benchmark", "make_probes", "problem_id", "read_problems", "split_of", "step_check"),
    *("write_json_lines", "write_lines"),
]


def test_the_package_offers_exactly_these_names() -> None:
    assert benchmarks.__all__ == PUBLIC
    assert all(hasattr(benchmarks, name) for name in PUBLIC)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="judges"):
        benchmarks.judges  # noqa: B018


def test_the_catalogue_is_known_without_numpy_and_sympy() -> None:
    script = "import sys; from restem.benchmarks import *; print(*{'numpy', 'sympy', 'pydantic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
