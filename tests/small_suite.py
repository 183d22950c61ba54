"""The smallest suite that trains the embedded policy, without arms, for tests that add their own."""

from __future__ import annotations

SMALL = """
name = "{name}"
seed = {seed}
iterations = {iterations}

[benchmark]
regime = [3.0, 4.5]
train = {train}
validation = 1
test = {test}

[sampling]
train_samples = {train_samples}
test_samples = 2
max_new_tokens = 48
rows = {rows}

[training]
steps = {steps}
checks = 0
rows = 4

[probe]
problems = 0
"""


def small_suite(
    name: str,
    arms: str,
    *,
    seed: int = 0,
    iterations: int = 1,
    train: int = 4,
    test: int = 2,
    train_samples: int = 4,
    rows: int = 32,
    steps: int = 1,
) -> str:
    """The text of a suite with these arms, which are TOML too."""
    head = SMALL.format(
        name=name,
        seed=seed,
        iterations=iterations,
        train=train,
        test=test,
        train_samples=train_samples,
        rows=rows,
        steps=steps,
    )
    return head + arms
