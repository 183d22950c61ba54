"""The random numbers of a sample: they depend on its names alone. Loads no JAX.

Takes the run's seed and names; gives the key data from which our sampler and an engine's request draw.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt32


def sample_key(seed: int, *names: object) -> UInt32[np.ndarray, "2"]:
    """Raw key data of a sample, from the run's seed and the sample's names (checkpoint, problem, index)."""
    digest = hashlib.sha256("\n".join(str(name) for name in (seed, *names)).encode()).digest()
    return np.frombuffer(digest[:8], np.uint32)
