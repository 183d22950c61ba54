"""The catalogue: what holds of every benchmark."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.benchmark import Benchmark, chance_level, generated
from restem.benchmarks.catalog import BENCHMARKS, find_benchmark, step_check
from restem.benchmarks.problem import Problem, canonical_form, identity
from restem.verifiers import catalog as verifiers
from restem.verifiers.code.permission import code_allowed
from restem.verifiers.verdict import Attempt, Outcome

ALL = pytest.mark.parametrize("known", BENCHMARKS.values(), ids=BENCHMARKS)


def a_problem(id: str, *references: str, split: str = "test", question: str = "q") -> Problem:
    reference, alternatives = (references[0], references[1:]) if references else (None, ())
    return Problem(
        id=id, question=question, reference=reference, split=split, source="", alternatives=tuple(alternatives)
    )


def fixed(*problems: Problem) -> Benchmark:
    return Benchmark(name="own", splits=("train", "test"), stream=lambda *_: iter(problems), fixed=True)


@ALL
def test_a_problem_depends_on_seed_and_place_alone(known: Benchmark) -> None:
    streams = [list(islice(known.stream(3, known.default_regime), count)) for count in (8, 4)]
    assert streams[0][:4] == streams[1]
    assert known.fixed or streams[1] != list(islice(known.stream(4, known.default_regime), 4))


@ALL
def test_no_two_splits_of_it_share_a_problem(known: Benchmark) -> None:
    splits = known.problems(1, known.default_regime, {"train": 30, "validation": 5, "test": 30})
    forms = [canonical_form(problem.question) for chosen in splits.values() for problem in chosen]
    assert len(set(forms)) == 65
    assert {problem.split for problem in splits["test"]} == {"test"}


@ALL
def test_its_gold_verifier_accepts_its_references(known: Benchmark) -> None:
    gold = verifiers.build(known.gold, {})
    problems = known.problems(2, known.default_regime, {"test": 20})["test"]
    right = [problem.reference or problem.data.get("solution", "") for problem in problems]
    with code_allowed(unsandboxed=True):  # these programs are the benchmark's
        verdicts = gold.verify([Attempt(problem=p, response=text) for p, text in zip(problems, right, strict=True)])
    assert {verdict.outcome for verdict in verdicts} == {Outcome.CORRECT}


@ALL
def test_its_few_shot_prompt_has_a_place_for_the_question(known: Benchmark) -> None:
    assert known.few_shot is None or known.few_shot.count("{question}") == 1


@ALL
def test_its_step_check_reads_its_own_questions(known: Benchmark) -> None:
    problems = known.problems(2, known.default_regime, {"test": 20})["test"]
    assert step_check(problems) is known.steps


def test_the_step_check_of_linear_1d_keeps_its_id() -> None:
    steps = BENCHMARKS["linear_1d"].steps
    assert steps is not None
    assert steps.id == "benchmarks.linear_1d"


def test_no_step_check_reads_a_set_with_one_foreign_question() -> None:
    problems = BENCHMARKS["linear_1d"].problems(0, "train-easy", {"test": 3})["test"]
    assert step_check([*problems, a_problem("a", question="Why?")]) is None


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="did you mean 'linear_1d'"):
        find_benchmark("linear1d")


def test_an_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown split .*pretrain"):
        BENCHMARKS["linear_1d"].problems(0, "train-easy", {"dev": 1})


def test_of_a_fixed_set_a_split_may_be_short_but_not_empty() -> None:
    known = fixed(a_problem("a"), a_problem("b", split="train"))
    assert [p.id for p in known.problems(0, None, {"test": 5, "train": 5})["test"]] == ["a"]
    with pytest.raises(ValueError, match="train split"):
        fixed(a_problem("a")).problems(0, None, {"test": 5, "train": 5})


def test_a_generator_that_brings_nothing_new_is_an_error() -> None:
    draws = generated("own", {"test": 1.0}, lambda index: (f"What is {index % 3}?", "x"), "three")
    with pytest.raises(ValueError, match="three has no more than about 3 distinct problems"):
        list(draws)


@given(st.lists(st.sampled_from(["1", "2", "3"]), min_size=1))
def test_chance_level_is_the_accuracy_of_the_best_constant_answer(answers: list[str]) -> None:
    problems = [a_problem(str(index), answer) for index, answer in enumerate(answers)]
    assert chance_level(problems) == max(map(answers.count, answers)) / len(answers)


def test_a_constant_answer_is_right_where_it_is_among_the_accepted_ones() -> None:
    assert chance_level([a_problem("a", "1", "2"), a_problem("b", "2"), a_problem("c")]) == pytest.approx(2 / 3)


def test_equal_problems_of_a_generator_come_once() -> None:
    names = "xyzw"
    draws = generated(
        "own", {"test": 1.0}, lambda i: (f"Solve {i // 4} = {names[i % 4]} for {names[i % 4]}.", "x"), "s"
    )
    forms = [identity(problem.question) for problem in islice(draws, 5)]
    assert len(set(forms)) == 5
