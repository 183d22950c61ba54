"""DeepMind's generator: every module draws, and draws the same everywhere."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from sympy.core.random import rng

from restem.benchmarks.mathematics_dataset import draw, entropy_range, module_names

ENTROPY = (4.0, 5.0)
# Each picks letters, entities or primes by another of the package's ways.
VARIED = ("algebra__linear_2d", "polynomials__evaluate_composed", "numbers__is_prime", "comparison__sort_composed")


@pytest.mark.parametrize("module", module_names())
def test_every_module_draws_a_question_with_an_answer(module: str) -> None:
    question, answer = draw(module, 1, ENTROPY)
    assert question
    assert answer
    assert (question, answer) == draw(module, 1, ENTROPY)


def test_a_problem_is_the_same_in_any_process() -> None:
    code = (
        "from restem.benchmarks import linear_1d, mathematics_dataset\n"
        f"print([mathematics_dataset.draw(module, seed, {ENTROPY}) for module in {VARIED} for seed in range(3)])\n"
        f"print([linear_1d.draw(seed, {ENTROPY}) for seed in range(3)])"
    )

    def questions(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONWARNINGS": "ignore"}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout

    assert questions("1") == questions("2") != ""


def test_drawing_leaves_the_callers_random_states_alone() -> None:
    def states() -> tuple[object, ...]:
        return random.getstate(), np.random.get_state()[2], rng.getstate()

    before = states()
    draw("numbers__is_prime", 0, ENTROPY)
    assert states() == before


def test_a_pair_of_numbers_is_its_own_entropy_range() -> None:
    assert entropy_range((2.0, 3.5)) == (2.0, 3.5)


@pytest.mark.parametrize(
    ("regime", "message"), [("hard", "train-easy"), ((3.0, 2.0), "0 <= low <= high"), (None, "regime is missing")]
)
def test_a_wrong_regime_is_refused_with_what_is_known(regime: str | tuple[float, float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        entropy_range(regime)
