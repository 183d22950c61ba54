"""What each setting of a suite's [sampling] changes: what accuracy means, the number of samples, or the speed alone.

Takes a run's stored [sampling]; gives the settings in which two runs must agree to be compared. It depends on nothing
else of this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# MEASURING: what accuracy means, so that runs which differ in it cannot be compared. AMOUNT: how many samples there are
# of the same kind. DRAWN: which samples of the same distribution are drawn. SPEED: nothing but time and memory.
MEASURING, AMOUNT, DRAWN, SPEED = "measuring", "amount", "drawn", "speed"
SAMPLING_SETTINGS = {
    "engine": DRAWN,
    "train_samples": AMOUNT,
    "validation_samples": AMOUNT,
    "test_samples": AMOUNT,
    "train_at_end": AMOUNT,
    "temperature": MEASURING,
    "top_k": MEASURING,
    "top_p": MEASURING,
    "max_new_tokens": MEASURING,
    "rows": SPEED,
    "compute_dtype": MEASURING,
    "test": MEASURING,
}
# The values of runs of the first versions, which did not have these settings.
_BEFORE = {"top_p": 1.0, "compute_dtype": "float32", "test": {}}
GREEDY = {"temperature": 0.0, "top_k": 1, "top_p": 1.0}  # how the likeliest token is taken, in terms of drawing one


def measuring_settings(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of a run's stored [sampling] that change what accuracy means; `test` is what that sets."""
    names = [name for name, changes in SAMPLING_SETTINGS.items() if changes == MEASURING]
    chosen = {name: sampling.get(name, _BEFORE.get(name)) for name in names}
    return chosen | {"test": {name: value for name, value in chosen["test"].items() if value}}


def decoding_of_tests(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with which a run's test samples were drawn, from its stored [sampling].

    Runs are compared where these are equal, however their training samples were drawn.
    """
    chosen = measuring_settings(sampling)
    own = chosen.pop("test")
    return chosen | (GREEDY if own.pop("greedy", False) else own)


def other_test_decoding(sampling: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Setting -> its value for test samples and for training samples, of those in which they differ."""
    usual, tested = measuring_settings(sampling), decoding_of_tests(sampling)
    return {name: (value, usual[name]) for name, value in tested.items() if value != usual[name]}
