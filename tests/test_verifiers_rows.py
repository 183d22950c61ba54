"""Rows of a file: which of them are of one problem, and which lines are none."""

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


@given(st.lists(st.tuples(ids, st.none() | ids), max_size=8))
def test_rows_are_of_one_problem_if_and_only_if_they_share_a_problem_id(
    tmp_path_factory: pytest.TempPathFactory, named: Sequence[tuple[Any, Any]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    found = rows(folder, *({"id": id, "problem_id": group} for id, group in named))
    groups = [f"row {n}" if group is None else f"group {group}" for n, (_, group) in enumerate(named)]
    problems = [attempt.problem.id for attempt in found.attempts]
    assert [problems.index(p) for p in problems] == [groups.index(g) for g in groups]
    assert found.ids == tuple(id for id, _ in named)


def test_a_row_alone_keeps_its_id_as_the_problems(tmp_path: Path) -> None:
    found = rows(tmp_path, {"id": "a"}, {"id": 7}, {"id": "b", "problem_id": "p"})
    assert [attempt.problem.id for attempt in found.attempts] == ["a", "7", "p"]


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
