"""JSON lines: what is accepted, and what an error names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.json_lines import BadLine, parse_json_line, read_json_lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
LINES = b'{"a": 1}\n{"a": 2}\n'


class Mine(Exception):
    """Stands for a caller's own class of errors."""


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=5))
def test_what_is_written_a_line_each_reads_back(tmp_path_factory: pytest.TempPathFactory, rows: list[object]) -> None:
    path = tmp_path_factory.mktemp("json") / "rows.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8"))
    assert [line.fields for line in read_json_lines(path)] == rows


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,8})?([eE][-+]?[0-9]{1,3})?", fullmatch=True))
def test_a_number_as_an_answer_is_the_text_that_was_written(number: str) -> None:
    (answer,) = parse_json_line(f'{{"a": {number}}}'.encode(), "here").answers("a")
    assert answer == number.replace("-0", "0") if number == "-0" else answer == number


@pytest.mark.parametrize("number", ["9" * 4_300, "9" * 50_000, "1e400", "-1E-400", "7.50"])
def test_a_number_of_any_size_is_an_answer(number: str) -> None:
    assert parse_json_line(f'{{"a": [{number}]}}'.encode(), "here").answers("a") == (number,)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_of_data_is_the_float_that_json_means(number: float) -> None:
    data = parse_json_line(json.dumps({"a": {"b": number}}).encode(), "here").json_object("a")
    assert data == {"b": number}
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        LINES.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + LINES,
        LINES.replace(b"\n", b"\n \n"),
        LINES.removesuffix(b"\n"),
    ],
    ids=["CRLF", "BOM", "blank lines", "no last newline"],
)
def test_line_ends_and_marks_change_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "rows.jsonl").write_bytes(data)
    assert [line.fields["a"] for line in read_json_lines(tmp_path / "rows.jsonl")] == [1, 2]


def test_blank_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'\n\n{"a": 1}')
    assert [line.place for line in read_json_lines(tmp_path / "rows.jsonl")] == ["rows.jsonl:3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "here: not JSON"),
        (b"[" * 100_000, "here: expected at most 100 lists and objects within one another, found more"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "here: expected at most 100 lists and objects"),
        (b"9" * 5000, "here: expected a JSON object, found number"),
        (b'{"a": 1, "b": {"c": 2, "c": 3}}', "here: field 'c' stands twice"),
        (b"[1]", "here: expected a JSON object, found list"),
        (b'{"a": "\xff"}', "here: not UTF-8 at byte 7"),
    ],
)
def test_a_line_that_is_no_object_is_named(line: bytes, message: str) -> None:
    with pytest.raises(BadLine, match=message):
        parse_json_line(line, "here")


def test_an_unexpected_value_is_named_with_its_field_in_the_callers_class() -> None:
    line = parse_json_line(b'{"a": 3, "b": true}', "here", Mine)
    with pytest.raises(Mine, match="here: a: expected a text, found 3"):
        line.text("a")
    with pytest.raises(Mine, match="here: a: expected a text or null, found 3"):
        line.optional_text("a")
    with pytest.raises(Mine, match="here: b: expected a text or a number, found True"):
        line.identifier("b")
    with pytest.raises(Mine, match="here: c: expected a text, found None"):
        line.text("c")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Mine, match="nothing"):
        list(read_json_lines(tmp_path / "nothing", Mine))


@given(st.text(), st.lists(st.text()))
def test_a_hint_names_a_known_word_or_is_empty(word: str, known: list[str]) -> None:
    hint = did_you_mean(word, known)
    assert hint == "" or any(repr(name) in hint for name in known)


def test_a_known_word_is_its_own_hint() -> None:
    assert did_you_mean("sympi", ["exact", "sympy"]) == " (did you mean 'sympy'?)"
