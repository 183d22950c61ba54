"""A policy behind OpenAI's HTTP routes, and the embedded judge that uses it."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.serving.embedded_judge import embedded_judge
    from restem.harness.serving.server import application, serve

__all__ = [
    "application",
    "embedded_judge",
    "serve",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "embedded_judge": ("embedded_judge",),
        "server": (
            "application",
            "serve",
        ),
    },
)
