"""Things that give verdicts. Each can be used alone, without a training run and without JAX.

    from restem.benchmarks.problem import Problem
    from restem.verifiers import Attempt, build

    problem = Problem(id="p", question="Solve 2*x = 14 for x.", reference="7", split="test", source="mine")
    build("sympy").verify([Attempt(problem=problem, response="So x = 7.")])

Importing this package loads the records alone; what a verifier needs is imported when `build` makes it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from restem.verifiers.verdict import (
    Attempt,
    ContractBreach,
    JudgeUnavailable,
    Outcome,
    UnknownVerifier,
    Verdict,
    Verifier,
    VerifierError,
    checked,
    fingerprint,
    verdict_of,
)

if TYPE_CHECKING:
    from restem.verifiers.catalog import build, check, names

__all__ = [
    "Attempt",
    "ContractBreach",
    "JudgeUnavailable",
    "Outcome",
    "UnknownVerifier",
    "Verdict",
    "Verifier",
    "VerifierError",
    "build",
    "check",
    "checked",
    "fingerprint",
    "names",
    "verdict_of",
]


def __getattr__(name: str) -> Any:
    """`build`, `check` and `names`, imported late: the catalogue loads pydantic."""
    if name in ("build", "check", "names"):
        return getattr(importlib.import_module("restem.verifiers.catalog"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
