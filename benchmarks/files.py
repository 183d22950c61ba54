"""Problems from files: two lines a problem (question, answer), or JSON lines; and problems as such files.

Takes a path; gives Problems, or an error that names the line. A JSON line has `question`, and may have `answer` or
`reference` (a text, a number, or a list of accepted answers), `data` (an object), `split` and `id`. Windows line
ends, a byte-order mark, blank lines and a missing last newline are accepted. Depends on nothing but problem and
json_lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.json_lines import JsonLine, parse_json_line, read_lines
from restem.benchmarks.problem import Problem, identity, problem_id, split_of

SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
Line = tuple[str, bytes]


def read_problems(path: Path) -> list[Problem]:
    """The problems of a file, equal ones once, in file order.

    Raises:
        ValueError: Naming the file and the line.
    """
    lines = list(read_lines(path, ValueError))
    if not lines:
        raise ValueError(f"{path.name}: no problems in it")
    is_json = lines[0][1].lstrip().startswith(b"{")
    distinct: dict[str, Problem] = {}
    for problem in _from_json_lines(lines) if is_json else _from_two_lines(lines):
        distinct.setdefault(identity(problem.question, problem.data), problem)
    places: dict[str, str] = {}
    for problem in distinct.values():
        if problem.id in places:
            raise ValueError(f"{problem.source}: id {problem.id!r:.60} stands already at {places[problem.id]}")
        places[problem.id] = problem.source
    return list(distinct.values())


def _from_two_lines(lines: Sequence[Line]) -> list[Problem]:
    if len(lines) % 2:
        raise ValueError(f"{lines[-1][0]}: a question without an answer (odd number of lines)")
    texts = [(place, _text(line, place).strip()) for place, line in lines]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return [_problem(place, question, (answer,)) for (place, question), (_, answer) in pairs]


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: not UTF-8 at byte {error.start}") from None


def _from_json_lines(lines: Sequence[Line]) -> list[Problem]:
    return [_from_json_line(parse_json_line(line, place, ValueError)) for place, line in lines]


def _from_json_line(line: JsonLine) -> Problem:
    question, split, identifier = line.text("question"), line.fields.get("split"), line.optional_identifier("id")
    if re.search("[\ud800-\udfff]", question):  # a database stores no half of a surrogate pair
        raise line.unexpected("question", "Unicode text")
    if split is not None and split not in SHARES:
        raise line.unexpected("split", f"one of {', '.join(SHARES)}")
    return _problem(
        line.place,
        question,
        line.answers("answer" if "answer" in line.fields else "reference"),
        data=line.json_object("data"),
        split=split,
        id=None if identifier is None else str(identifier),
    )


def _problem(
    place: str,
    question: str,
    answers: Sequence[str],
    *,
    data: Mapping[str, Any] | None = None,
    split: str | None = None,
    id: str | None = None,
) -> Problem:
    reference, *alternatives = answers or (None,)
    return Problem(
        id=problem_id("file", question, data) if id is None else id,
        question=question,
        reference=reference,
        split=split or split_of(question, SHARES, salt="file:"),
        source=place,
        alternatives=tuple(alternatives),
        data=data or {},
    )


def write_lines(problems: Sequence[Problem]) -> str:
    """Two lines a problem, as google-deepmind/mathematics_dataset:mathematics_dataset/generate_to_file.py writes."""
    return "".join(f"{problem.question}\n{problem.reference}\n" for problem in problems)


def write_json_lines(problems: Sequence[Problem]) -> str:
    """One JSON object a line, which `read_problems` reads back; `data` only where a problem has any."""
    return "".join(json.dumps(_row(problem)) + "\n" for problem in problems)


def _row(problem: Problem) -> dict[str, Any]:
    answer = list(problem.references) if problem.alternatives else problem.reference
    row = {"id": problem.id, "question": problem.question, "answer": answer, "source": problem.source}
    return row | ({"data": dict(problem.data)} if problem.data else {})
