"""Things that give verdicts. Each can be used alone, without a training run and without JAX.

    from restem.benchmarks.problem import Problem
    from restem.verifiers import Attempt, build

    problem = Problem(id="p", question="Solve 2*x = 14 for x.", reference="7", split="test", source="mine")
    build("sympy").verify([Attempt(problem=problem, response="So x = 7.")])

Importing this package loads the records alone; what a verifier needs is imported when `build` makes it.
"""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports
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
__getattr__, __dir__ = exports(__name__, {"catalog": ("build", "check", "names")})
