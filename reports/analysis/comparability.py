"""Whether two runs measure the same thing: the same test problems, gold and sampling.

Takes two Runs; gives what differs as codes, and the error that names all of it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.sampling_settings import decoding_of_tests
from restem.reports.analysis.findings import TEST
from restem.reports.data.run import Run

MOST_NAMED = 3  # problems that an error names


class MismatchCode(enum.StrEnum):
    """Why two runs do not measure the same thing."""

    NO_PROBLEMS = "no_problems"
    ONLY_LEFT = "only_left"
    """Test problems that the first run alone has."""
    ONLY_RIGHT = "only_right"
    QUESTION = "question"
    """Test problems with another question."""
    REFERENCE = "reference"
    GOLD = "gold"
    SAMPLING = "sampling"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One thing in which two runs differ and must not.

    Attributes:
        names: Ids of problems, the side without problems, or the setting.
        left: Gold's fingerprint or the setting in the first run.
        right: The same in the second.
    """

    code: MismatchCode
    names: tuple[str, ...] = ()
    left: Any = None
    right: Any = None


class NotComparable(ConfigError):
    """Two runs that do not measure the same thing, with all that differs."""

    def __init__(self, left: Path, right: Path, mismatches: Sequence[Mismatch]) -> None:
        self.mismatches = tuple(mismatches)
        lines = []
        for mismatch in self.mismatches:
            some = ", ".join(mismatch.names[:MOST_NAMED]) + ", ..." * (len(mismatch.names) > MOST_NAMED)
            values, count = f"is {mismatch.left} in A, {mismatch.right} in B", len(mismatch.names)
            lines.append(
                {
                    MismatchCode.NO_PROBLEMS: f"{some} has no test problems",
                    MismatchCode.ONLY_LEFT: f"{count} test problems stand only in A: {some}",
                    MismatchCode.ONLY_RIGHT: f"{count} test problems stand only in B: {some}",
                    MismatchCode.QUESTION: f"{count} test problems have another question: {some}",
                    MismatchCode.REFERENCE: f"{count} test problems have another reference answer: {some}",
                    MismatchCode.GOLD: f"the gold verifier {values}",
                    MismatchCode.SAMPLING: f"sampling.{some} {values}",
                }[mismatch.code]
            )
        super().__init__(f"{left} and {right} cannot be compared:\n" + "\n".join(f"  {line}" for line in lines))


def mismatches(a: Run, b: Run) -> tuple[Mismatch, ...]:
    """Other test problems, another gold, or sampling that makes accuracy another quantity; empty where comparable."""
    return (*_other_problems(a, b), *_other_measure(a, b))


def _other_measure(a: Run, b: Run) -> Iterator[Mismatch]:
    gold = [run.fingerprints.get(run.gold) for run in (a, b)]
    if gold[0] != gold[1]:
        yield Mismatch(code=MismatchCode.GOLD, left=gold[0], right=gold[1])
    ours, theirs = (decoding_of_tests(run.suite.get("sampling") or {}) for run in (a, b))
    for key, value in ours.items():
        if value != theirs[key]:
            yield Mismatch(code=MismatchCode.SAMPLING, names=(key,), left=value, right=theirs[key])


def _other_problems(a: Run, b: Run) -> Iterator[Mismatch]:
    """How the test problems differ, without regard to their order."""
    ours, theirs = ({p.id: p for p in run.problems.get(TEST, ())} for run in (a, b))
    if not ours or not theirs:
        yield from (
            Mismatch(code=MismatchCode.NO_PROBLEMS, names=(side,))
            for side, problems in (("A", ours), ("B", theirs))
            if not problems
        )
        return
    both = ours.keys() & theirs.keys()
    cases = (
        (MismatchCode.ONLY_LEFT, ours.keys() - both),
        (MismatchCode.ONLY_RIGHT, theirs.keys() - both),
        (MismatchCode.QUESTION, {id for id in both if ours[id].question != theirs[id].question}),
        (MismatchCode.REFERENCE, {id for id in both if ours[id].references != theirs[id].references}),
    )
    yield from (Mismatch(code=code, names=tuple(sorted(ids))) for code, ids in cases if ids)
