"""The rows of `restem verify`: JSON lines in, one output object per input row and verifier.

Rows are of one problem where they say so by `problem_id`, and only there: an `id` may repeat, and 1 is not "1".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Attempt, UnknownVerifier, Verdict


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
    alone: list[int] = []
    # Bytes, not text lines: a response may hold U+2028, which str.splitlines would split at.
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            row, attempt = _read_row(f"{path.name}:{number}", line)
            if row.get("problem_id") is None:
                alone.append(len(attempts))
            ids.append(row["id"])
            attempts.append(attempt)
    _set_apart(attempts, alone)
    return Rows(ids=tuple(ids), attempts=tuple(attempts))


def _set_apart(attempts: list[Attempt], alone: Sequence[int]) -> None:
    """Gives the attempts that stand alone a problem each, under the row's id unless another problem has it."""
    apart = set(alone)
    taken = {attempt.problem.id for number, attempt in enumerate(attempts) if number not in apart}
    for number in alone:
        problem = attempts[number].problem
        while problem.id in taken:
            problem = dataclasses.replace(problem, id=f"{problem.id} ({problem.source})")
        taken.add(problem.id)
        attempts[number] = dataclasses.replace(attempts[number], problem=problem)


def _read_row(place: str, line: bytes) -> tuple[dict[str, Any], Attempt]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRow(f"{place}: not JSON") from None
    if not isinstance(row, dict):
        raise BadRow(f"{place}: expected a JSON object, found {type(row).__name__}")
    for field, optional in (("id", False), ("problem_id", True)):
        value = row.get(field)
        if (not isinstance(value, str | int) or isinstance(value, bool)) and not (optional and value is None):
            raise BadRow(f"{place}: {field}: expected a text or a number, found {value!r:.40}")
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
    return row, Attempt(problem=problem, response=row["response"])


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
