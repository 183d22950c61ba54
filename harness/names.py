"""The names of checkpoints, arms, verifiers, annotators and sampling settings, and the replicate in a name.

Takes names and gives names. It reads no run and depends on nothing else of this project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BASE = "base"
MARK = "~"  # separates a name from its replicate's number; names in a suite may not contain it
HUMAN = "human:"  # prefix of human annotators' names; their verdicts cannot be requested again

# What each setting of a suite's [sampling] changes. MEASURING: what accuracy means, so that runs which differ in it
# cannot be compared. AMOUNT: how many samples there are of the same kind. SPEED: nothing but time and memory.
MEASURING, AMOUNT, SPEED = "measuring", "amount", "speed"
SAMPLING_SETTINGS = {
    "train_samples": AMOUNT,
    "validation_samples": AMOUNT,
    "test_samples": AMOUNT,
    "temperature": MEASURING,
    "top_k": MEASURING,
    "top_p": MEASURING,
    "max_new_tokens": MEASURING,
    "rows": SPEED,
    "compute_dtype": MEASURING,
}
# The values of runs of the first versions, which did not have these settings.
_BEFORE = {"top_p": 1.0, "compute_dtype": "float32"}


def measuring_settings(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of a run's stored [sampling] that change what accuracy means."""
    names = [name for name, changes in SAMPLING_SETTINGS.items() if changes == MEASURING]
    return {name: sampling.get(name, _BEFORE.get(name)) for name in names}


def replicate(name: str, number: int) -> str:
    """The name of an arm, a verifier or the base in a replicate of a suite: `sympy`, `sympy~1`, `sympy~2`."""
    return f"{name}{MARK}{number}" if number else name


def unmarked(name: str) -> str:
    """The name in the suite, without the number of the replicate."""
    return name.partition(MARK)[0]


def first_sampled(arm: str) -> str:
    """The id of the base from which an arm draws its first training samples; each replicate draws its own."""
    return BASE + arm.removeprefix(unmarked(arm))


def measuring(verifiers: Iterable[str], trained_on: str) -> tuple[str, ...]:
    """The verifiers of a run that judge the test samples of an arm trained on `trained_on`.

    These are all verifiers, with one exception: of a verifier that has another seed in each replicate, only the one
    of the arm's replicate, because the verdicts of the others would carry no further information.
    """
    names = tuple(verifiers)
    seeded = {unmarked(name) for name in names if MARK in name}
    return tuple(name for name in names if name == trained_on or unmarked(name) not in seeded)
