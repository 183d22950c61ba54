"""Trains policies with ReST-EM, and samples and verifies their checkpoints. Each public name loads at first use."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.app.base_policy import load_named_policy
    from restem.harness.app.run import run_suite
    from restem.harness.app.verify import verify_rows, verify_run
    from restem.harness.config import Suite, load_suite
    from restem.harness.errors import (
        CheckpointMismatch,
        ConfigError,
        HostFailed,
        NonFiniteLogits,
        NonFiniteLoss,
        PromptTooLong,
        RestemError,
        RunBusy,
    )
    from restem.harness.model.policy import Policy
    from restem.harness.store.records import Checkpoint, Sample
    from restem.harness.store.store import Store

__all__ = [
    "Checkpoint",
    "CheckpointMismatch",
    "ConfigError",
    "HostFailed",
    "NonFiniteLogits",
    "NonFiniteLoss",
    "Policy",
    "PromptTooLong",
    "RestemError",
    "RunBusy",
    "Sample",
    "Store",
    "Suite",
    "load_named_policy",
    "load_suite",
    "run_suite",
    "verify_rows",
    "verify_run",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "app.base_policy": ("load_named_policy",),
        "app.run": ("run_suite",),
        "app.verify": (
            "verify_rows",
            "verify_run",
        ),
        "config": (
            "Suite",
            "load_suite",
        ),
        "errors": (
            "CheckpointMismatch",
            "ConfigError",
            "HostFailed",
            "NonFiniteLogits",
            "NonFiniteLoss",
            "PromptTooLong",
            "RestemError",
            "RunBusy",
        ),
        "model.policy": ("Policy",),
        "store.records": (
            "Checkpoint",
            "Sample",
        ),
        "store.store": ("Store",),
    },
)
