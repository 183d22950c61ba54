"""The gold of the benchmarks `reasoning_gym:TASK`; tests/perf/reasoning_gym_tasks.py goes over all tasks."""

from __future__ import annotations

import dataclasses
import functools
from itertools import islice

import pytest

from restem.benchmarks import reasoning_gym as benchmark
from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome, Verdict, checked
from restem.verifiers.worker import Worker
from tests.hostile import CODE, MARKER

if "reasoning_gym" not in catalog.names():
    pytest.skip("needs the extra reasoning_gym", allow_module_level=True)

# Short numbers, words, a grid, a list that is evaluated, expressions that are parsed, JSON.
TASKS = (
    "basic_arithmetic",
    "syllogism",
    "rotate_matrix",
    "n_queens",
    "countdown",
    "simple_integration",
    "group_anagrams",
)
EVALUATING = ("string_insertion", "spiral_matrix", "binary_matrix", "number_sorting", "n_queens")
PARSING = ("simple_integration", "intermediate_integration", "polynomial_multiplication", "countdown", "puzzle24")
FORMS = ("{}", "<answer>{}</answer>", "Let us see.\n<answer>\n{}\n</answer>")


@functools.cache
def problems(task: str) -> list[Problem]:
    return list(islice(benchmark.stream(task, 7, "default"), 3))


def verdicts(problem: Problem, *responses: str, **options: float) -> list[Verdict]:
    gold = catalog.build("reasoning_gym", {"reasoning_gym": options})
    return checked(gold, [Attempt(problem=problem, response=response) for response in responses])


def outcomes(problem: Problem, *responses: str, **options: float) -> set[Outcome]:
    return {verdict.outcome for verdict in verdicts(problem, *responses, **options)}


@pytest.mark.parametrize("task", TASKS)
def test_the_gold_accepts_the_tasks_own_answer(task: str) -> None:
    for problem in problems(task):
        answer = problem.reference or ""
        forms = FORMS if "\n" in answer else (*FORMS, "The answer is {}.")
        assert outcomes(problem, *(form.format(answer) for form in forms)) == {Outcome.CORRECT}


@pytest.mark.parametrize("task", [task for task in TASKS if task != "syllogism"])
def test_the_gold_refuses_the_answer_to_another_problem(task: str) -> None:
    first, *others = problems(task)
    assert outcomes(first, *(problem.reference or "" for problem in others)) == {Outcome.WRONG}


def test_a_task_without_a_reference_is_scored_by_its_rules() -> None:
    problem = problems("graph_color")[0]
    answer = '{"0": 1}'
    assert problem.reference is None
    assert [(v.outcome, v.score) for v in verdicts(problem, answer)] == [(Outcome.WRONG, 0.01)]


def test_a_text_that_contains_the_answer_keeps_its_partial_score_and_is_wrong() -> None:
    problem = problems("basic_arithmetic")[0]
    assert problem.reference is not None
    [verdict] = verdicts(problem, f"<answer>{problem.reference}{problem.reference}</answer>")
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG, 0.5)
    assert outcomes(problem, f"<answer>{problem.reference}{problem.reference}</answer>", threshold=0.5) == {
        Outcome.CORRECT
    }


def test_the_threshold_is_part_of_the_fingerprint() -> None:
    prints = {
        catalog.build("reasoning_gym", {"reasoning_gym": {"threshold": threshold}}).fingerprint
        for threshold in (1.0, 0.5)
    }
    assert len(prints) == 2


def test_a_power_may_be_written_with_a_caret() -> None:
    problem = problems("simple_integration")[0]
    assert problem.reference is not None
    assert "**" in problem.reference
    assert outcomes(problem, problem.reference.replace("**", "^")) == {Outcome.CORRECT}


@pytest.mark.parametrize("task", [*EVALUATING, *PARSING])
def test_no_hostile_text_is_run_or_accepted(task: str) -> None:
    problem = problems(task)[0]
    texts = [form.format(hostile.text) for hostile in CODE for form in ("{}", "<answer>{}</answer>")]
    assert Outcome.CORRECT not in outcomes(problem, *texts)
    assert not MARKER.exists()


def test_no_expression_can_name_anything_but_functions() -> None:
    problem = problems("countdown")[0]
    texts = ("x.func", "S(7)", "Symbol(7)", "x[0]", "lambda: 7", "'7'", "__import__", "open(7)", "N(7)", "factorial(7)")
    assert {verdict.reason for verdict in verdicts(problem, *texts)} == {"refused"}


def test_what_takes_too_long_is_undecided_and_the_rest_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    from restem.verifiers.exact import reasoning_gym

    impatient = Worker("restem.verifiers.exact.reasoning_gym_scores:scored", seconds_per_item=4.0, memory_bytes=1 << 30)
    monkeypatch.setattr(reasoning_gym, "_WORKER", impatient)
    problem = problems("countdown")[0]
    hangs, right = verdicts(problem, "<answer>9**9**9**9</answer>", problem.reference or "")
    assert (hangs.outcome, hangs.reason) == (Outcome.UNDECIDED, "worker: timeout")
    assert right.outcome is Outcome.CORRECT
    impatient.close()


def test_a_problem_of_another_benchmark_or_version_is_undecided_and_counted() -> None:
    known = problems("basic_arithmetic")[0]
    plain = dataclasses.replace(known, data={})
    older = dataclasses.replace(known, data={**known.data, "version": "0.1.0"})
    assert [v.reason for problem in (plain, older) for v in verdicts(problem, "7")] == ["no_task", "other_version"]
    gold = catalog.build("reasoning_gym")
    assert gold.unreadable_references([known, plain, older]) == [  # type: ignore[attr-defined]
        (plain, "no_task"),
        (older, "other_version"),
    ]


@pytest.mark.parametrize(
    ("task", "answer"),
    [("complex_arithmetic", "nan"), ("complex_arithmetic", "nan+nani"), ("puzzle24", "6*4*1*1"), ("coin_flip", "0")],
)
def test_what_the_task_scores_as_right_by_mistake_is_wrong(task: str, answer: str) -> None:
    [problem] = [p for p in islice(benchmark.stream(task, 7, "default"), 1)]
    assert outcomes(problem, answer) == {Outcome.WRONG}


@pytest.mark.parametrize(
    ("task", "answer"),
    [("gsm_symbolic", "umpteen"), ("complex_arithmetic", "three plus i"), ("game_of_life_halting", "yes, it halts")],
)
def test_an_answer_in_a_form_that_our_check_cannot_read_is_undecided(task: str, answer: str) -> None:
    [problem] = [p for p in islice(benchmark.stream(task, 7, "default"), 1)]
    assert outcomes(problem, f"<answer>{answer}</answer>") == {Outcome.UNDECIDED}


def test_a_number_in_words_is_scored_in_digits() -> None:
    [problem] = islice(benchmark.stream("gsm_symbolic", 7, "default"), 1)
    assert problem.reference == "68"
    assert outcomes(problem, "The answer is sixty-eight.") == {Outcome.CORRECT}
    assert outcomes(problem, "The answer is sixty-seven.") == {Outcome.WRONG}


def test_data_that_break_the_task_are_undecided() -> None:
    known = problems("graph_color")[0]
    broken = dataclasses.replace(known, data={**known.data, "task": "no_such_task"})
    assert [verdict.reason for verdict in verdicts(broken, "{}")] == ["worker: raised: ValueError"]
