"""What each setting of a suite's [sampling] changes: what accuracy means, the number of samples, or the speed alone.

Takes a run's stored [sampling]; gives the settings in which two runs must agree to be compared. It depends on nothing
else of this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# MEASURING: what accuracy means, so that runs which differ in it cannot be compared. AMOUNT: how many samples there are
# of the same kind. SPEED: nothing but time and memory.
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
