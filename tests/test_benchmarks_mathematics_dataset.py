"""DeepMind's generator: every module draws, and draws the same everywhere."""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from sympy.core.random import rng

from restem.benchmarks.mathematics_dataset import (
    HARDER,
    LONGEST_ANSWER,
    LONGEST_QUESTION,
    MODULES,
    check_regime,
    draw,
    draw_short,
    entropy_range,
    module_names,
    regimes_of,
)

ENTROPY = (4.0, 5.0)
# Each picks letters, entities or primes by another of the package's ways.
VARIED = ("algebra__linear_2d", "polynomials__evaluate_composed", "numbers__is_prime", "comparison__sort_composed")


@pytest.mark.parametrize("module", module_names())
def test_every_module_draws_a_short_question_with_an_answer_in_each_of_its_regimes(module: str) -> None:
    for regime in (*regimes_of(module), ENTROPY):
        question, answer = draw_short(module, 1, regime)
        assert 0 < len(question) <= LONGEST_QUESTION
        assert 0 < len(answer) <= LONGEST_ANSWER
        assert (question, answer) == draw_short(module, 1, regime)


def test_the_names_are_those_of_the_package() -> None:
    draw("numbers__gcd", 0, ENTROPY)  # the package can be imported once it is repaired
    from mathematics_dataset.modules import modules

    def names(areas: dict[str, dict[str, object]]) -> set[str]:
        return {f"{area}__{name}" for area, inside in areas.items() for name in inside}

    assert names(modules.train(lambda _: ENTROPY)) == names(modules.test()) == set(module_names())
    assert names(modules.test_extra()) == set(HARDER)
    assert set(HARDER.values()) < set(module_names())
    assert sum(map(len, MODULES.values())) == 56


def test_a_problem_is_the_same_in_any_process() -> None:
    code = (
        "from restem.benchmarks import linear_1d\n"
        "from restem.benchmarks.mathematics_dataset import draw, draw_short, module_names, regimes_of\n"
        f"print([draw(module, seed, {ENTROPY}) for module in {VARIED} for seed in range(3)])\n"
        f"print([linear_1d.draw(seed, {ENTROPY}) for seed in range(3)])\n"
        "print([draw_short(module, 5, regimes_of(module)[-1]) for module in module_names()])"
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


@pytest.mark.parametrize(
    ("module", "regime", "message"),
    [
        ("numbers__gcd", "extrapolate", "no regime 'extrapolate'"),
        ("numbers__gcd", "hard", "unknown regime 'hard'"),
        ("numbers__gcd", "interpolat", "did you mean 'interpolate'"),
        ("numbers__gcd", (3.0, 2.0), "0 <= low <= high"),
        ("measurement__time", (3.0, 4.0), "no entropy"),
        ("numbers__gcd", None, "regime is missing"),
    ],
)
def test_a_module_refuses_a_regime_that_it_does_not_have(
    module: str, regime: str | tuple[float, float] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_regime(module, regime)


def test_an_entropy_for_which_the_package_fails_is_named() -> None:
    def draw_many() -> None:
        for seed in range(500):
            draw_short("comparison__pair", seed, (0.0, 0.0))

    with pytest.raises(ValueError, match=r"comparison__pair has no problems with the regime \(0\.0, 0\.0\)"):
        draw_many()


def bag_of(question: str) -> Counter[str]:
    """The letters of `from {a: 2, b: 1}` or `from aab`."""
    contents = re.search(r"from (\{[^}]*\}|[a-z]+)", question)
    assert contents
    named = dict(re.findall(r"([a-z]): ([0-9]+)", contents[1]))
    return Counter({letter: int(count) for letter, count in named.items()}) if named else Counter(contents[1])


@pytest.mark.parametrize("regime", ["train-easy", "interpolate", "extrapolate"])
def test_letters_without_replacement_have_the_hypergeometric_probability(regime: str) -> None:
    for seed in range(20):
        question, answer = draw("probability__swr_p_level_set", seed, regime)
        bag = bag_of(question)
        event = re.search(r"picking ([0-9a-z, ]*?[0-9] [a-z])(?=[.?]| when)", question)
        assert event
        wanted = {letter: int(count) for count, letter in re.findall(r"([0-9]+) ([a-z])", event[1])}
        ways = math.prod(math.comb(bag[letter], count) for letter, count in wanted.items())
        assert Fraction(answer) == Fraction(ways, math.comb(bag.total(), sum(wanted.values())))


@pytest.mark.parametrize("regime", ["train-easy", "interpolate", "extrapolate"])
def test_a_sequence_of_letters_has_the_product_of_its_draws_probabilities(regime: str) -> None:
    for seed in range(20):
        question, answer = draw("probability__swr_p_sequence", seed, regime)
        bag, sequence, chance = bag_of(question), re.search(r"sequence ([a-z]+)", question), Fraction(1)
        assert sequence
        for letter in sequence[1]:
            chance *= Fraction(bag[letter], max(bag.total(), 1))
            bag[letter] -= 1
        assert Fraction(answer) == chance
