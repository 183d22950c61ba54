"""Policies that no network of ours computes: servers draw from them, and a command trains them. Loads no JAX."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.outside.policy import OutsidePolicy, open_outside
    from restem.harness.outside.tokenizer import OutsideTokenizer

__all__ = [
    "OutsidePolicy",
    "OutsideTokenizer",
    "open_outside",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "policy": (
            "OutsidePolicy",
            "open_outside",
        ),
        "tokenizer": ("OutsideTokenizer",),
    },
)
