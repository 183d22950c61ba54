"""The benchmark arithmetic_mixed: expressions of whole numbers with + - * / and brackets.

Source: `arithmetic__mixed` of google-deepmind/mathematics_dataset. A record:
`What is the value of ((-105)/490)/((-2)/(-7))?` -> `-3/4`. The answer is a whole number or a fraction in lowest terms.
Regimes are those of the data set, as for linear_1d.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from restem.benchmarks.benchmark import Benchmark, Regime, generated
from restem.benchmarks.mathematics_dataset import ENTROPY_OF_REGIME, VERSION, draw, entropy_range
from restem.benchmarks.problem import Problem

SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}


def stream(seed: int, regime: Regime) -> Iterator[Problem]:
    """Problems without end, each once; problem i depends on (seed, i, regime) alone."""
    entropy = entropy_range(regime)
    source = f"mathematics_dataset {VERSION} arithmetic__mixed entropy={entropy} seed={seed}"
    return generated(
        "arithmetic_mixed",
        SHARES,
        lambda index: draw("arithmetic__mixed", (seed << 32) + index, entropy),
        source,
        salt="arithmetic_mixed:",
    )


BENCHMARK = Benchmark(
    name="arithmetic_mixed",
    splits=tuple(SHARES),
    stream=stream,
    regimes=ENTROPY_OF_REGIME,
    default_regime="train-easy",
    few_shot_file=Path(__file__).parent / "suites" / "arithmetic_mixed.few_shot.txt",
)
