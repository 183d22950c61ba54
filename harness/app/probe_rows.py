"""The queries of a search as JSON lines: written, and read again.

Takes the rows of a search; gives lines that `restem verify --input` scores as well: `id`, `problem_id`, `question`,
`reference`, `response` and `label` are its fields, the others say how the text was made and what came of it. Does not
depend on verifiers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from restem.benchmarks.attacks.ledger import Asked, Query, Reply
from restem.benchmarks.attacks.recipe import Kind, Recipe
from restem.benchmarks.json_lines import JsonLine, read_json_lines
from restem.benchmarks.problem import Problem
from restem.harness.errors import ConfigError

OUTCOMES = {True: "correct", False: "wrong", None: "undecided"}
ACCEPTED = {outcome: accepted for accepted, outcome in OUTCOMES.items()}
_LABELS = {Kind.RIGHT: 1, Kind.BAD: 0, Kind.UNREADABLE: 0}


def write_rows(rows: Iterable[Asked], verifier: str) -> str:
    """One line a row."""
    return "".join(f"{json.dumps(_fields(row, verifier, place))}\n" for place, row in enumerate(rows, 1))


def _fields(row: Asked, verifier: str, place: int) -> dict[str, Any]:
    query, reply, problem = row.query, row.reply, row.query.problem
    references = list(problem.references)
    return {
        "id": f"{verifier}/{place}",
        "verifier": verifier,
        "query": row.number,
        "phase": query.phase,
        "kind": query.kind.value,
        "recipe": str(query.recipe),
        "problem_id": problem.id,
        "question": problem.question,
        "reference": references[0] if len(references) == 1 else references,
        **({"data": dict(problem.data)} if problem.data else {}),
        "response": query.text,
        "label": _LABELS.get(query.kind),
        "outcome": OUTCOMES[reply.accepted],
        "reward": reply.pay,
        "score": reply.guide,
        "reason": reply.reason,
    }


def read_rows(path: Path) -> dict[str, list[Asked]]:
    """Verifier -> its rows, in the order of the file.

    Raises:
        ConfigError: A line is not such a row; the message names it.
    """
    rows: dict[str, list[Asked]] = {}
    for line in read_json_lines(path, ConfigError):
        rows.setdefault(line.text("verifier"), []).append(_asked(line))
    if not rows:
        raise ConfigError(f"{path.name}: no rows in it: expected the file that `restem probe --output` wrote")
    return rows


def _asked(line: JsonLine) -> Asked:
    number = line.identifier("query")
    if not isinstance(number, int):
        raise line.unexpected("query", "a whole number")
    kind, outcome = line.text("kind"), line.text("outcome")
    if kind not in list(Kind):
        raise line.unexpected("kind", f"one of {', '.join(Kind)}")
    if outcome not in ACCEPTED:
        raise line.unexpected("outcome", f"one of {', '.join(ACCEPTED)}")
    references = line.answers("reference")
    problem = Problem(
        id=str(line.identifier("problem_id")),
        question=line.text("question"),
        reference=references[0] if references else None,
        split="test",
        source=line.place,
        alternatives=references[1:],
        data=line.json_object("data"),
    )
    query = Query(
        phase=line.text("phase"),
        problem=problem,
        recipe=Recipe.read(line.text("recipe")),
        kind=Kind(kind),
        text=line.text("response"),
    )
    reply = Reply(
        pay=_number(line, "reward"),
        guide=_number(line, "score"),
        accepted=ACCEPTED[outcome],
        reason=line.optional_text("reason"),
    )
    return Asked(number=number, query=query, reply=reply)


def _number(line: JsonLine, field: str) -> float | None:
    value = line.fields.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise line.unexpected(field, "a finite number or null")
    return float(value)
