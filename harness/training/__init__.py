"""Examples -> parameters: packing, loss, trainable parameters, the M-step."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.training.example import Example
    from restem.harness.training.loss import Batch, weighted_nll
    from restem.harness.training.m_step import Fitted, fit
    from restem.harness.training.packing import pack
    from restem.harness.training.trainable import check_lora

__all__ = [
    "Batch",
    "Example",
    "Fitted",
    "check_lora",
    "fit",
    "pack",
    "weighted_nll",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "example": ("Example",),
        "loss": (
            "Batch",
            "weighted_nll",
        ),
        "m_step": (
            "Fitted",
            "fit",
        ),
        "packing": ("pack",),
        "trainable": ("check_lora",),
    },
)
