"""The rows of `restem verify`: JSON lines in, one output object per input row and verifier."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.problem import Problem
from verifiers.verdict import Attempt, UnknownVerifier, Verdict


class BadRow(UnknownVerifier):
    """An input line is not a row; the message names its number. Asked wrongly: nothing was done."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a file, in its order."""

    ids: tuple[Any, ...]
    attempts: tuple[Attempt, ...]

    def batches(self, size: int) -> Iterator[list[int]]:
        """Row numbers in batches of about `size`, all rows of a problem in one, in the order problems first appear."""
        problems: dict[str, list[int]] = {}
        for number, attempt in enumerate(self.attempts):
            problems.setdefault(attempt.problem.id, []).append(number)
        batch: list[int] = []
        for numbers in problems.values():
            batch += numbers
            if len(batch) >= size:
                yield batch
                batch = []
        if batch:
            yield batch


def read_rows(path: Path) -> Rows:
    """All rows of a JSON-lines file.

    Raises:
        BadRow: Naming the line; nothing has been verified then.
    """
    ids: list[Any] = []
    attempts: list[Attempt] = []
    # Bytes, not text lines: a response may hold U+2028, which str.splitlines would split at.
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            id, attempt = _read_row(f"{path.name}:{number}", line)
            ids.append(id)
            attempts.append(attempt)
    return Rows(ids=tuple(ids), attempts=tuple(attempts))


def _read_row(place: str, line: bytes) -> tuple[Any, Attempt]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRow(f"{place}: not JSON") from None
    if not isinstance(row, dict):
        raise BadRow(f"{place}: expected a JSON object, found {type(row).__name__}")
    if not isinstance(row.get("id"), str | int):
        raise BadRow(f"{place}: id: expected a text or a number, found {row.get('id')!r:.40}")
    for field in ("question", "response"):
        if not isinstance(row.get(field), str):
            raise BadRow(f"{place}: {field}: expected a text, found {row.get(field)!r:.40}")
    reference = row.get("reference")
    if reference is not None and not isinstance(reference, str):
        raise BadRow(f"{place}: reference: expected a text or null, found {reference!r:.40}")
    group = row.get("problem_id")
    problem = Problem(
        id=str(row["id"] if group is None else group),
        question=row["question"],
        reference=reference,
        split="test",
        source=place,
    )
    return row["id"], Attempt(problem=problem, response=row["response"])


def output_row(id: Any, verifier: str, verdict: Verdict) -> dict[str, Any]:
    """One line of verdicts, with the fields that outside scripts rely on."""
    return {
        "id": id,
        "verifier": verifier,
        "outcome": verdict.outcome.value,
        "reward": verdict.reward,
        "score": verdict.score,
        "answer": verdict.answer,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 6),
        "cost_usd": verdict.cost_usd,
    }
