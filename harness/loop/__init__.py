"""Algorithm 1 of ReST-EM: E-step, sampling and verifying, attack probe, the loop."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.loop.e_step import select
    from restem.harness.loop.planned_work import planned_samples
    from restem.harness.loop.stage import Run
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
        "planned_work": ("planned_samples",),
        "stage": ("Run",),
        "steps_verifier": ("StepsVerifier",),
    },
)
