"""Problems from files in the shapes that people have, and problems as such files.

Takes a path; gives Problems and a count of what was read, or an error that names the line. A row has a question, and
may have answers (a text, a number, or a list of accepted answers), `data` (an object), `split` and `id`; columns.py
says under which names, file_formats.py in which formats, reference_texts.py what of a solution is the reference. Does
not depend on generators or verifiers.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.benchmark import Benchmark
from restem.benchmarks.columns import QUESTIONS, Columns, narrowed, recognise
from restem.benchmarks.file_formats import read_file
from restem.benchmarks.json_lines import JsonLine
from restem.benchmarks.problem import Problem, as_written, identity, problem_id, split_of
from restem.benchmarks.reference_texts import has_steps, reference_in

FILE = "file"  # the name of the problems of a file
SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
_HALF_PAIR = re.compile("[\ud800-\udfff]")  # a database stores no half of a surrogate pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProblemFile:
    """The problems of a file, and what became of its rows.

    Attributes:
        name: The file's name.
        format: One of the formats of file_formats.py.
        problems: The distinct problems, in file order.
        rows: Number of rows.
        columns: The columns that were recognised.
        repeated: (place, place of the first one) of each row that says what an earlier one says.
        unanswered: The places of problems without a reference.
        references: MARK, BOX or WHOLE -> number of reference texts that stood there.
        named_splits: Number of problems whose rows name their split; the others are divided by a hash.
        solutions: Id -> worked solution, of the problems that have one.
    """

    name: str
    format: str
    problems: Sequence[Problem]
    rows: int
    columns: Columns
    repeated: Sequence[tuple[str, str]]
    unanswered: Sequence[str]
    references: Mapping[str, int]
    named_splits: int
    solutions: Mapping[str, str]


def file_benchmark(path: Path, columns: Mapping[str, str] | None = None, strata: Sequence[str] = ()) -> Benchmark:
    """The problems of a file as a benchmark; see `read_problem_file`."""
    read = functools.cache(lambda: read_problem_file(path, columns, strata))
    return Benchmark(
        name=FILE,
        splits=tuple(SHARES),
        stream=lambda *_: iter(read().problems),
        solution=lambda problem: read().solutions.get(problem.id),
        fixed=True,
    )


def read_problems(path: Path) -> list[Problem]:
    """The distinct problems of a file, in file order.

    Raises:
        ValueError: Naming the file and the line.
    """
    return list(read_problem_file(path).problems)


def read_problem_file(path: Path, columns: Mapping[str, str] | None = None, strata: Sequence[str] = ()) -> ProblemFile:
    """The problems of a file.

    Rows that have the same question and data are one problem; they must agree in their answers and in the split that
    they name.

    Args:
        path: The file.
        columns: `question`, `answer`, `solution`, `id`, `split` or `data` -> its column, where that is not
            recognised by its name.
        strata: The columns that divide the problems into strata.

    Raises:
        ValueError: Naming the file and the line.
    """
    form, rows = read_file(path, QUESTIONS)
    if not rows:
        raise ValueError(f"{path.name}: no problems in it")
    known = recognise(rows, columns, strata, path.name)
    references: Counter[str] = Counter()
    distinct: dict[str, _Row] = {}
    repeated: list[tuple[str, str]] = []
    for line in rows:
        row = _read(narrowed(line, known), known, references)
        earlier = distinct.setdefault(row.identity, row)
        if earlier is not row:
            _check_agreement(earlier, row)
            repeated.append((row.problem.source, earlier.problem.source))
    problems = [row.problem for row in distinct.values()]
    _check_ids(problems)
    return ProblemFile(
        name=path.name,
        format=form,
        problems=problems,
        rows=len(rows),
        columns=known,
        repeated=repeated,
        unanswered=[problem.source for problem in problems if not problem.references],
        references=references,
        named_splits=sum(row.split is not None for row in distinct.values()),
        solutions={row.problem.id: row.solution for row in distinct.values() if row.solution is not None},
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
    """A problem with its identity, and the split and the worked solution that its row names."""

    problem: Problem
    identity: str
    split: str | None
    solution: str | None


def _read(line: JsonLine, columns: Columns, references: Counter[str]) -> _Row:
    question = _question(line, columns.question)
    answers = _answers(line, columns.answer, references)
    data, split = line.json_object(columns.data), line.fields.get(columns.split)
    if split is not None and not (isinstance(split, str) and split in SHARES):
        raise line.unexpected(columns.split, f"one of {', '.join(SHARES)}")
    identifier = line.optional_identifier(columns.id)
    reference, *alternatives = answers or (None,)
    problem = Problem(
        id=problem_id(FILE, question, data, form=as_written) if identifier is None else str(identifier),
        question=question,
        reference=reference,
        split=split or split_of(question, SHARES, salt="file:"),
        source=line.place,
        alternatives=tuple(alternatives),
        data=data,
        strata=_strata(line, columns),
    )
    texts = {columns.id: problem.id, columns.data: json.dumps(data, ensure_ascii=False)}
    for column, text in texts.items():
        _check_unicode(line, column, text)
    known = identity(question, data, form=as_written)
    return _Row(problem=problem, identity=known, split=split, solution=_solution(line, columns))


def _question(line: JsonLine, column: str) -> str:
    """The text of a question, or of the only turn of a conversation."""
    value = line.fields[column]
    if isinstance(value, list):
        turns = [turn.get("content") for turn in value if isinstance(turn, dict)]
        if len(value) != 1 or not turns or not isinstance(turns[0], str):
            raise line.unexpected(column, "a text, or a conversation of one turn")
        line = dataclasses.replace(line, fields={column: turns[0]})
    text = line.text(column)
    if not text.strip():
        raise line.unexpected(column, "a text that is not empty")
    _check_unicode(line, column, text)
    return text


def _answers(line: JsonLine, column: str | None, references: Counter[str]) -> tuple[str, ...]:
    """The accepted answers of a row, each once; none where the column is null, empty or absent."""
    answers: dict[str, None] = {}
    for text in () if column is None else line.answers(column):
        if not text.strip():
            continue
        _check_unicode(line, column or "", text)
        try:
            reference, place = reference_in(text)
        except ValueError as error:
            raise ValueError(f"{line.place}: {column}: {error}") from None
        references[place] += 1
        answers[reference] = None
    return tuple(answers)


def _solution(line: JsonLine, columns: Columns) -> str | None:
    """The worked solution of a row: the text of its own column, or an answer's text that is more than the answer."""
    text = line.fields.get(columns.solution or "")
    if not isinstance(text, str) and columns.answer is not None:
        text = next((each for each in line.answers(columns.answer) if has_steps(each)), None)
    if not isinstance(text, str) or not text.strip() or _HALF_PAIR.search(text):
        return None
    return text.strip()


def _strata(line: JsonLine, columns: Columns) -> dict[str, str]:
    """Name of a stratum -> its value as a text; without one where the value is null."""
    values = {name: line.fields.get(name) for name in columns.strata} or line.json_object("strata")
    for name, value in values.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"{line.place}: {name}: expected a text or a number, found {repr(value)[:40]}")
        _check_unicode(line, name, f"{name}{value}")
    return {name: str(value) for name, value in values.items() if value is not None}


def _check_unicode(line: JsonLine, column: str, text: str) -> None:
    if _HALF_PAIR.search(text):
        raise ValueError(
            f"{line.place}: {column}: expected Unicode text, found half of a surrogate pair in {text!a:.60}"
        )


def _check_agreement(earlier: _Row, later: _Row) -> None:
    """Checks that two rows with one question have one set of answers and one split."""
    places = f"{later.problem.source}: the question of {earlier.problem.source} again"
    before, now = earlier.problem.references, later.problem.references
    if set(before) != set(now):
        raise ValueError(
            f"{places}, with another answer: {_texts(now)} here, {_texts(before)} there; "
            'several accepted answers stand in one row as a list: "answer": ["1/2", "0.5"]'
        )
    if earlier.split != later.split:
        raise ValueError(f"{places}, in another split: {later.split or 'none'} here, {earlier.split or 'none'} there")


def _texts(answers: Sequence[str]) -> str:
    return " or ".join(f"{text!r:.40}" for text in answers) or "none"


def _check_ids(problems: Sequence[Problem]) -> None:
    places: dict[str, str] = {}
    for problem in problems:
        if problem.id in places:
            raise ValueError(f"{problem.source}: id {problem.id!r:.60} stands already at {places[problem.id]}")
        places[problem.id] = problem.source


def write_lines(problems: Sequence[Problem]) -> str:
    """Two lines a problem, as google-deepmind/mathematics_dataset:mathematics_dataset/generate_to_file.py writes."""
    return "".join(f"{problem.question}\n{problem.reference}\n" for problem in problems)


def write_json_lines(problems: Sequence[Problem]) -> str:
    """One JSON object a line, which `read_problems` reads back; `data` and `strata` only where a problem has any."""
    return "".join(json.dumps(_row(problem)) + "\n" for problem in problems)


def _row(problem: Problem) -> dict[str, Any]:
    answer = list(problem.references) if problem.alternatives else problem.reference
    row = {"id": problem.id, "question": problem.question, "answer": answer, "source": problem.source}
    more = {"data": dict(problem.data), "strata": dict(problem.strata)}
    return row | {key: value for key, value in more.items() if value}
