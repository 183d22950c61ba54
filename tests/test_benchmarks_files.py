"""Problem files: what is accepted, and how a bad line is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.catalog import find_benchmark
from restem.benchmarks.files import read_problem_file, read_problems, write_json_lines, write_lines
from restem.benchmarks.linear_1d import problems
from restem.benchmarks.problem import Problem, canonical_form

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
        (b'{"question": "a"}\n{"question": "b", "split": [1]}\n', r"bad:2: split: expected one of .*, found \[1\]"),
        (b'{"question": "a", "split": {}}\n', r"bad:1: split"),
        (
            b'{"question": "a", "answer": "1"}\n\n{"question": "a", "answer": "2"}\n',
            r"bad:3: the question of bad:1 again",
        ),
        (b'{"question": "a", "answer": "1"}\n{"question": "a"}\n', r"bad:2: the question of bad:1 again"),
        (
            b'{"question": "a", "split": "train"}\n{"question": "a", "split": "test"}\n',
            r"bad:2: the question of bad:1 again, in another split",
        ),
        (b'{"question": "a", "answer": "1", "gold": "1"}\n', r"bad: answer: 'answer' \(bad:1\) and 'gold' \(bad:1\)"),
        (b'{"question": "a"}\n{"prompt": "b"}\n', r"bad: question: 'question' \(bad:1\) and 'prompt' \(bad:2\)"),
        (b'{"qestion": "a"}\n', r"bad:1: question: expected one of question, problem, .*'qestion'"),
        (b'{"question": " "}\n', r"bad:1: question: expected a text that is not empty"),
        (b'{"prompt": [{"content": "a"}, {"content": "b"}]}\n', r"bad:1: prompt: .*conversation of one turn"),
        (b'{"question": "a", "answer": "so\\n####"}\n', r"bad:1: answer: nothing stands behind"),
        (b'{"problem": "a", "solution": "\\\\boxed{1"}\n', r"bad:1: solution: .*does not close"),
        (b'{"question": "a", "answer": "\\udc00"}\n', r"bad:1: answer: expected Unicode text"),
        (b'{"question": "a", "id": "\\udc00"}\n', r"bad:1: id: expected Unicode text"),
        (b'{"question": "a", "data": {"k": "\\udc00"}}\n', r"bad:1: data: expected Unicode text"),
        (b'{"question": "a", "strata": {"level": [1]}}\n', r"bad:1: level: expected a text or a number"),
        (b"question,answer\n", "bad: no problems"),
        (b"[]", "bad: no problems"),
        (b'{"question": "a", "answer": true}\n', r"bad:1: .*answer"),
        (b'{"question": "a", "id": 1}\n{"question": "a b", "id": 1}\n', r"bad:2: id '1' stands already at bad:1"),
        (b"\xff\xfe\n1\n", r"bad:1: not UTF-8"),
        (b'{"question": "a", "answer": ["1", NaN]}\n', r"bad:1: answer: expected .*list"),
        (b'{"question": "a", "data": [1]}\n', r"bad:1: data: expected an object"),
        (b'{"question": "a", "data": {"limit": NaN}}\n', r"bad:1: data: .*finite"),
        (b'{"question": "\\ud800"}\n', r"bad:1: question: expected Unicode text"),
        (b"", "bad: no problems"),
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


def rows(folder: Path, *rows: Mapping[str, object], name: str = "set.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


@given(st.lists(st.text("AB xyz?", min_size=1).filter(str.strip), min_size=1, max_size=8))
def test_no_row_is_lost_without_being_counted(tmp_path_factory: pytest.TempPathFactory, questions: list[str]) -> None:
    file = read_problem_file(rows(tmp_path_factory.getbasetemp(), *({"question": q} for q in questions)))
    assert [p.question.strip() for p in file.problems] == list(dict.fromkeys(q.strip() for q in questions))
    assert len(file.problems) + len(file.repeated) == file.rows == len(questions)


@given(st.lists(st.sampled_from(["Is A taller than B?", "Is B taller than A?", "Is  A taller than C?"]), min_size=1))
def test_questions_that_are_equal_under_renaming_are_several_problems_of_one_split(
    tmp_path_factory: pytest.TempPathFactory, questions: list[str]
) -> None:
    problems_read = read_problems(rows(tmp_path_factory.getbasetemp(), *({"question": q} for q in questions)))
    assert len({p.id for p in problems_read}) == len(problems_read) == len(set(questions))
    splits = {(canonical_form(p.question), p.split) for p in problems_read}
    assert len(splits) == len({form for form, _ in splits})


def test_a_repeated_row_is_counted_with_both_places(tmp_path: Path) -> None:
    row = {"question": "1 + 1?", "answer": 2}
    file = read_problem_file(rows(tmp_path, row, {"question": "2?", "answer": 2}, row))
    assert file.repeated == [("set.jsonl:3", "set.jsonl:1")]


def test_rows_that_list_the_same_answers_in_another_order_agree(tmp_path: Path) -> None:
    file = read_problem_file(
        rows(tmp_path, {"question": "a", "answer": ["1", "2"]}, {"question": "a", "answer": [2, 1]})
    )
    assert [p.references for p in file.problems] == [("1", "2")]


def test_a_missing_reference_and_unused_columns_are_counted(tmp_path: Path) -> None:
    file = read_problem_file(
        rows(tmp_path, {"question": "a", "anwser": "7"}, {"question": "b", "note": "", "anwser": 1})
    )
    assert file.unanswered == ["set.jsonl:1", "set.jsonl:2"]
    assert file.columns.unused == ("anwser", "note")


@pytest.mark.parametrize(
    ("written", "reference"), [("7", "7"), ("7.5", "7.5"), ('"7"', "7"), ("7.50", "7.50"), ("1e3", "1e3")]
)
def test_numbers_and_texts_are_answers_as_they_are_written(tmp_path: Path, written: str, reference: str) -> None:
    (tmp_path / "set.jsonl").write_text(f'{{"question": "a", "answer": {written}}}\n')
    assert [p.reference for p in read_problems(tmp_path / "set.jsonl")] == [reference]


def test_gsm8k_is_read_as_it_is_published(tmp_path: Path) -> None:
    row = {"question": "How many clips?", "answer": "He sold 48/2 = <<48/2=24>>24.\nIn all 1,200.\n#### 1,200"}
    file = read_problem_file(rows(tmp_path, row))
    assert [p.reference for p in file.problems] == ["1200"]
    assert file.references == {"mark": 1}


def test_math_is_read_as_it_is_published(tmp_path: Path) -> None:
    solution = r"We get $\boxed{2}$, or rather $\boxed{\frac{1}{2}}$."
    row = {"problem": "What is $x$?", "level": "Level 5", "type": "Algebra", "solution": solution}
    file = read_problem_file(rows(tmp_path, row), strata=["level", "type"])
    (problem,) = file.problems
    assert problem.reference == r"\frac{1}{2}"
    assert problem.strata == {"level": "Level 5", "type": "Algebra"}
    assert (file.columns.question, file.columns.answer) == ("problem", "solution")
    assert file.columns.unused == ()


def test_an_answer_counts_before_a_solution(tmp_path: Path) -> None:
    file = read_problem_file(rows(tmp_path, {"problem": "a", "solution": "so 7", "answer": "7"}))
    assert [p.reference for p in file.problems] == ["7"]
    assert file.columns.unused == ()


def test_named_columns_lead_into_objects(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "user", "content": "1 + 1?"}], "reward_model": {"ground_truth": "2"}, "extra": {"n": 5}}
    file = read_problem_file(
        rows(tmp_path, row), columns={"answer": "reward_model.ground_truth", "id": "extra.n"}, strata=["extra.n"]
    )
    (problem,) = file.problems
    assert (problem.id, problem.question, problem.reference) == ("5", "1 + 1?", "2")
    assert problem.strata == {"extra.n": "5"}
    assert file.columns.unused == ()


@pytest.mark.parametrize(
    ("columns", "strata", "message"),
    [
        ({"question": "qestion"}, (), r"benchmark\.columns\.question: .*did you mean 'question'"),
        ({"answer": "deep.answer"}, (), r"benchmark\.columns\.answer: no row has a column 'deep\.answer'"),
        ({}, ["levle"], r"benchmark\.strata: no row has a column 'levle' \(did you mean 'level'\?\)"),
    ],
)
def test_a_named_column_that_is_not_there_is_an_error(
    tmp_path: Path, columns: dict[str, str], strata: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"^set\.jsonl: {message}"):
        read_problem_file(rows(tmp_path, {"question": "a", "answer": "1", "level": 2}), columns, strata)


def test_a_stratum_is_absent_where_its_column_is_null(tmp_path: Path) -> None:
    path = rows(tmp_path, {"question": "a", "level": 1}, {"question": "b", "level": None}, {"question": "c"})
    strata = [p.strata for p in read_problem_file(path, strata=["level"]).problems]
    assert strata == [{"level": "1"}, {}, {}]


def test_strata_are_written_and_read_back(tmp_path: Path) -> None:
    written = Problem(id="a", question="q", reference="1", split="test", source="s", strata={"level": "5"})
    (tmp_path / "set.jsonl").write_text(write_json_lines([written]))
    assert [p.strata for p in read_problems(tmp_path / "set.jsonl")] == [{"level": "5"}]
