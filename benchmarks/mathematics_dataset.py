"""DeepMind's `mathematics_dataset` 1.0.1, made to run on today's NumPy and SymPy, and made repeatable.

Takes a module's name (`arithmetic__mixed`), an entropy range and a seed; gives question and answer texts.
The package draws from global random states, so each problem is drawn under its own seed and
the caller's random state is put back. All repairs are in this file and apply to every module. Imports NumPy, SymPy and
the package only when a problem is drawn.
Source: google-deepmind/mathematics_dataset (Apache-2.0), https://arxiv.org/abs/1904.01557.
"""

from __future__ import annotations

import contextlib
import functools
import random
import string
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from restem.benchmarks.benchmark import Regime
from restem.benchmarks.hints import did_you_mean

VERSION = "1.0.1"
# google-deepmind/mathematics_dataset:mathematics_dataset/modules/algebra.py (_ENTROPY_TRAIN, _ENTROPY_INTERPOLATE)
# and :generate.py, which cuts the train range in three. Modules/arithmetic.py has the same numbers for `mixed`.
ENTROPY_OF_REGIME: dict[str, tuple[float, float]] = {
    "train-easy": (3.0, 3.0 + 7 / 3),
    "train-medium": (3.0 + 7 / 3, 3.0 + 14 / 3),
    "train-hard": (3.0 + 14 / 3, 10.0),
    "interpolate": (8.0, 8.0),
}

# The generator never names a variable `e`, which SymPy reads as Euler's number.
VARIABLES = string.ascii_lowercase.replace("e", "")


MAX_ENTROPY = 30.0  # from about 40 on, numbers of the package exceed what NumPy holds


def entropy_range(regime: Regime) -> tuple[float, float]:
    """The entropy range of a named regime, or the pair itself."""
    if regime is None:
        raise ValueError(f"a regime is missing: known are {', '.join(ENTROPY_OF_REGIME)}")
    if not isinstance(regime, str):
        if not 0 <= regime[0] <= regime[1] <= MAX_ENTROPY:
            low, high = regime
            raise ValueError(f"a regime of two numbers: found {low:g}, {high:g}, expected 0 <= low <= high <= 30")
        return regime
    if regime not in ENTROPY_OF_REGIME:
        known = f"known are {', '.join(ENTROPY_OF_REGIME)}, and any two numbers LOW,HIGH"
        raise ValueError(f"unknown regime {regime!r}{did_you_mean(regime, ENTROPY_OF_REGIME)}: {known}")
    return ENTROPY_OF_REGIME[regime]


def module_names() -> list[str]:
    """The names of all modules, `algebra__linear_1d` among them."""
    areas = _repaired().train(lambda _: (3.0, 3.0))
    return [f"{area}__{name}" for area, modules in areas.items() for name in modules]


def draw(module: str, seed: int, entropy: tuple[float, float]) -> tuple[str, str]:
    """One question and its answer, the same for the same arguments in every process."""
    with seeded(seed):
        return generate(module, entropy)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block in which the random numbers of Python, NumPy and SymPy start from the seed; all are put back after it."""
    import numpy as np
    from sympy.core.random import rng

    states = random.getstate(), np.random.get_state(), rng.getstate()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    rng.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        rng.setstate(states[2])


def generate(module: str, entropy: tuple[float, float]) -> tuple[str, str]:
    """One question and its answer from the global random state, to be called in a `seeded` block."""
    problem = _generator(module, entropy)()
    return str(problem.question), str(problem.answer)


@functools.cache
def _generator(module: str, entropy: tuple[float, float]) -> Callable[[], Any]:
    area, _, name = module.partition("__")
    return _repaired().all_[area].train(lambda _: entropy)[name]


@functools.cache
def _repaired() -> types.ModuleType:
    """The package's `modules`, repaired for today's versions of Python, NumPy and SymPy."""
    # SymPy moved `base_solution_linear` one level down; the package imports it from the old place.
    import sympy  # noqa: F401  (loads sympy.solvers.diophantine)
    from sympy.solvers.diophantine.diophantine import base_solution_linear

    sys.modules["sympy.solvers.diophantine"].base_solution_linear = base_solution_linear  # type: ignore[attr-defined]
    from mathematics_dataset.modules import modules, numbers
    from mathematics_dataset.sample import polynomials
    from mathematics_dataset.util import composition

    polynomials.np = _numpy_1()
    # Python 3.12 accepts no floats as bounds of `randint`, not even whole ones.
    numbers.random = _changed(random, randint=lambda low, high: random.randint(int(low), int(high)))
    # The package turns sets of letters and of entities into lists, whose order would differ between processes.
    composition.list = _in_order  # type: ignore[attr-defined]
    return modules


def _in_order(values: Iterable[Any]) -> list[Any]:
    """Letters in alphabetical order, entities in the order of their descriptions in the question."""
    return sorted(values, key=lambda value: value if isinstance(value, str) else _texts(value))


def _texts(entity: Any) -> tuple[str, str]:
    return entity._child_description, entity._description


def _numpy_1() -> types.ModuleType:
    """NumPy with `np.object` and `ndarray.itemset`, which version 2 no longer has."""
    import numpy as np

    class Array(np.ndarray):
        def itemset(self, index: tuple[int, ...], value: Any) -> None:
            self[index] = value

    def zeros(*arguments: Any, **options: Any) -> Array:
        return np.zeros(*arguments, **options).view(Array)

    def empty(*arguments: Any, **options: Any) -> Array:
        return np.empty(*arguments, **options).view(Array)

    return _changed(np, object=object, zeros=zeros, empty=empty)


def _changed(module: types.ModuleType, **changes: Any) -> types.ModuleType:
    """A copy of a module's names with some of them replaced; the module itself stays as it is."""
    copy = types.ModuleType(module.__name__)
    vars(copy).update({**vars(module), **changes})
    return copy
