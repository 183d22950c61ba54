"""What an unfinished run still lacks: checkpoints, test samples and verdicts, as codes and counts.

Takes a Run; gives Lacks. Holds no English: `restem.reports.pages.sentences` words them.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Sequence

from restem.harness.names import BASE, HUMAN, can_be_asked, verifiers_that_judge
from restem.reports.analysis.findings import TEST, TRAIN
from restem.reports.data.run import Run


class Lack(enum.StrEnum):
    """What is missing."""

    SUITE = "suite"
    """The suite was not recorded."""
    CHECKPOINT = "checkpoint"
    SAMPLES = "samples"
    """A checkpoint has fewer samples of a split than the suite asks for."""
    VERDICTS = "verdicts"
    """A verifier has not judged all samples of a checkpoint on a split."""
    END = "end"
    """Nothing is missing, but the run has not been marked finished."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Missing:
    """One thing that a run lacks.

    Attributes:
        count: Samples that are there, or verdicts that are missing.
        wanted: Samples that the suite asks for.
        split: The split that these samples are of, which is the test split where nothing else is said.
    """

    code: Lack
    checkpoint: str | None = None
    verifier: str | None = None
    count: int | None = None
    wanted: int | None = None
    split: str | None = None


def missing(run: Run) -> list[Missing]:
    """All that an unfinished run still lacks; empty where it is complete.

    Of an imported run: the verdicts that a verifier which was asked about some samples can still give on others.
    """
    if run.imported:
        asked = {name: int(outcomes.scored.sum()) for name, outcomes in run.outcomes.items() if can_be_asked(name)}
        lacking = {name: len(run.samples.id) - count for name, count in asked.items()}
        return [Missing(code=Lack.VERDICTS, verifier=name, count=count) for name, count in lacking.items() if count]
    absent = [] if run.suite else [Missing(code=Lack.SUITE)]
    # A person marks as many samples as they like, so no marks are missing.
    verifiers = tuple(name for name in run.facts.get("verifiers") or {} if not name.startswith(HUMAN))
    expected = {BASE: verifiers} | {
        f"{replica.name}/{i}": verifiers_that_judge(verifiers, replica.verifier)
        for arm in run.arms
        for replica in run.replicates(arm)
        for i in range(1, arm.iterations + 1)
    }
    sampling = run.suite.get("sampling") or {}
    tested = int(sampling.get("test_samples", 1))
    for checkpoint, names in expected.items():
        if checkpoint not in run.checkpoints:
            absent.append(Missing(code=Lack.CHECKPOINT, checkpoint=checkpoint))
        absent += _lacking(run, checkpoint, TEST, run.size(TEST) * tested, names)
        for split in run.further_tests:
            absent += _lacking(run, checkpoint, split, run.size(split) * tested, (run.gold,))
    if sampling.get("train_at_end"):
        for arm in run.arms:
            wanted = len(run.problems.get(TRAIN, ())[: arm.problems]) * (arm.samples or int(sampling["train_samples"]))
            for replica in run.replicates(arm):
                absent += _lacking(run, f"{replica.name}/{arm.iterations}", TRAIN, wanted, (run.gold,))
    if not run.facts.get("finished") and not absent:
        absent.append(Missing(code=Lack.END))
    return absent


def _lacking(run: Run, checkpoint: str, split: str, wanted: int, names: Sequence[str]) -> Iterator[Missing]:
    """The samples of a checkpoint on a split that are missing, and the verdicts of these verifiers on those it has."""
    rows, named = run.rows(checkpoint, split), None if split == TEST else split
    if len(rows) < wanted and checkpoint in run.checkpoints:
        yield Missing(code=Lack.SAMPLES, checkpoint=checkpoint, count=len(rows), wanted=wanted, split=named)
    for name in names:
        if count := len(rows) - run.scored(name, rows):
            yield Missing(code=Lack.VERDICTS, checkpoint=checkpoint, verifier=name, count=count, split=named)
