"""Verifies a run's probes (benchmarks/probes.py): attacks, and right answers in other forms. No verdict is made twice.

Takes a store with its probes and a verifier; gives the number of new rows in run.db. It does not depend on policies: a
probe measures the verifier alone.
"""

from __future__ import annotations

from restem.harness.store.store import Store
from restem.verifiers.verdict import Attempt, Verifier, checked, needs_whole_problems

BATCH = 128  # verdicts that a stop loses at most; a judge's replies are stored one by one


def unprobed(store: Store, verifier: Verifier) -> dict[int, Attempt]:
    """Probe id -> attempt, of the probes that the verifier has given no verdict on.

    Empty for a verifier that compares the responses to a problem with each other: probes are not drawn from a policy,
    so a comparison among them has no meaning.
    """
    if needs_whole_problems(verifier):
        return {}
    judged = store.probe_verdicts(verifier.fingerprint)
    problems = {problem.id: problem for problem in store.problems()}
    return {
        id: Attempt(problem=problems[probe.problem], response=probe.text)
        for id, probe in store.probes().items()
        if id not in judged
    }


def probe(store: Store, verifier: Verifier) -> int:
    """Stores the verifier's verdict on every probe, batch by batch; gives how many were new.

    Raises:
        ContractBreach: The verifier broke its contract.
        JudgeUnavailable: The judge cannot be reached; stored rows stay.
    """
    missing = list(unprobed(store, verifier).items())
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        verdicts = checked(verifier, [attempt for _, attempt in batch])
        rows = [(id, verdict) for (id, _), verdict in zip(batch, verdicts, strict=True)]
        store.add_probe_verdicts(verifier.fingerprint, rows)
    return len(missing)
