"""The problems of a suite's further test sets, none of which another set of the suite has.

Takes a suite and the problems of its benchmark; gives problems, whose split is `test:NAME`. Two problems are one where
their ids are equal, or their questions but for the names of variables and the spacing. Imports no JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from restem.benchmarks.files import read_problem_file
from restem.benchmarks.problem import Problem, as_written, identity
from restem.harness.config import Suite
from restem.harness.errors import ConfigError
from restem.harness.names import TESTS
from restem.harness.problem_sets import FurtherTestConfig


def further_tests(suite: Suite, known: Mapping[str, Sequence[Problem]]) -> dict[str, list[Problem]]:
    """Split -> the problems of each further test set of a suite.

    Args:
        suite: The suite.
        known: Split -> problems of its benchmark.

    Raises:
        ConfigError: A set has too few problems, or a file has a problem that another set has.
    """
    owners = {mark: split for split, items in known.items() for problem in items for mark in _marks(problem)}
    sets: dict[str, list[Problem]] = {}
    for name, config in suite.tests.items():
        split = f"{TESTS}{name}"
        try:
            chosen = _of_file(config, owners) if config.path else _generated(config, suite.seed, owners)
        except (ValueError, OSError) as error:
            raise ConfigError(f"tests.{name}: {error}") from None
        sets[split] = [dataclasses.replace(problem, split=split) for problem in chosen]
        owners |= {mark: split for problem in chosen for mark in _marks(problem)}
    return sets


def _marks(problem: Problem) -> tuple[tuple[str, str], ...]:
    """What no two problems of a suite may have in common: the id, and two forms of the question with the data."""
    written = identity(problem.question, problem.data, form=as_written)
    return ("id", problem.id), ("written", written), ("canonical", identity(problem.question, problem.data))


def _generated(config: FurtherTestConfig, seed: int, owners: Mapping[tuple[str, str], str]) -> list[Problem]:
    """The first problems of the benchmark's test split that no other set has."""
    benchmark, wanted = config.definition, config.test
    while True:
        try:
            drawn = benchmark.problems(seed, config.regime, {"test": wanted})["test"]
        except ValueError as error:
            more = f"; {wanted - config.test} problems of other sets were passed over" if wanted > config.test else ""
            raise ValueError(f"{error}{more}") from None
        fresh = [problem for problem in drawn if not owners.keys() & set(_marks(problem))]
        if len(fresh) >= config.test:
            return fresh[: config.test]
        if len(drawn) < wanted:  # a fixed set, which has no more of them
            if not fresh:
                raise ValueError("another set of the suite has all of its test problems")
            return fresh
        wanted += config.test - len(fresh)


def _of_file(config: FurtherTestConfig, owners: Mapping[tuple[str, str], str]) -> list[Problem]:
    """The first problems of a file that names no splits, or of its test split."""
    path = Path(str(config.path))
    if not path.is_file():
        raise ValueError(
            f"path: found {config.path!r}, which is no file, expected a file of problems; in a suite's file a relative "
            "path starts at the folder of the suite"
        )
    file = read_problem_file(path, config.named_columns, config.strata)
    of_tests = [problem for problem in file.problems if not file.named_splits or problem.split == "test"]
    if not of_tests:
        raise ValueError(f'{file.name}: no problem of it is in the test split; a row says so by "split": "test"')
    chosen = of_tests[: config.test]
    for problem in chosen:
        # Of a file's problems those alone are equal whose questions are written alike.
        if shared := [owners[mark] for mark in _marks(problem)[:2] if mark in owners]:
            raise ValueError(
                f"{problem.source}: problem {problem.id!r:.60} has the id or the question of a problem of the split "
                f"{shared[0]}, expected other problems than all other sets have; take it out of the file, or give it "
                "another id"
            )
    return chosen
