"""The benchmarks `reasoning_gym:TASK`; tests/perf/reasoning_gym_tasks.py goes over all tasks."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks import reasoning_gym
from restem.benchmarks.catalog import find_benchmark
from restem.benchmarks.problem import Problem

if sys.modules.get("reasoning_gym") is None:
    try:
        reasoning_gym.task_names()
    except ValueError:
        pytest.skip("needs the extra reasoning_gym", allow_module_level=True)

ROOT = Path(__file__).parents[1]
# Tasks that differ between processes, days or random states where the package is not repaired; quick ones.
REPAIRED = ("isomorphic_strings", "ransom_note", "polynomial_multiplication", "time_intervals", "pool_matrix")
TASKS = ("basic_arithmetic", "graph_color", "rotate_matrix", "number_sorting")


def drawn(task: str, count: int = 4, *, seed: int = 3, regime: str = "default") -> list[Problem]:
    return list(islice(reasoning_gym.stream(task, seed, regime), count))


@pytest.mark.parametrize("task", [*TASKS, *REPAIRED])
def test_a_problem_depends_on_seed_and_place_alone(task: str) -> None:
    first = drawn(task, 4)
    random.seed(5)
    assert drawn(task, 2) == first[:2]
    assert drawn(task, 4, seed=4) != first


def test_every_process_draws_the_same_problems() -> None:
    code = (
        "from tests.test_benchmarks_reasoning_gym import REPAIRED, drawn\n"
        "print(hash('x'), *(problem.id for task in REPAIRED for problem in drawn(task)), sep='\\n')"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    other, *ids = done.stdout.split()
    assert int(other) != hash("x")
    assert ids == [problem.id for task in REPAIRED for problem in drawn(task)]


@pytest.mark.parametrize("task", TASKS)
def test_data_are_json_that_gives_the_metadata_back(task: str) -> None:
    entry = reasoning_gym.dataset(task, {}, 3 << 32)[0]
    data = json.loads(json.dumps(drawn(task, 1)[0].data))
    assert data["task"] == task
    metadata = reasoning_gym.unpacked(data["metadata"])
    assert metadata == {key: entry["metadata"][key] for key in metadata}


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(st.integers() | st.text(max_size=2), max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.tuples(st.integers()), inner, max_size=3)
    ),
)


@given(nested)
def test_packing_loses_nothing(value: object) -> None:
    assert reasoning_gym.unpacked(json.loads(json.dumps(reasoning_gym.packed(value)))) == value


def test_levels_are_regimes_and_strata() -> None:
    known = find_benchmark("reasoning_gym:chain_sum")
    assert list(known.regimes)[:3] == ["default", "level-0", "level-1"]
    easy, hard = (drawn("chain_sum", regime=regime) for regime in ("level-0", "level-2"))
    assert {tuple(problem.strata.items()) for problem in hard} == {(("task", "chain_sum"), ("level", "2"))}
    assert max(len(problem.question) for problem in easy) < max(len(problem.question) for problem in hard)


def test_what_is_not_known_is_named_with_a_hint() -> None:
    with pytest.raises(ValueError, match="did you mean 'chain_sum'"):
        find_benchmark("reasoning_gym:chainsum")
    with pytest.raises(ValueError, match=r"unknown regime 'level-99' of chain_sum.*default, level-0"):
        reasoning_gym.stream("chain_sum", 0, "level-99")
    with pytest.raises(ValueError, match="composite"):
        find_benchmark("reasoning_gym:composite")


def test_splits_share_no_question() -> None:
    splits = find_benchmark("reasoning_gym:chain_sum").problems(0, "default", {"train": 20, "validation": 3, "test": 9})
    questions = [problem.question for chosen in splits.values() for problem in chosen]
    assert len(set(questions)) == 32


def test_a_task_with_few_problems_says_so() -> None:
    with pytest.raises(ValueError, match=r"has no more than about [0-9]+ distinct problems"):
        list(reasoning_gym.stream("coin_flip", 0, "default"))
