"""Problem files: what is accepted, and how a bad line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from restem.benchmarks.catalog import find_benchmark
from restem.benchmarks.files import read_problems, write_json_lines, write_lines
from restem.benchmarks.linear_1d import problems
from restem.benchmarks.problem import Problem

PLAIN = b"Solve 2*x = 4 for x.\n2\nSolve 3*y = 9 for y.\n3\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\nSolve", b"\n\n\nSolve"),
        PLAIN.rstrip(b"\n"),
        PLAIN.replace(b"\n", b"  \n"),
    ],
    ids=["CRLF", "BOM", "blank lines", "no last newline", "trailing spaces"],
)
def test_line_ends_and_blanks_change_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "plain.txt").write_bytes(PLAIN)
    (tmp_path / "other.txt").write_bytes(data)
    plain, other = read_problems(tmp_path / "plain.txt"), read_problems(tmp_path / "other.txt")
    assert [(p.id, p.question, p.reference) for p in plain] == [(p.id, p.question, p.reference) for p in other]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PLAIN + b"Solve 4*z = 8 for z.\n", r"bad:5: .*odd"),
        (b'{"question": "a", "answer": "1"}\n{"question": 3}\n', r"bad:2: .*question"),
        (b'{"question": "a"}\nnot json\n', r"bad:2: not JSON"),
        (b'{"question": "a", "split": "dev"}\n', r"bad:1: .*split"),
        (b'{"question": "a", "answer": true}\n', r"bad:1: .*answer"),
        (b'{"question": "a", "id": 1}\n{"question": "a b", "id": 1}\n', r"bad:2: id '1' stands already at bad:1"),
        (b"\xff\xfe\n1\n", r"bad:1: not UTF-8"),
        (b'{"question": "a", "answer": ["1", NaN]}\n', r"bad:1: answer: expected .*list"),
        (b'{"question": "a", "data": [1]}\n', r"bad:1: data: expected an object"),
        (b'{"question": "a", "data": {"limit": NaN}}\n', r"bad:1: data: .*finite"),
        (b'{"question": "\\ud800"}\n', r"bad:1: question: expected Unicode text"),
        (b"\n\n", "no problems"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_problems(tmp_path / "bad")


@pytest.mark.parametrize("write", [write_lines, write_json_lines])
def test_what_is_written_reads_back(tmp_path: Path, write: object) -> None:
    generated = problems(0, "train-easy", {"test": 6})["test"]
    (tmp_path / "set").write_text(write(generated))  # type: ignore[operator]
    # Splits are decided on reading, so that a generated file can be a benchmark of its own.
    problems_read = read_problems(tmp_path / "set")
    assert [(p.question, p.reference) for p in problems_read] == [(p.question, p.reference) for p in generated]


def test_a_question_may_hold_a_unicode_line_separator(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_bytes('{"question": "a\u2028b", "answer": "1"}\n'.encode())
    assert [p.question for p in read_problems(tmp_path / "set.jsonl")] == ["a\u2028b"]


def test_a_split_without_problems_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"question": "a", "split": "train"}\n')
    with pytest.raises(ValueError, match="test split"):
        find_benchmark("file", tmp_path / "set.jsonl").problems(0, None, {"train": 1, "test": 1})


def test_a_split_of_a_file_may_have_fewer_problems_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"question": "1+1", "split": "train"}\n{"question": "2+2", "split": "test"}\n')
    splits = find_benchmark("file", tmp_path / "set.jsonl").problems(0, None, {"train": 5, "test": 5})
    assert {split: [p.question for p in chosen] for split, chosen in splits.items()} == {
        "train": ["1+1"],
        "test": ["2+2"],
    }


def test_a_list_of_answers_gives_a_reference_and_alternatives(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"question": "Name a prime.", "answer": ["2", 3, "2"]}\n')
    assert [p.references for p in read_problems(tmp_path / "set.jsonl")] == [("2", "3")]


def test_problems_that_differ_in_data_alone_are_two(tmp_path: Path) -> None:
    rows = ['{"question": "Sort.", "data": {"tests": [1]}}', '{"question": "Sort.", "data": {"tests": [2]}}']
    (tmp_path / "set.jsonl").write_text("\n".join([*rows, rows[0]]))
    first, second = read_problems(tmp_path / "set.jsonl")
    assert (first.data, second.data) == ({"tests": [1]}, {"tests": [2]})
    assert first.id != second.id
    assert first.split == second.split


def test_alternatives_and_data_are_written_and_read_back(tmp_path: Path) -> None:
    written = Problem(
        id="a", question="q", reference="1", split="test", source="s", alternatives=("one",), data={"k": [1]}
    )
    (tmp_path / "set.jsonl").write_text(write_json_lines([written]))
    [problem] = read_problems(tmp_path / "set.jsonl")
    assert (problem.id, problem.references, problem.data) == ("a", ("1", "one"), {"k": [1]})
