"""Problems from files: two lines a problem (question, answer), or JSON lines. Each bad line is named by its number.

A JSON line has `question`, and may have `answer` or `reference`, `split` and `id`. Windows line ends, a byte-order
mark, blank lines and a missing last newline are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.problem import Problem, canonical_form, problem_id, split_of

SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}


def read_problems(path: Path) -> list[Problem]:
    """The problems of a file, each canonical form once, in file order.

    Raises:
        ValueError: Naming the file and the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: not UTF-8 at byte {error.start}") from None
    # Not splitlines(): a question may hold U+2028 and the like.
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise ValueError(f"{path.name}: no problems in it")
    json_lines = lines[0][1].lstrip().startswith("{")
    found = _json_lines(path, lines) if json_lines else _two_lines(path, lines)
    distinct: dict[str, Problem] = {}
    for problem in found:
        distinct.setdefault(canonical_form(problem.question), problem)
    places: dict[str, str] = {}
    for problem in distinct.values():
        if problem.id in places:
            raise ValueError(f"{problem.source}: id {problem.id!r:.60} stands already at {places[problem.id]}")
        places[problem.id] = problem.source
    return list(distinct.values())


def split_problems(problems: Sequence[Problem], counts: Mapping[str, int]) -> dict[str, list[Problem]]:
    """At most `counts[split]` problems of each split, in file order.

    Raises:
        ValueError: A split has no problem at all.
    """
    found = {split: [p for p in problems if p.split == split][:count] for split, count in counts.items()}
    for split, chosen in found.items():
        if not chosen:
            raise ValueError(f"no problem of {len(problems)} falls into the {split} split")
    return found


def _two_lines(path: Path, lines: Sequence[tuple[int, str]]) -> list[Problem]:
    if len(lines) % 2:
        raise ValueError(f"{path.name}:{lines[-1][0]}: a question without an answer (odd number of lines)")
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return [
        _problem(path, number, question.strip(), answer.strip(), None, None)
        for (number, question), (_, answer) in pairs
    ]


def _json_lines(path: Path, lines: Sequence[tuple[int, str]]) -> list[Problem]:
    return [_json_line(path, number, line) for number, line in lines]


def _json_line(path: Path, number: int, line: str) -> Problem:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name}:{number}: not JSON") from None
    if not isinstance(row, dict) or not isinstance(row.get("question"), str):
        raise ValueError(f"{path.name}:{number}: expected an object with a text `question`")
    answer = row.get("answer", row.get("reference"))
    if answer is not None and not isinstance(answer, str | int):
        raise ValueError(f"{path.name}:{number}: `answer` must be a text or a whole number, found {answer!r:.40}")
    split = row.get("split")
    if split is not None and split not in SHARES:
        raise ValueError(f"{path.name}:{number}: `split` must be one of {', '.join(SHARES)}, found {split!r:.40}")
    return _problem(path, number, row["question"], None if answer is None else str(answer), split, row.get("id"))


def _problem(path: Path, number: int, question: str, answer: str | None, split: str | None, id: object) -> Problem:
    return Problem(
        id=str(id) if id is not None else problem_id("file", question),
        question=question,
        reference=answer,
        split=split or split_of(question, SHARES, salt="file:"),
        source=f"{path.name}:{number}",
    )


def write_lines(problems: Sequence[Problem]) -> str:
    """Two lines a problem, as google-deepmind/mathematics_dataset:mathematics_dataset/generate_to_file.py writes."""
    return "".join(f"{problem.question}\n{problem.reference}\n" for problem in problems)


def write_json_lines(problems: Sequence[Problem]) -> str:
    """One JSON object a line, which `read_problems` reads back."""
    return "".join(
        json.dumps({"id": p.id, "question": p.question, "answer": p.reference, "source": p.source}) + "\n"
        for p in problems
    )
