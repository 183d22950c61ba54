"""Golden rows: responses with what is known of them, read from JSON lines and written back.

Takes JSON lines (question, reference, response, label, and what each verifier decided when the baseline was written);
gives records, and the same lines with new outcomes. A line that does not change keeps its bytes. It does not depend on
verifiers or statistics.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from restem.benchmarks.json_lines import JsonLine, read_json_lines
from restem.benchmarks.problem import Problem, problem_id
from restem.harness.errors import ConfigError
from restem.verifiers.verdict import Outcome

LABELS = {1: Outcome.CORRECT, 0: Outcome.WRONG, None: None} | {o.value: o for o in Outcome if o != Outcome.UNDECIDED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldenRow:
    """One response with what is known of it.

    Attributes:
        id: The row's own, or 12 hex digits over question, reference and response.
        label: The truth: correct or wrong; None where it is not known.
        outcomes: Verifier -> its outcome when the baseline was written.
        line: The row as it stands in its file.
    """

    id: str
    problem: Problem
    response: str
    label: Outcome | None
    outcomes: Mapping[str, Outcome]
    line: bytes

    def expected(self, verifier: str, pinned: bool) -> Outcome | None:
        """The outcome that the verifier should have; for a pinned one without a stored outcome, the label."""
        return self.outcomes.get(verifier, self.label if pinned else None)


def read_rows(path: Path) -> list[GoldenRow]:
    """All golden rows of a JSON-lines file.

    Raises:
        ConfigError: Naming the line.
    """
    return [golden_row(line) for line in read_json_lines(path, ConfigError)]


def golden_row(line: JsonLine) -> GoldenRow:
    """The golden row of one line.

    Raises:
        ConfigError: Naming place and field.
    """
    question, response, answers = line.text("question"), line.text("response"), line.answers("reference")
    reference = answers[0] if answers else None
    data, fields = line.json_object("data"), line.fields
    field = "label" if "label" in fields else "expected"
    label = fields.get(field)
    if isinstance(label, bool | float | list | dict) or label not in LABELS:
        raise line.unexpected(field, '"correct", "wrong" or null')
    problem = Problem(
        id=line.optional_text("problem_id") or problem_id("golden", question, data),
        question=question,
        reference=reference,
        alternatives=answers[1:],
        data=data,
        split="golden",
        source=str(fields.get("origin") or line.place),
    )
    return GoldenRow(
        id=str(fields.get("id") or row_id(question, reference, response)),
        problem=problem,
        response=response,
        label=LABELS[label],
        outcomes=_outcomes(line),
        line=line.raw,
    )


def _outcomes(line: JsonLine) -> dict[str, Outcome]:
    known = [outcome.value for outcome in Outcome]
    stored = line.fields.get("outcomes", {})
    if not isinstance(stored, dict) or not all(isinstance(v, str) and v in known for v in stored.values()):
        raise line.unexpected("outcomes", f"verifier -> {', '.join(known)}", 80)
    return {verifier: Outcome(value) for verifier, value in stored.items()}


def row_id(question: str, reference: str | None, response: str) -> str:
    """12 hex digits over a row's texts, so that its id does not depend on its place in the file."""
    return hashlib.sha256(json.dumps([question, reference, response]).encode()).hexdigest()[:12]


def roll_call(rows: Sequence[GoldenRow]) -> str:
    """How many rows there are and 12 hex digits over their ids in order: `3-0f0e0d0c0b0a`."""
    return f"{len(rows)}-{hashlib.sha256(json.dumps([row.id for row in rows]).encode()).hexdigest()[:12]}"


def row_count(called: str) -> int:
    """How many rows a `roll_call` counted."""
    return int(called.partition("-")[0])


def still_there(rows: Sequence[GoldenRow], called: str) -> bool:
    """Whether the rows begin with those of a `roll_call`; what follows them is new."""
    return roll_call(rows[: row_count(called)]) == called


def with_outcomes(row: GoldenRow, new: Mapping[str, Outcome], pinned: Sequence[str]) -> bytes:
    """The row's line with the new outcomes; an outcome of a pinned verifier that equals the label is left out."""
    kept = {**row.outcomes, **new}
    outcomes = {v: o for v, o in kept.items() if not (v in pinned and v in new and o == row.label)}
    if outcomes == row.outcomes:
        return row.line
    fields = json.loads(row.line)
    ascii_only = row.line.isascii()
    fields.pop("outcomes", None)
    if outcomes:
        fields["outcomes"] = {verifier: outcomes[verifier].value for verifier in sorted(outcomes)}
    end_of_line = b"\r" if row.line.endswith(b"\r") else b""
    return json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") + end_of_line
