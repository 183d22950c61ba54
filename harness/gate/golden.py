"""Golden rows and the baseline that stands on them: two kinds of file, read and written.

Takes JSON lines (question, reference, response, label, and what each verifier said when the baseline was written) and
a `NAME.gate.toml`; gives records, and the same files again with new outcomes and expectations. Lines that do not change
keep their bytes, and so does everything in a baseline but its `expected` tables: comments stay, and a diff shows what
changed and nothing else. Knows nothing of verifiers or statistics.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from restem.benchmarks.problem import Problem, problem_id
from restem.harness.config import toml_key, toml_value
from restem.harness.errors import ConfigError
from restem.verifiers.verdict import Outcome

SUFFIX = ".gate.toml"
LABELS = {1: Outcome.CORRECT, 0: Outcome.WRONG, None: None} | {o.value: o for o in Outcome if o != Outcome.UNDECIDED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldenRow:
    """One response with what is known of it.

    Attributes:
        id: The row's own, or 12 hex digits over question, reference and response.
        label: The truth: correct or wrong; None where nobody has said.
        outcomes: Verifier -> what it said when the baseline was written.
        line: The row as it stands in its file.
    """

    id: str
    problem: Problem
    response: str
    label: Outcome | None
    outcomes: Mapping[str, Outcome]
    line: bytes

    def expected(self, verifier: str, pinned: bool) -> Outcome | None:
        """What the verifier should say; of a pinned one, whose outcome is not written down, the label."""
        return self.outcomes.get(verifier, self.label if pinned else None)


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Expected(_Model):
    """A verifier's agreement with the labels when the baseline was written.

    Attributes:
        n: Labelled rows.
        agreement: Share of them on which the verifier says what the label says; undecided does not agree.
        interval: Its 95 % interval, rows clustered by problem.
        undecided: Share of the labelled rows that the verifier left undecided.
        ac1: Gwet's AC1 on the rows it decided; like kappa absent where it cannot be computed.
        kappa: Cohen's kappa on the same rows; to be read beside the prevalence.
        prevalence: Share of those rows that the labels, and that the verifier, call correct.
        rows: File -> how many rows it had and a digest of their ids, as `roll_call` writes it.
    """

    fingerprint: str | None = None
    n: int = Field(ge=0)
    agreement: float = Field(ge=0, le=1)
    interval: tuple[float, float] | None = None
    undecided: float | None = Field(default=None, ge=0, le=1)
    ac1: float | None = None
    kappa: float | None = None
    prevalence: tuple[float, float] | None = None
    rows: dict[str, Annotated[str, Field(pattern=r"^[0-9]{1,9}-[0-9a-f]{12}$")]] | None = None


class Entry(_Model):
    """One verifier of a baseline; `pinned`: every row's outcome is golden (default: unless it asks a judge)."""

    pinned: bool | None = None
    margin: float | None = Field(default=None, ge=0, lt=1)
    expected: Expected | None = None


class Baseline(_Model):
    """What a `NAME.gate.toml` says.

    Attributes:
        rows: Files of golden rows, relative to the baseline.
        confidence: Of the one-sided tests.
        margin: How far agreement may fall before it counts as worse; a verifier may have its own.
        verifiers: The verifiers that are compared.
        options: Verifier -> options, as `[verifiers.NAME]` of a suite holds them.
    """

    rows: tuple[str, ...] = Field(min_length=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    margin: float = Field(default=0.01, ge=0, lt=1)
    verifiers: dict[str, Entry] = {}
    options: dict[str, dict[str, Any]] = {}

    def margin_of(self, verifier: str) -> float:
        """The margin that holds for a verifier."""
        own = self.verifiers[verifier].margin
        return self.margin if own is None else own


def read_baseline(path: Path) -> Baseline:
    """The baseline of a file.

    Raises:
        ConfigError: Naming file, field and what is wrong with it.
    """
    try:
        return _parsed(path.read_text("utf-8"), path.name)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None


def _parsed(text: str, name: str) -> Baseline:
    try:
        return Baseline.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    except pydantic.ValidationError as error:
        found = ((".".join(map(str, item["loc"])), item) for item in error.errors())
        raise ConfigError(
            "\n".join(f"{name}: {place}: {item['msg']} (found {item['input']!r:.80})" for place, item in found)
        ) from None


def with_expected(text: str, expected: Mapping[str, Expected], name: str) -> str:
    """The baseline's text with these `[verifiers.NAME.expected]` tables and all else as it was.

    Raises:
        ConfigError: A verifier does not have a `[verifiers.NAME]` table that stands on a line of its own.
    """
    lines = text.removesuffix("\n").split("\n")  # each with its own end: a file of Windows lines stays one
    for verifier, values in expected.items():
        _put_table(lines, verifier, values, name)
    found = "\n".join(lines) + "\n"
    written = {verifier: entry.expected for verifier, entry in _parsed(found, name).verifiers.items()}
    if any(written.get(verifier) != values for verifier, values in expected.items()):
        raise ConfigError(f"{name}: give every verifier a [verifiers.NAME] table, so that its numbers can be written")
    return found


def _put_table(lines: list[str], verifier: str, values: Expected, name: str) -> None:
    end_of_line = "\r" if lines[0].endswith("\r") else ""
    figures = values.model_dump(mode="json", exclude_none=True)
    new = [f"{key} = {toml_value(value)}{end_of_line}" for key, value in figures.items()]
    tables = {table: number for number, line in enumerate(lines, 1) if (table := _table_of(line))}
    if start := tables.get(("verifiers", verifier, "expected")):
        end = start
        while end < len(lines) and re.match(r"\w+ = ", lines[end]):
            end += 1
        lines[start:end] = new
        return
    start = tables.get(("verifiers", verifier))
    if start is None:
        raise ConfigError(
            f"{name}: no table [verifiers.{toml_key(verifier)}], below which its numbers could be written"
        )
    place = min((number - 1 for number in tables.values() if number > start), default=len(lines))
    while place > start and (not lines[place - 1].strip() or lines[place - 1].startswith("#")):
        place -= 1  # what stands right above the next table belongs to it
    header = f"[verifiers.{toml_key(verifier)}.expected]{end_of_line}"
    lines[place:place] = [end_of_line, header, *new]


def _table_of(line: str) -> tuple[str, ...] | None:
    """The keys of a line that opens a table, however it is spelled; None for any other line."""
    if not line.lstrip().startswith("["):
        return None
    try:
        node: Any = tomllib.loads(line.removesuffix("\r"))
    except tomllib.TOMLDecodeError:
        return None
    keys: list[str] = []
    while isinstance(node, dict) and node:
        keys += node
        node = node[keys[-1]]
    return tuple(keys)


def read_rows(path: Path) -> list[GoldenRow]:
    """All golden rows of a JSON-lines file.

    Raises:
        ConfigError: Naming the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    # Bytes, not text lines: a response may hold U+2028, which str.splitlines would split at.
    lines = enumerate(data.split(b"\n"), 1)
    return [read_row(line, f"{path.name}:{number}") for number, line in lines if line.strip()]


def read_row(line: bytes, place: str) -> GoldenRow:
    """The golden row of one line; `place` is named in errors."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(f"{place}: not JSON") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{place}: expected a JSON object, found {type(fields).__name__}")
    for key, optional in (("question", False), ("response", False), ("reference", True), ("problem_id", True)):
        if not isinstance(fields.get(key), str) and not (optional and fields.get(key) is None):
            raise ConfigError(f"{place}: {key}: expected a text, found {fields.get(key)!r:.40}")
    question, reference, response = fields["question"], fields.get("reference"), fields["response"]
    label = fields.get("label", fields.get("expected"))
    if isinstance(label, bool | float | list | dict) or label not in LABELS:
        raise ConfigError(f'{place}: label: expected "correct", "wrong" or null, found {label!r:.40}')
    problem = Problem(
        id=fields.get("problem_id") or problem_id("golden", question),
        question=question,
        reference=reference,
        split="golden",
        source=str(fields.get("origin") or place),
    )
    return GoldenRow(
        id=str(fields.get("id") or row_id(question, reference, response)),
        problem=problem,
        response=response,
        label=LABELS[label],
        outcomes=_outcomes(fields.get("outcomes", {}), place),
        line=line,
    )


def _outcomes(found: Any, place: str) -> dict[str, Outcome]:
    known = [outcome.value for outcome in Outcome]
    if not isinstance(found, dict) or not all(isinstance(v, str) and v in known for v in found.values()):
        raise ConfigError(f"{place}: outcomes: expected verifier -> {', '.join(known)}, found {found!r:.80}")
    return {verifier: Outcome(value) for verifier, value in found.items()}


def row_id(question: str, reference: str | None, response: str) -> str:
    """12 hex digits over what a row says, so that its id outlives its place in the file."""
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


def with_outcomes(row: GoldenRow, said: Mapping[str, Outcome], pinned: Sequence[str]) -> bytes:
    """The row's line with what the verifiers said; of a pinned one only what is not the label, which goes unsaid."""
    kept = {**row.outcomes, **said}
    outcomes = {v: o for v, o in kept.items() if not (v in pinned and v in said and o == row.label)}
    if outcomes == row.outcomes:
        return row.line
    fields = json.loads(row.line)
    ascii_only = row.line.isascii()
    fields.pop("outcomes", None)
    if outcomes:
        fields["outcomes"] = {verifier: outcomes[verifier].value for verifier in sorted(outcomes)}
    end_of_line = b"\r" if row.line.endswith(b"\r") else b""
    return json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") + end_of_line
