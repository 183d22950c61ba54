"""Applies verifiers to the stored samples of a checkpoint; every verdict is stored, batch by batch.

Takes a run, a checkpoint and a verifier; gives rows in run.db and their number. Samples that have a verdict of the
verifier already are not verified again. Independent of policies and of JAX.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from restem.benchmarks.problem import Problem
from restem.harness.progress import Advance
from restem.harness.store.records import Sample
from restem.harness.store.rows import batched
from restem.harness.store.store import Store
from restem.verifiers import interruption
from restem.verifiers.processes import Processes, verdicts_on
from restem.verifiers.verdict import Attempt, Verifier

VERIFY_BATCH = 2048


def verify(
    store: Store,
    checkpoint: str,
    problems: Sequence[Problem],
    split: str,
    verifier: Verifier,
    advance: Advance | None = None,
    most: int | None = None,
    processes: Processes | None = None,
) -> int:
    """Stores one verdict of the verifier on every sample of a checkpoint on some problems; gives how many were new.

    Args:
        store: Of the run.
        checkpoint: The checkpoint's id.
        problems: Problems of the split.
        split: The split.
        verifier: The verifier.
        advance: Is told how many samples are done.
        most: Only the first samples of each problem are verified, this many; None: all of them.
        processes: What verifies a batch; None: this process alone.

    Raises:
        ContractBreach: The verifier broke its contract.
        JudgeUnavailable: The judge cannot be reached; stored rows stay.
    """
    by_id = {problem.id: problem for problem in problems}
    judged = store.verdicts(checkpoint, split, verifier.fingerprint, by_id)
    wanted = [s for s in store.samples(checkpoint, split, by_id) if most is None or s.index < most]
    new = 0
    batches: list[list[Sample]] = []
    for batch in batched(wanted, VERIFY_BATCH):
        # A verifier may look at all samples of a problem together, so a problem is verified whole or not at all.
        old = sum(sample.id in judged for sample in batch)
        if advance:
            advance(old, fresh=False)
        if old < len(batch):
            batches.append(batch)

    def attempts() -> Iterator[list[Attempt]]:
        for batch in batches:
            interruption.check()
            yield [Attempt(problem=by_id[s.problem], response=s.text) for s in batch]

    for batch, verdicts in zip(batches, verdicts_on(verifier, attempts(), processes), strict=True):
        rows = [(s.id, v) for s, v in zip(batch, verdicts, strict=True) if s.id not in judged]
        store.add_verdicts(verifier.fingerprint, rows)
        new += len(rows)
        if advance:
            advance(len(rows))
    return new


def unjudged(store: Store, checkpoint: str, split: str, verifier: Verifier) -> list[Attempt]:
    """The attempts at a checkpoint's problems of a split that the verifier has given no verdict on."""
    by_id = {problem.id: problem for problem in store.problems(split)}
    judged = store.verdicts(checkpoint, split, verifier.fingerprint)
    samples = store.samples(checkpoint, split)
    return [Attempt(problem=by_id[s.problem], response=s.text) for s in samples if s.id not in judged]
