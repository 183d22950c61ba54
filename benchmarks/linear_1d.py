"""The benchmark linear_1d: linear equations in one unknown.

Source: `algebra__linear_1d` of google-deepmind/mathematics_dataset. A record:
`Solve -3*b - 2 = 4*b + 12 for b.` -> `-2`. The answer is always one integer, and the only solution.
A *regime* is one of the data set's entropy ranges or a pair of numbers given directly; lower means smaller numbers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from restem.benchmarks.benchmark import Benchmark, Regime, StepCheck, generated
from restem.benchmarks.linear_equations import check_steps, is_question
from restem.benchmarks.mathematics_dataset import (
    ENTROPY_OF_REGIME,
    VARIABLES,
    VERSION,
    entropy_range,
    generate,
    seeded,
)
from restem.benchmarks.problem import Problem
from restem.benchmarks.worked.solutions import solution_of

# Every canonical form belongs to one split for ever. The embedded base policy and judge were made from `pretrain`
# alone, so no run ever trains or tests on what they have seen.
SHARES = {"pretrain": 0.6, "train": 0.15, "validation": 0.05, "test": 0.2}


def draw(seed: int, entropy: tuple[float, float]) -> tuple[str, str]:
    """One `Solve <equation> for <variable>.` question and its integer answer."""
    with seeded(seed):
        question, answer = generate("algebra__linear_1d", entropy)
        # The letter of all stored problems is this second draw, and not the generator's own.
        letter = random.choice(VARIABLES)
    return re.sub(rf"(?<![A-Za-z]){question[-2]}(?![A-Za-z])", letter, question), answer


def stream(seed: int, regime: Regime) -> Iterator[Problem]:
    """Problems without end, each canonical form once; problem i depends on (seed, i, regime) alone."""
    entropy = entropy_range(regime)
    source = f"mathematics_dataset {VERSION} algebra__linear_1d entropy={entropy} seed={seed}"
    return generated("linear_1d", SHARES, lambda index: draw((seed << 32) + index, entropy), source)


BENCHMARK = Benchmark(
    name="linear_1d",
    splits=tuple(SHARES),
    stream=stream,
    regimes=ENTROPY_OF_REGIME,
    default_regime=(3.0, 4.5),
    few_shot_file=Path(__file__).parent / "suites" / "linear_1d.few_shot.txt",
    steps=StepCheck(id="benchmarks.linear_1d", applies=is_question, check=check_steps),
    solution=solution_of("linear_1d"),
)
problems = BENCHMARK.problems
