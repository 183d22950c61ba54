"""The package reasoning-gym 0.1.25, made repeatable.

Gives its registry of tasks. Some tasks iterate over sets, whose order differs between processes, one reads today's
date, and one seeds NumPy's global state; all repairs are in this file. Needs the extra `reasoning_gym`; the package is
imported, which takes seconds, at the first call.
Source: open-thought/reasoning-gym (Apache-2.0), https://arxiv.org/abs/2505.24760.
"""

from __future__ import annotations

import datetime
import functools
import importlib
import importlib.util
import types
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

EXTRA = "reasoning_gym"


def package_version() -> str:
    """The version of the installed package."""
    return version("reasoning-gym")


@functools.cache
def registry() -> Any:
    """The package's module `factory`, which makes datasets and curricula by a task's name.

    Raises:
        ValueError: The extra is not installed.
    """
    if importlib.util.find_spec(EXTRA) is None:
        raise ValueError(f"benchmarks {EXTRA}:TASK need an extra: pip install 'restem-harness[{EXTRA}]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a dependency, cellpylib, has invalid escapes in its strings
        # No import statement, because a type checker would resolve the name to a file of ours.
        importlib.import_module(EXTRA)
    _repair()
    return module("factory")


def module(name: str) -> Any:
    """A module of the package, such as `games.puzzle24`."""
    return importlib.import_module(f"{EXTRA}.{name}")


def _repair() -> None:
    # Lists that are made of sets, in one order.
    for name in ("algorithmic.isomorphic_strings", "algorithmic.ransom_note"):
        module(name).list = _in_order
    module("games.knight_swap").frozenset = _SortedSet
    words = module("algorithmic.word_ladder").WordLadderDataset
    neighbors = words._get_neighbors
    words._get_neighbors = lambda self, word, word_set: sorted(neighbors(self, word, word_set))
    polynomials = module("algebra.polynomial_multiplication")
    monomials, item = polynomials.itermonomials, polynomials.PolynomialMultiplicationDataset.__getitem__
    polynomials.itermonomials = lambda *arguments: sorted(monomials(*arguments), key=str)
    polynomials.PolynomialMultiplicationDataset.__getitem__ = lambda self, index: _with_sorted_variables(
        item(self, index)
    )
    # Times of the day, which stand on a date that only metadata show.
    times = module("arithmetic.time_intervals")
    times.date, parse = _Day, times.parser.parse
    times.parser = types.SimpleNamespace(parse=lambda text: parse(text, default=datetime.datetime(2000, 1, 1)))
    module("algorithmic.pool_matrix").np = _numpy_with_own_state()


def _in_order(values: Iterable[Any] = ()) -> list[Any]:
    return sorted(values) if isinstance(values, set) else list(values)


class _SortedSet(frozenset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(super().__iter__()))


def _with_sorted_variables(entry: dict[str, Any]) -> dict[str, Any]:
    entry["metadata"]["variables"].sort()
    return entry


class _Day(datetime.date):
    @classmethod
    def today(cls) -> _Day:
        return cls(2000, 1, 1)


def _numpy_with_own_state() -> types.ModuleType:
    """NumPy with a random state that the rest of the process does not share, and that takes seeds of any size."""
    import numpy as np

    state = np.random.RandomState(0)

    def seed(number: int) -> None:
        state.seed([number % 2**32, number >> 32])

    copy = types.ModuleType("numpy")
    vars(copy).update({**vars(np), "random": types.SimpleNamespace(seed=seed, randint=state.randint)})
    return copy
