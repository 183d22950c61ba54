"""What verifiers say of a run's probes; every verdict is stored, and none is asked for twice.

Takes a run with its probes and a verifier; gives nothing back but rows in run.db. Knows nothing of policies: a probe is
about the verifier alone.
"""

from __future__ import annotations

from restem.harness.store.store import Store
from restem.verifiers.verdict import Attempt, Verifier, checked, needs_whole_problems

BATCH = 128  # verdicts that a stop loses at most; a judge's replies are stored one by one besides


def unprobed(store: Store, verifier: Verifier) -> dict[int, Attempt]:
    """Probe id -> attempt, of the probes that the verifier has given no verdict on.

    None for one that judges a response by the others to its problem: among probes, that would say nothing of it.
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
    asked = list(unprobed(store, verifier).items())
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        verdicts = checked(verifier, [attempt for _, attempt in batch])
        rows = [(id, verdict) for (id, _), verdict in zip(batch, verdicts, strict=True)]
        store.add_probe_verdicts(verifier.fingerprint, rows)
    return len(asked)
