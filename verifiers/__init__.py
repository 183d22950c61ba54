"""Things that give verdicts. Each can be used alone, without a training run and without JAX."""

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
)

__all__ = [
    "Attempt",
    "ContractBreach",
    "JudgeUnavailable",
    "Outcome",
    "UnknownVerifier",
    "Verdict",
    "Verifier",
    "VerifierError",
    "checked",
    "fingerprint",
]
