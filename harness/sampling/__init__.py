"""Prompt ids -> sampled ids: decoding, key-value slots, continuous batching, the sampler."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.sampling.decoding import Decoding
    from restem.harness.sampling.keys import sample_key
    from restem.harness.sampling.sampler import Batching, prompt_length, sample, shared_prefix
    from restem.harness.sampling.work_queue import Draws, Work

__all__ = [
    "Batching",
    "Decoding",
    "Draws",
    "Work",
    "prompt_length",
    "sample",
    "sample_key",
    "shared_prefix",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "decoding": ("Decoding",),
        "keys": ("sample_key",),
        "sampler": (
            "Batching",
            "prompt_length",
            "sample",
            "shared_prefix",
        ),
        "work_queue": (
            "Draws",
            "Work",
        ),
    },
)
