"""Algorithm 1 of ReST-EM: E-step, sampling and verifying, attack probe, the loop."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.loop.e_step import select
    from restem.harness.loop.rest_em import Run, planned_samples
    from restem.harness.loop.steps_verifier import StepsVerifier

__all__ = [
    "Run",
    "StepsVerifier",
    "planned_samples",
    "select",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "e_step": ("select",),
        "rest_em": ("Run", "planned_samples"),
        "steps_verifier": ("StepsVerifier",),
    },
)
