"""Worked solutions of benchmarks: right by the gold, with steps that hold, and those of files as they are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from restem.benchmarks.benchmark import Benchmark, Regime
from restem.benchmarks.catalog import find_benchmark, mixture_of
from restem.benchmarks.files import file_benchmark
from restem.benchmarks.linear_equations import check_steps, is_question
from restem.benchmarks.problem import Problem
from restem.benchmarks.reference_texts import has_steps
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome

NAMES = (
    *("linear_1d", "algebra__linear_1d", "arithmetic__add_or_sub", "comparison__kth_biggest"),
    "polynomials__collect",
)
COUNT = 150
CASES = [(name, regime) for name in NAMES for regime in (*find_benchmark(name).regimes, (1.0, 3.0))]


def drawn(benchmark: Benchmark, regime: Regime, count: int = COUNT) -> list[Problem]:
    stream = benchmark.stream(3, regime)
    return [next(stream) for _ in range(count)]


def solved(benchmark: Benchmark, problems: Sequence[Problem]) -> list[Attempt]:
    assert benchmark.solution is not None
    texts = {problem.id: benchmark.solution(problem) for problem in problems}
    return [Attempt(problem=problem, response=text) for problem in problems if (text := texts[problem.id]) is not None]


@pytest.mark.parametrize(("name", "regime"), CASES)
def test_a_built_in_solution_is_right_by_the_gold_and_its_steps_hold(name: str, regime: Regime) -> None:
    benchmark = find_benchmark(name)
    attempts = solved(benchmark, drawn(benchmark, regime))
    assert len(attempts) == COUNT
    verdicts = catalog.build(benchmark.gold, {}).verify(attempts)
    assert [a.response for a, v in zip(attempts, verdicts, strict=True) if v.outcome is not Outcome.CORRECT] == []
    of_equations = [attempt for attempt in attempts if is_question(attempt.problem.question)]
    assert [a.response for a in of_equations if check_steps(a.problem.question, a.response) != "hold"] == []


def test_an_equation_that_says_its_answer_is_solved_with_a_step() -> None:
    problem = Problem(id="linear_1d/1", question="Solve k = -6 for k.", reference="-6", split="train", source="here")
    (attempt,) = solved(find_benchmark("linear_1d"), [problem])
    assert attempt.response == "k = -6/1\nk = -6"


def test_a_mixture_solves_the_problems_of_its_parts_that_have_solutions() -> None:
    mixed = mixture_of({"linear_1d": "default", "numbers__gcd": "default"})
    problems = mixed.problems(0, None, {"train": 8})["train"]
    attempts = solved(mixed, problems)
    assert {attempt.problem.id.partition("/")[0] for attempt in attempts} == {"linear_1d"}
    assert len(attempts) == 4


def test_benchmarks_without_worked_solutions_say_so() -> None:
    assert find_benchmark("arithmetic_mixed").solution is None
    assert find_benchmark("numbers__gcd").solution is None
    assert find_benchmark("calculus").solution is None
    assert find_benchmark("polynomials").solution is not None


def test_a_files_solutions_are_its_own_column_or_answers_with_steps(tmp_path: Path) -> None:
    rows = [
        {"question": "a", "answer": "1 + 1 = 2\n#### 2"},
        {"question": "b", "answer": "7"},
        {"question": "c", "answer": "8", "solution": "It is 8."},
        {"question": "d", "answer": "9", "solution": None},
        {"question": "e", "answer": r"\boxed{3}"},
        {"question": "f", "answer": r"Half of 6 is \boxed{3}."},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = file_benchmark(path)
    attempts = solved(benchmark, list(benchmark.stream(0, None)))
    assert {attempt.problem.question: attempt.response for attempt in attempts} == {
        "a": "1 + 1 = 2\n#### 2",
        "c": "It is 8.",
        "f": r"Half of 6 is \boxed{3}.",
    }


def test_a_files_solutions_may_stand_in_a_column_that_the_suite_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "a", "answer": "2", "how": "1 + 1 = 2"}) + "\n")
    benchmark = file_benchmark(path, {"solution": "how"})
    assert [attempt.response for attempt in solved(benchmark, list(benchmark.stream(0, None)))] == ["1 + 1 = 2"]


@pytest.mark.parametrize(
    ("text", "expected"), [("#### 7", False), ("so 7\n#### 7", True), ("7", False), (r"$\fbox{7}$", False)]
)
def test_steps_are_words_or_numbers_before_the_reference(text: str, expected: bool) -> None:
    assert has_steps(text) is expected
