"""The formats of problem files: one set of rows comes out of all of them, and an error names file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.file_formats import read_file

# A cell of white space alone is a missing value in CSV, so every cell here has a letter in it.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0")).map(lambda text: f"a{text}")
ROWS = st.lists(st.fixed_dictionaries({"question": CELLS, "answer": CELLS}), min_size=1, max_size=5)
QUESTIONS = ("question",)


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def json_list(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, indent=2).encode()


def comma_separated(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet as format

    sink = pyarrow.BufferOutputStream()
    format.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


WRITERS = {"set.jsonl": json_lines, "set.json": json_list, "set.csv": comma_separated, "set.parquet": parquet}


def read(folder: Path, name: str, data: bytes) -> list[dict[str, Any]]:
    (folder / name).write_bytes(data)
    return [dict(row.fields) for row in read_file(folder / name, QUESTIONS)[1]]


@pytest.mark.parametrize("name", WRITERS)
@given(rows=ROWS)
def test_rows_written_in_any_format_read_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[dict[str, Any]]
) -> None:
    assert read(tmp_path_factory.getbasetemp(), name, WRITERS[name](rows)) == rows


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_a_compressed_file_is_the_file(tmp_path: Path, name: str, write: Callable[..., bytes]) -> None:
    rows = [{"question": "1 + 1?", "answer": "2"}]
    assert read(tmp_path, f"{name}.gz", gzip.compress(write(rows))) == rows


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_the_content_tells_the_format_whatever_the_name(tmp_path: Path, name: str, write: Callable[..., bytes]) -> None:
    rows = [{"question": "1 + 1?", "answer": "2"}]
    assert read(tmp_path, "problems", write(rows)) == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_has_any_usual_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = [{"question": "a, b; c\td", "answer": "2"}]
    assert read(tmp_path, "set.csv", comma_separated(rows, delimiter)) == rows


def test_a_question_in_two_lines_may_hold_commas_and_brackets(tmp_path: Path) -> None:
    rows = read(tmp_path, "set.txt", b"[1, 2] reversed, as a list?\n[2, 1]\nQuestion, anyone?\n7\n")
    assert [row["question"] for row in rows] == ["[1, 2] reversed, as a list?", "Question, anyone?"]


def test_an_empty_cell_is_null_and_an_empty_row_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, "set.csv", b"question,answer\na,\n,\n\nb,2\n") == [
        {"question": "a", "answer": None},
        {"question": "b", "answer": "2"},
    ]


@pytest.mark.parametrize(
    ("name", "data", "places"),
    [
        ("s.csv", b'question,answer\n"two\nlines",1\nb,2\n', ["s.csv:2", "s.csv:4"]),
        (
            "s.json",
            b'[\n{"question": "a"},\n\n{"question":\n"b"}, {"question": "c"}]',
            ["s.json:2", "s.json:4", "s.json:5"],
        ),
        ("s.jsonl", b'\n{"question": "a"}\n\n{"question": "b"}', ["s.jsonl:2", "s.jsonl:4"]),
        ("s", b"\na\n1\n\nb\n2", ["s:2", "s:5"]),
    ],
)
def test_a_place_is_the_line_on_which_a_row_begins(tmp_path: Path, name: str, data: bytes, places: list[str]) -> None:
    (tmp_path / name).write_bytes(data)
    assert [row.place for row in read_file(tmp_path / name, QUESTIONS)[1]] == places


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("bad.csv", b"question,answer\na,1\nb,2,3\n", "bad.csv:3: expected 2 cells"),
        ("bad.csv", b"question,answer\na\n", "bad.csv:2: expected 2 cells"),
        ("bad.csv", b'question,answer\n"a,1\n', "bad.csv:2: not CSV"),
        ("bad.csv", b"question,question\na,1\n", "bad.csv:1: column 'question' stands twice"),
        ("bad.csv", b"question,answer\n\xff,1\n", "bad.csv:2: not UTF-8 at byte 0"),
        ("bad.json", b'[{"question": "a"},\n 7]', "bad.json:2: expected a JSON object, found int"),
        ("bad.json", b'[{"question": "a"}\n{"question": "b"}]', "bad.json:2: not JSON: expected a comma"),
        ("bad.json", b'[{"question": "a"},\n]', "bad.json:2: not JSON"),
        ("bad.json", b'[{"question": "a"}', "bad.json:1: not JSON"),
        ("bad.json", b'[{"question":\n "a", "question": "b"}]', "bad.json:1: field 'question' stands twice"),
        ("bad.json", b'[{"question": "a"}]\n\nx', "bad.json:3: not JSON: 'x' stands behind the list"),
        ("bad.json", b"[" * 100_000, "bad.json:1: expected at most 100 lists and objects"),
        ("bad.jsonl", b'{"question": "a", "question": "b"}', "bad.jsonl:1: field 'question' stands twice"),
        ("bad", b"a\n1\nb", "bad:3: a question without an answer"),
        ("bad.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:-9], "bad.jsonl.gz: a damaged gzip file"),
        ("bad.parquet", b"PAR1 and nothing more", "bad.parquet: not a Parquet file"),
    ],
)
def test_what_is_damaged_is_named_with_its_line(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"^{message}"):
        read_file(tmp_path / name, QUESTIONS)


def test_parquet_without_its_extra_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r'^set.parquet: .*pip install "restem-harness\[parquet\]"'):
        read_file(tmp_path / "set.parquet", QUESTIONS)


def test_numbers_of_parquet_have_the_fewest_digits_that_keep_them(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet as format

    # A column of whole numbers with a gap is one of floats in pandas.
    columns = {"question": ["a", "b"], "gap": [72.0, None], "long": [0.1, 2.5]}
    table = pyarrow.table({**columns, "short": pyarrow.array([0.1, 2.5], pyarrow.float32())})
    format.write_table(table, tmp_path / "set.parquet")
    first, second = (row.fields for row in read_file(tmp_path / "set.parquet", QUESTIONS)[1])
    assert [str(first[name]) for name in ("gap", "long", "short")] == ["72", "0.1", "0.1"]
    assert second["gap"] is None
