"""A person's annotations, as verdicts of `human:<name>` in the run they were made on.

Takes the lines that the report's explorer saves: golden rows (harness/gate/golden.py) that also name the sample and the
annotator. Gives verdict rows. No row is ever changed: where a person changes a mark or takes one back, all marks of
that person are stored anew under the next fingerprint (`human:ada`, then `human:ada#2`), which the name stands for from
then on; the earlier marks stay readable under the earlier one. A whole file is refused if one of its lines is wrong.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from restem.benchmarks.json_lines import JsonLine, read_json_lines
from restem.harness.errors import ConfigError
from restem.harness.gate.golden import GoldenRow, golden_row
from restem.harness.names import HUMAN
from restem.harness.store.store import Store
from restem.verifiers.verdict import Outcome, Verdict

NAME = re.compile(HUMAN + r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


TAKEN_BACK = "taken back"  # the mark of a line that takes an earlier one back


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """A person's annotation of a sample.

    Attributes:
        place: Names the line.
        verdict: None where an earlier mark is taken back.
    """

    place: str
    sample: int
    verifier: str
    row: GoldenRow
    verdict: Verdict | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Imported:
    """What a file changed of one person's marks; a mark that is stored already counts nowhere."""

    new: int
    changed: int
    taken_back: int


def import_marks(folder: Path, path: Path) -> dict[str, Imported]:
    """Stores the marks of a file in a run; gives what was new, changed and taken back, for each human.

    Raises:
        ConfigError: Naming every line that is wrong; nothing is stored then.
    """
    marks = read_marks(path)
    with Store(folder) as store:  # opening for writing would create a run where there is none
        _check(store, marks)
    with Store(folder, write=True) as store:
        return {human: _stored(store, human, marks) for human in dict.fromkeys(mark.verifier for mark in marks)}


def _stored(store: Store, human: str, marks: Sequence[Mark]) -> Imported:
    """Stores one person's marks: beside the earlier ones, or in their place where one of these changes."""
    known = store.run().get("verifiers", {})
    before = _marks_of(store, known.get(human, human))
    after = before.copy()
    for mark in marks:
        if mark.verifier == human and mark.verdict is None:
            after.pop(mark.sample, None)
        elif mark.verifier == human and mark.verdict and not _same(mark.verdict, after.get(mark.sample)):
            after[mark.sample] = mark.verdict
    counts = Imported(
        new=len(after.keys() - before.keys()),
        changed=sum(after[sample] is not before[sample] for sample in after.keys() & before.keys()),
        taken_back=len(before.keys() - after.keys()),
    )
    if not (before or after):
        return counts
    fingerprint = known.get(human, human)
    if counts.changed or counts.taken_back:
        fingerprint, before = _next(store, human), {}
    store.add_verifier(fingerprint, human, {})
    store.set_run("verifiers", {**known, human: fingerprint})
    store.add_verdicts(fingerprint, ((sample, verdict) for sample, verdict in after.items() if sample not in before))
    return counts


def _marks_of(store: Store, fingerprint: str) -> dict[int, Verdict]:
    samples = [sample.id for sample, _ in store.outcomes_by([fingerprint])]
    return {sample: verdicts[fingerprint] for sample, verdicts in store.verdicts_on(samples).items()}


def _next(store: Store, human: str) -> str:
    """The fingerprint after those that the person's marks have had."""
    return f"{human}#{1 + sum(name == human for name, _ in store.verifiers().values())}"


def _same(mark: Verdict, before: Verdict | None) -> bool:
    return before is not None and (mark.outcome, mark.reason) == (before.outcome, before.reason)


def read_marks(path: Path) -> list[Mark]:
    """The marks of a JSON-lines file.

    Raises:
        ConfigError: Naming the line.
    """
    return [_mark(line) for line in read_json_lines(path, ConfigError)]


def _check(store: Store, marks: Sequence[Mark]) -> None:
    """Raises ConfigError where a line is not of this run, or two lines say different things of one sample."""
    samples = store.responses([mark.sample for mark in marks])
    first: dict[tuple[int, str], Mark] = {}
    faults = [
        f"{mark.place}: {fault}"
        for mark in marks
        if (fault := _fault(mark, samples.get(mark.sample), first.setdefault((mark.sample, mark.verifier), mark)))
    ]
    if faults:
        raise ConfigError("\n".join(faults))


def _mark(line: JsonLine) -> Mark:
    row = golden_row(line)
    sample, verifier, mark = (line.fields.get(name) for name in ("sample", "verifier", "mark"))
    # A text, since a browser's numbers have 53 bits.
    if not (isinstance(sample, str) and re.fullmatch(r"[0-9]{1,19}", sample)) or int(sample) >= 2**63:
        raise line.unexpected("sample", "a sample's id as a text")
    if not (isinstance(verifier, str) and NAME.fullmatch(verifier)):
        raise line.unexpected("verifier", f"{HUMAN}<name>", 60)
    if not isinstance(mark, str) or len(mark) > 100:
        raise line.unexpected("mark", "a short text")
    if mark == TAKEN_BACK:
        return Mark(place=line.place, sample=int(sample), verifier=verifier, row=row, verdict=None)
    verdict = Verdict(
        outcome=row.label or Outcome.UNDECIDED,
        score=None if row.label is None else float(row.label is Outcome.CORRECT),
        rule="mark",
        reason=mark if row.label is None else None,
    )
    return Mark(place=line.place, sample=int(sample), verifier=verifier, row=row, verdict=verdict)


def _fault(mark: Mark, sample: tuple[str, str] | None, first: Mark) -> str | None:
    """What is wrong with a mark; `sample` is the question and response in the run, `first` the file's first of both."""
    if sample is None:
        return f"sample: this run has no {mark.sample}"
    for name, expected, given in zip(
        ("question", "response"), sample, (mark.row.problem.question, mark.row.response), strict=True
    ):
        if expected != given:
            return f"{name}: sample {mark.sample} of this run has {expected!r:.60}, found {given!r:.60}"
    if (mark.verdict is None) != (first.verdict is None) or (mark.verdict and not _same(mark.verdict, first.verdict)):
        return f"mark: {mark.verifier} has another mark of sample {mark.sample} at {first.place}"
    return None
