"""Rows of a file: which of them belong to one problem, their references, data and labels, and invalid lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.rows import BadRow, Rows, read_rows

ids = st.sampled_from(["a", "b", "1", 1, 2, "a (rows.jsonl:1)", "a (rows.jsonl:2)"])


def rows(folder: Path, *fields: dict[str, Any]) -> Rows:
    path = folder / "rows.jsonl"
    given = ({"id": "a", "question": "q", "reference": "1", "response": "1"} | more for more in fields)
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return read_rows(path)


@given(st.lists(st.tuples(ids, st.none() | ids), min_size=1, max_size=8))
def test_rows_are_of_one_problem_if_and_only_if_they_share_a_problem_id(
    tmp_path_factory: pytest.TempPathFactory, named: Sequence[tuple[Any, Any]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    read = rows(folder, *({"id": id, "problem_id": group} for id, group in named))
    groups = [f"row {n}" if group is None else f"group {group}" for n, (_, group) in enumerate(named)]
    problems = [attempt.problem.id for attempt in read.attempts]
    assert [problems.index(p) for p in problems] == [groups.index(g) for g in groups]
    assert read.ids == tuple(id for id, _ in named)


def test_a_row_without_problem_id_gives_its_id_to_its_problem(tmp_path: Path) -> None:
    read = rows(tmp_path, {"id": "a"}, {"id": 7}, {"id": "b", "problem_id": "p"})
    assert [attempt.problem.id for attempt in read.attempts] == ["a", "7", "p"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", True),
        ("id", None),
        ("id", 1.5),
        ("id", []),
        ("problem_id", False),
        ("problem_id", 0.5),
        ("problem_id", {}),
    ],
)
def test_an_id_is_a_text_or_a_whole_number(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(BadRow, match=f"rows.jsonl:2: {field}: expected a text or a number"):
        rows(tmp_path, {}, {field: value})


@pytest.mark.parametrize(
    ("reference", "texts"),
    [
        ("7", ("7",)),
        (7, ("7",)),
        (-0.5, ("-0.5",)),
        (1e30, ("1e+30",)),
        (None, ()),
        ([], ()),
        (["7", "seven", 7, 7.5], ("7", "seven", "7.5")),
    ],
)
def test_a_reference_is_a_text_a_number_a_list_of_them_or_null(
    tmp_path: Path, reference: Any, texts: tuple[str, ...]
) -> None:
    (attempt,) = rows(tmp_path, {"reference": reference}).attempts
    assert attempt.problem.references == texts


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_as_reference_keeps_its_value(tmp_path_factory: pytest.TempPathFactory, number: float) -> None:
    (attempt,) = rows(tmp_path_factory.getbasetemp(), {"reference": number}).attempts
    assert float(attempt.problem.reference or "") == float(number)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", True),
        ("reference", {"a": 1}),
        ("reference", ["7", None]),
        ("reference", [["7"]]),
        ("reference", float("nan")),
        ("data", ["a"]),
        ("data", "a"),
        ("data", {"a": float("inf")}),
        ("label", 2),
        ("label", "right"),
        ("label", 1.0),
        ("question", None),
        ("response", 7),
    ],
)
def test_an_invalid_field_is_named_with_its_line(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(BadRow, match=f"^rows.jsonl:2: {field}: expected .*, found "):
        rows(tmp_path, {}, {field: value})


def test_data_reaches_the_problem(tmp_path: Path) -> None:
    read = rows(tmp_path, {"data": {"tests": [1, {"a": None}]}}, {"data": None}, {})
    assert [attempt.problem.data for attempt in read.attempts] == [{"tests": [1, {"a": None}]}, {}, {}]


@pytest.mark.parametrize(
    ("written", "text"), [("7", "7"), ("7.50", "7.50"), ('"7"', "7"), ("1e3", "1e3"), ("9" * 5000,) * 2]
)
def test_a_number_as_reference_is_the_text_that_was_written(tmp_path: Path, written: str, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"id": 1, "question": "q", "reference": {written}, "response": "r"}}')
    assert [attempt.problem.references for attempt in read_rows(path).attempts] == [(text,)]


def test_rows_without_a_reference_are_named(tmp_path: Path) -> None:
    assert rows(tmp_path, {}, {"reference": None, "gold": "1"}, {"reference": []}).unanswered == [
        "rows.jsonl:2",
        "rows.jsonl:3",
    ]


def test_a_file_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"rows\.jsonl: no rows"):
        rows(tmp_path)


def test_labels_and_unknown_fields_are_reported(tmp_path: Path) -> None:
    read = rows(
        tmp_path,
        {"label": 1, "colour": "red"},
        {"label": 0, "size": 3},
        {"label": None, "colour": 1},
        {"label": "wrong"},
    )
    assert read.labels == (1, 0, None, 0)
    assert read.unknown == ("colour", "size")


@pytest.mark.parametrize("line", [b"{", b"[]", b"7", b"\xff", b"[" * 10_000])
def test_a_line_that_is_no_json_object_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": 1, "question": "q", "response": "r"}\n\n' + line)
    with pytest.raises(BadRow, match=r"^rows.jsonl:3: "):
        read_rows(path)
