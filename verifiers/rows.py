"""The rows of `restem verify`: JSON lines in, one output object per input row and verifier.

Takes a file; gives its rows as attempts, in order, or an error that names the line. Rows belong to one problem if and
only if they share a `problem_id`; an `id` may repeat, and the output returns it as it is. Does not depend on any
verifier.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.json_lines import JsonLine, read_json_lines
from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict

# The labels of the golden rows of `restem gate`, which are outcomes.
_LABELS = {Outcome.CORRECT.value: 1, Outcome.WRONG.value: 0, Outcome.UNDECIDED.value: None}
FIELDS = ("id", "problem_id", "question", "reference", "response", "label", "data")


class BadRow(UnknownVerifier):
    """An input line is not a row; the message names its number. The user's mistake: nothing has been verified."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a file, in its order.

    Attributes:
        ids: The `id` of each row, as the file has it.
        attempts: The attempt of each row.
        labels: The `label` of each row, 1 for a right response and 0 for a wrong one; None for an unlabelled row.
        unknown: The names of the fields that are not `FIELDS`.
    """

    ids: tuple[str | int, ...]
    attempts: tuple[Attempt, ...]
    labels: tuple[int | None, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def unanswered(self) -> list[str]:
        """The places of the rows without a reference."""
        problems = [attempt.problem for attempt in self.attempts]
        return [problem.source for problem in problems if not problem.references]

    def batches(self, size: int) -> Iterator[list[int]]:
        """Row numbers in batches of about `size`: each problem in one batch, problems in order of appearance."""
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
        BadRow: There is no row, or a line is none; the message names it, the field, and the value that was expected.
    """
    lines = list(read_json_lines(path, BadRow))
    if not lines:
        raise BadRow(f"{path.name}: no rows in it")
    attempts = [_attempt(line) for line in lines]
    _separate(attempts, [number for number, line in enumerate(lines) if line.fields.get("problem_id") is None])
    fields = dict.fromkeys(field for line in lines for field in line.fields)
    return Rows(
        ids=tuple(line.identifier("id") for line in lines),
        attempts=tuple(attempts),
        labels=tuple(_label(line) for line in lines),
        unknown=tuple(field for field in fields if field not in FIELDS),
    )


def _separate(attempts: list[Attempt], alone: Sequence[int]) -> None:
    """Gives each row without `problem_id` a separate problem: under the row's id, unless another problem has it."""
    separate = set(alone)
    taken = {attempt.problem.id for number, attempt in enumerate(attempts) if number not in separate}
    for number in alone:
        problem = attempts[number].problem
        while problem.id in taken:
            problem = dataclasses.replace(problem, id=f"{problem.id} ({problem.source})")
        taken.add(problem.id)
        attempts[number] = dataclasses.replace(attempts[number], problem=problem)


def _attempt(line: JsonLine) -> Attempt:
    identifier, group = line.identifier("id"), line.optional_identifier("problem_id")
    question, response = line.text("question"), line.text("response")
    reference, *alternatives = line.answers("reference") or (None,)
    problem = Problem(
        id=str(identifier if group is None else group),
        question=question,
        reference=reference,
        split="test",
        source=line.place,
        alternatives=tuple(alternatives),
        data=line.json_object("data"),
    )
    return Attempt(problem=problem, response=response)


def _label(line: JsonLine) -> int | None:
    label = line.fields.get("label")
    if isinstance(label, str) and label in _LABELS:
        return _LABELS[label]
    if label is None or (isinstance(label, int) and label in (0, 1)):
        return None if label is None else int(label)
    raise line.unexpected("label", "1 for a right response, 0 for a wrong one, or null")


def output_row(id: Any, verifier: str, verdict: Verdict) -> dict[str, Any]:
    """One line of verdicts, with the fields that outside scripts rely on; `raw_reward` where the verifier is graded."""
    graded = {} if verdict.raw_reward is None else {"raw_reward": verdict.raw_reward}
    return {
        "id": id,
        "verifier": verifier,
        "outcome": verdict.outcome.value,
        "reward": verdict.reward,
        "score": verdict.score,
        **graded,
        "answer": verdict.answer,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 6),
        "cost_usd": verdict.cost_usd,
    }
