"""Several hosts as one: the messages between them, and who does what."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.distributed.hosts import Hosts, connect

__all__ = [
    "Hosts",
    "connect",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "hosts": (
            "Hosts",
            "connect",
        ),
    },
)
