"""Which columns of a file hold question, answer, id, split and data, and what is in them.

Takes the names of a file's columns and those that a suite names; gives `Columns`, or an error where two columns could
be meant. A name may lead into an object by dots: `reward_model.ground_truth`. Depends on json_lines and hints alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.json_lines import JsonLine

QUESTIONS = ("question", "problem", "prompt", "query")
ANSWERS = ("answer", "reference", "final_answer", "expected_answer", "ground_truth", "gold", "target")
SOLUTION = "solution"  # a whole solution; where no column has the answer alone, the answer is what it ends with
FIXED = ("id", "split", "data")
UNUSED = ("source", "strata")  # what `restem generate` writes besides; strata are read, a source is the file itself


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a file.

    Attributes:
        question: The column of the questions.
        answer: That of the answers; None where there is none.
        id: That of the ids.
        split: That of the splits.
        data: That of the data.
        solution: That of worked solutions; None where there is none.
        strata: Those that divide the problems into strata.
        unused: The others.
    """

    question: str
    answer: str | None
    id: str = "id"
    split: str = "split"
    data: str = "data"
    solution: str | None = None
    strata: Sequence[str] = ()
    unused: Sequence[str] = ()


def recognise(
    rows: Sequence[JsonLine], chosen: Mapping[str, str] | None = None, strata: Sequence[str] = (), name: str = "file"
) -> Columns:
    """The columns of these rows.

    Args:
        rows: All rows of a file, at least one.
        chosen: `question`, `answer`, `solution`, `id`, `split` or `data` -> the column that a suite names for it.
        strata: The columns that a suite names for its strata.
        name: The file's name, for errors about all of its rows.

    Raises:
        ValueError: There is no column for questions, there are two for one thing, or a named one is in no row.
    """
    chosen = chosen or {}
    first: dict[str, str] = {}
    for row in rows:
        for column in row.fields:
            first.setdefault(column, row.place)
    for key, column in [*chosen.items(), *(("strata", column) for column in strata)]:
        if column not in first and all(value_at(row, column) is None for row in rows):
            hint = did_you_mean(column, first)
            listed = _listed(first)
            raise ValueError(f"{name}: benchmark.{_key(key)}: no row has a column {column!r}{hint}; there are {listed}")
    question = chosen.get("question") or _only(QUESTIONS, first, "question", name)
    if question is None:
        raise ValueError(
            f"{rows[0].place}: question: expected one of {', '.join(QUESTIONS)}, found {_listed(first)}; "
            'another column is named in the suite: [benchmark] columns = {question = "..."}'
        )
    answer = chosen.get("answer") or _only(ANSWERS, first, "answer", name) or (SOLUTION if SOLUTION in first else None)
    solution = chosen.get("solution") or (SOLUTION if SOLUTION in first else None)
    named = [question, answer or "", solution or "", *(chosen.get(key, key) for key in FIXED), *strata]
    tops = {column if column in first else column.partition(".")[0] for column in named}
    return Columns(
        question=question,
        answer=answer,
        solution=solution,
        strata=tuple(strata),
        unused=tuple(column for column in first if column not in (*tops, *UNUSED)),
        **{key: chosen.get(key, key) for key in FIXED},
    )


def _only(known: Sequence[str], first: Mapping[str, str], key: str, name: str) -> str | None:
    """The known column that is there; None where there is none."""
    present = [column for column in known if column in first]
    if len(present) > 1:
        places = " and ".join(f"{column!r} ({first[column]})" for column in present)
        raise ValueError(
            f'{name}: {key}: {places} could both hold it; say which: [benchmark] columns = {{{key} = "{present[0]}"}}'
        )
    return present[0] if present else None


def _key(key: str) -> str:
    return key if key == "strata" else f"columns.{key}"


def _listed(columns: Iterable[str]) -> str:
    names = [f"{column!r:.40}" for column in columns]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def value_at(row: JsonLine, column: str) -> Any:
    """The value of a column, or of a field within it where dots lead into objects; None where it is absent."""
    if column in row.fields or "." not in column:
        return row.fields.get(column)
    value: Any = row.fields
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def narrowed(row: JsonLine, columns: Columns) -> JsonLine:
    """The row with the columns that are read, under the names that errors use."""
    fixed = (columns.id, columns.split, columns.data)
    names = (columns.question, columns.answer, columns.solution, *fixed, *columns.strata)
    fields = {name: value_at(row, name) for name in names if name is not None}
    if not columns.strata:
        fields["strata"] = row.fields.get("strata")
    return dataclasses.replace(row, fields=fields)
