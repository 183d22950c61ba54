"""DeepMind's `mathematics_dataset` 1.0.1, made to run on today's NumPy and SymPy, and made repeatable.

Takes a module name, an entropy range and a seed; gives question and answer texts.
The package draws from the global `random` and `numpy.random`, so each problem is drawn under its own seed and
the caller's random state is put back. Only `algebra__linear_1d` is offered so far.
Source: google-deepmind/mathematics_dataset (Apache-2.0), https://arxiv.org/abs/1904.01557.
"""

from __future__ import annotations

import contextlib
import functools
import random
import re
import string
import sys
from collections.abc import Callable, Iterator

import numpy as np

# google-deepmind/mathematics_dataset:mathematics_dataset/modules/algebra.py (_ENTROPY_TRAIN, _ENTROPY_INTERPOLATE)
# and :generate.py, which cuts the train range in three.
ENTROPY_OF_REGIME: dict[str, tuple[float, float]] = {
    "train-easy": (3.0, 3.0 + 7 / 3),
    "train-medium": (3.0 + 7 / 3, 3.0 + 14 / 3),
    "train-hard": (3.0 + 14 / 3, 10.0),
    "interpolate": (8.0, 8.0),
}

# The generator never names a variable `e`, which SymPy reads as Euler's number.
VARIABLES = string.ascii_lowercase.replace("e", "")


@functools.cache
def _linear_1d(entropy: tuple[float, float]) -> Callable[[], object]:
    # SymPy moved `base_solution_linear` one level down; the package imports it from the old place.
    import sympy  # noqa: F401  (loads sympy.solvers.diophantine)
    from sympy.solvers.diophantine.diophantine import base_solution_linear

    sys.modules["sympy.solvers.diophantine"].base_solution_linear = base_solution_linear  # type: ignore[attr-defined]
    from mathematics_dataset.modules import algebra

    return algebra._make_modules(entropy)["linear_1d"]


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


def linear_1d(seed: int, entropy: tuple[float, float]) -> tuple[str, str]:
    """One `Solve <equation> for <variable>.` question and its integer answer.

    The package picks the letter from a set, so the letter changes with PYTHONHASHSEED; it is drawn again here.
    """
    with _seeded(seed):
        problem = _linear_1d(entropy)()
        question, answer = str(problem.question), str(problem.answer)  # type: ignore[attr-defined]
        letter = random.choice(VARIABLES)
    return re.sub(rf"(?<![A-Za-z]){question[-2]}(?![A-Za-z])", letter, question), answer
