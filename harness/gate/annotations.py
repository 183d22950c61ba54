"""A person's annotations, as verdicts of `human:<name>` in the run they were made on.

Takes the lines that the report's explorer saves: golden rows (harness/gate/golden.py) that also name the sample and the
annotator. Gives verdict rows, append-only like all others: marks that are stored already are not stored again. A mark
that differs from a stored one is refused, and so is a whole file if one of its lines is wrong.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """A person's annotation of a sample; `place` names the line."""

    place: str
    sample: int
    verifier: str
    row: GoldenRow
    verdict: Verdict


def import_marks(folder: Path, path: Path) -> dict[str, int]:
    """Stores the marks of a file in a run; gives how many were new for each human.

    Raises:
        ConfigError: Naming every line that is wrong; nothing is stored then.
    """
    marks = read_marks(path)
    with Store(folder) as store:  # opening for writing would create a run where there is none
        new = _new(store, marks)
    with Store(folder, write=True) as store:
        for verifier, verdicts in new.items():
            store.add_verifier(verifier, verifier, {})
            store.set_run("verifiers", {**store.run().get("verifiers", {}), verifier: verifier})
            store.add_verdicts(verifier, verdicts.items())
    return {verifier: len(verdicts) for verifier, verdicts in new.items()}


def read_marks(path: Path) -> list[Mark]:
    """The marks of a JSON-lines file.

    Raises:
        ConfigError: Naming the line.
    """
    return [_mark(line) for line in read_json_lines(path, ConfigError)]


def _new(store: Store, marks: Sequence[Mark]) -> dict[str, dict[int, Verdict]]:
    """Human -> sample -> verdict, of the marks that are not stored yet."""
    ids = [mark.sample for mark in marks]
    samples = store.responses(ids)
    stored = {
        (sample, verifier): verdict.outcome
        for sample, verdicts in store.verdicts_on(ids).items()
        for verifier, verdict in verdicts.items()
        if verifier.startswith(HUMAN)
    }
    new: dict[str, dict[int, Verdict]] = {mark.verifier: {} for mark in marks}
    faults: list[str] = []
    for mark in marks:
        key = mark.sample, mark.verifier
        if fault := _fault(mark, samples.get(mark.sample), stored.get(key)):
            faults.append(f"{mark.place}: {fault}")
        elif key not in stored:
            stored[key] = mark.verdict.outcome
            new[mark.verifier][mark.sample] = mark.verdict
    if faults:
        raise ConfigError("\n".join(faults))
    return new


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
    verdict = Verdict(
        outcome=row.label or Outcome.UNDECIDED,
        score=None if row.label is None else float(row.label is Outcome.CORRECT),
        rule="mark",
        reason=mark if row.label is None else None,
    )
    return Mark(place=line.place, sample=int(sample), verifier=verifier, row=row, verdict=verdict)


def _fault(mark: Mark, sample: tuple[str, str] | None, before: Outcome | None) -> str | None:
    """What is wrong with a mark; `sample` is the question and response in the run, `before` the stored outcome."""
    if sample is None:
        return f"sample: this run has no {mark.sample}"
    for name, expected, given in zip(
        ("question", "response"), sample, (mark.row.problem.question, mark.row.response), strict=True
    ):
        if expected != given:
            return f"{name}: sample {mark.sample} of this run has {expected!r:.60}, found {given!r:.60}"
    if before not in (None, mark.verdict.outcome):
        return (
            f"{mark.verifier} said {before} of sample {mark.sample} before, and a verdict is never changed: "
            "save the marks under another name"
        )
    return None
