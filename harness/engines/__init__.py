"""Other engines that draw samples: servers with OpenAI's routes, told to load each checkpoint. Loads no JAX."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.engines.openai_engine import OpenAIEngine, Weights
    from restem.harness.engines.parity import Fixture

__all__ = [
    "Fixture",
    "OpenAIEngine",
    "Weights",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "openai_engine": (
            "OpenAIEngine",
            "Weights",
        ),
        "parity": ("Fixture",),
    },
)
