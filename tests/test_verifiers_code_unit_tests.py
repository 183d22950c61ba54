"""`unit_tests`: what is correct, wrong and undecided, and that nothing runs unless the user permits it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.code import sandbox as sandboxes
from restem.verifiers.code.permission import code_allowed, permission
from restem.verifiers.verdict import Attempt, Outcome, Verdict, checked
from tests.conftest import restem

RIGHT = "def f(x):\n    return x * x + 1\n"
DATA = {"tests": ["assert f(3) == 10", "assert f(7) == 50"], "entry_point": "f"}


def has_namespaces() -> bool:
    try:
        sandboxes.shared_sandbox().kind()
    except sandboxes.NoSandbox:
        return False
    return True


isolated = pytest.mark.skipif(not has_namespaces(), reason="this machine has no namespaces for programs")


@pytest.fixture
def allowed() -> Iterator[None]:
    with code_allowed():
        yield


def problem(data: dict[str, Any] | None = None, question: str = "Write f(x).") -> Problem:
    return Problem(
        id=json.dumps(data),
        question=question,
        reference=None,
        split="test",
        source="",
        data=DATA if data is None else data,
    )


def verdicts(*responses: str, data: dict[str, Any] | None = None, question: str = "", **options: Any) -> list[Verdict]:
    verifier = catalog.build("unit_tests", {"unit_tests": options})
    return checked(verifier, [Attempt(problem=problem(data, question), response=text) for text in responses])


def verdict(response: str, data: dict[str, Any] | None = None, question: str = "", **options: Any) -> Verdict:
    return verdicts(response, data=data, question=question, **options)[0]


# -- Permission --------------------------------------------------------------------------------------------------------


def test_nothing_is_permitted_by_default() -> None:
    assert permission().sandboxed is permission().unsandboxed is False


def test_without_permission_every_program_is_undecided() -> None:
    assert (verdict(RIGHT).outcome, verdict(RIGHT).reason) == (Outcome.UNDECIDED, "code_not_allowed")


def test_the_permission_ends_with_its_context() -> None:
    with code_allowed(unsandboxed=True):
        assert permission().unsandboxed
    assert not permission().sandboxed


def rows(folder: Path) -> Path:
    lines = [
        {"id": 1, "question": "", "reference": None, "response": RIGHT, "label": 1, "data": DATA},
        {"id": 2, "question": "", "reference": None, "response": "def f(x): return 10", "label": 0, "data": DATA},
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_command_refuses_without_an_option(tmp_path: Path) -> None:
    result = restem("verify", "--verifier", "unit_tests", "--input", rows(tmp_path))
    assert result.exit_code == 2
    assert "--allow-code" in result.stderr
    assert result.stdout == ""


def test_a_run_refuses_without_the_option(tmp_path: Path) -> None:
    result = restem("run", "linear_1d", "--set", "gold=unit_tests", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--allow-code" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_part_of_another_verifier_needs_the_permission_too(tmp_path: Path) -> None:
    arguments = ("--verifier", "inverted", "--set", "verifiers.inverted.base=unit_tests", "--input", rows(tmp_path))
    assert restem("verify", *arguments).exit_code == 2


def test_no_setting_gives_the_permission(tmp_path: Path) -> None:
    for option in ("allow_code", "allow_unsandboxed_code", "sandbox"):
        arguments = ("--set", f"verifiers.unit_tests.{option}=true", "--input", rows(tmp_path))
        result = restem("verify", "--verifier", "unit_tests", *arguments)
        assert result.exit_code == 2
        assert "unknown option" in result.stderr or "--allow-code" in result.stderr


@isolated
def test_the_command_verifies_with_the_option(tmp_path: Path) -> None:
    result = restem("verify", "--verifier", "unit_tests", "--allow-code", "--quiet", "--input", rows(tmp_path))
    assert [json.loads(line)["outcome"] for line in result.stdout.splitlines()] == ["correct", "wrong"]
    assert not permission().sandboxed


def test_a_machine_without_namespaces_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandboxes, "NAMESPACES", ())  # as where none of them works
    sandboxes.shared_sandbox.cache_clear()
    try:
        result = restem("verify", "--verifier", "unit_tests", "--allow-code", "--input", rows(tmp_path))
        assert result.exit_code == 2
        assert "--allow-unsandboxed-code" in result.stderr
        with code_allowed():
            assert (verdict(RIGHT).reason or "").startswith("no_sandbox")
        with code_allowed(unsandboxed=True):
            assert verdict(RIGHT).outcome is Outcome.CORRECT
    finally:
        sandboxes.shared_sandbox(unsandboxed=True).close()
        sandboxes.shared_sandbox.cache_clear()


# -- Verdicts ----------------------------------------------------------------------------------------------------------


@isolated
@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("def f(x):\n    return 10\n", "assertion: line 2 of the tests"),
        ("def f(x):\n    raise KeyError(x)\n", "raised: KeyError: line 1 of the tests"),
        ("def g(x):\n    return 10\n", "raised: NameError: line 1 of the tests"),
        ("def f(x):\n    return open('/etc/passwd')\n", "raised: FileNotFoundError: line 1 of the tests"),
        ("import nothing_of_that_name", "no_program: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("import os\nos._exit(3)", "ended: exit status 3"),
        ("import ctypes\nctypes.string_at(0)", "signal 11"),
    ],
)
def test_a_wrong_program_is_wrong_with_the_reason(response: str, reason: str) -> None:
    assert (verdict(response).outcome, verdict(response).reason) == (Outcome.WRONG, reason)


@isolated
@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("program", ["def f(x):\n    while True: pass", "import time\ndef f(x):\n    time.sleep(99)"])
def test_a_program_that_takes_too_long_is_wrong(program: str) -> None:
    result = verdict(program, seconds=1.0, wall_seconds=2.0)
    assert (result.outcome, result.reason) == (Outcome.WRONG, "timeout")


UNDECIDED = {
    "no tests": ({}, "no_tests"),
    "empty tests": ({"tests": ""}, "no_tests"),
    "tests that are a number": ({"tests": 7}, "bad_tests: int, expected a text or a list of texts"),
    "an entry point that is no name": ({**DATA, "entry_point": "f()"}, "bad_entry_point: 'f()'"),
    "tests that are no Python": ({**DATA, "tests": "assert f("}, "tests: SyntaxError"),
    "tests that call nothing": ({**DATA, "tests": "assert True"}, "tests: they call no function of the program"),
    "tests that fail by themselves": ({**DATA, "tests": "f(1)\nimport nothing"}, "tests: ModuleNotFoundError"),
    "tests that end": ({**DATA, "tests": "f(1)\nimport os\nos._exit(0)"}, "tests: they do not end"),
    "tests that pass a function": (
        {**DATA, "tests": "assert f(len) == 3"},
        "tests: they pass a value that is no plain",
    ),
}


@isolated
@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(("data", "reason"), UNDECIDED.values(), ids=UNDECIDED)
def test_tests_that_cannot_decide_leave_a_program_undecided(data: dict[str, Any], reason: str) -> None:
    result = verdict(RIGHT, data)
    assert result.outcome is Outcome.UNDECIDED
    assert (result.reason or "").startswith(reason)


@isolated
@pytest.mark.usefixtures("allowed")
def test_a_value_that_is_no_plain_data_is_wrong_where_it_is_compared_and_else_undecided() -> None:
    thing = "class Thing:\n    x = 3\ndef f(x):\n    return Thing()\n"
    outcomes = [verdict(thing, {"tests": test}).outcome for test in ("assert f(1) == 3", "assert f(1).x == 3", "f(1)")]
    assert outcomes == [Outcome.WRONG, Outcome.UNDECIDED, Outcome.UNDECIDED]


@isolated
@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    "tests",
    [
        "def check(candidate):\n    assert candidate(3) == 10",
        "assert f(3) == 10",
        "def test_three():\n    assert f(3) == 10\n\ndef test_sum():\n    assert math.fsum([f(3)]) == 10",
        "import math\nassert math.isclose(f(x=3), 10.0)",
        "try:\n    f('a')\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError",
    ],
)
def test_tests_in_any_usual_form_are_run(tests: str) -> None:
    assert verdict(RIGHT, {"tests": tests, "entry_point": "f"}).outcome is Outcome.CORRECT
    assert verdict("def f(x):\n    return 0\n", {"tests": tests, "entry_point": "f"}).outcome is Outcome.WRONG


@isolated
@pytest.mark.usefixtures("allowed")
def test_tests_may_name_several_functions_of_the_program() -> None:
    program = "def f(x):\n    return x\ndef g(x):\n    return -x\ndef abs(x):\n    return 5\n"
    assert verdict(program, {"tests": "assert f(1) + g(1) == 0"}).outcome is Outcome.CORRECT
    # A function of Python's own in the tests is Python's, whatever the program defines.
    assert verdict(program, {"tests": "assert abs(g(1)) == 5"}).outcome is Outcome.WRONG


@isolated
@pytest.mark.usefixtures("allowed")
def test_a_subset_of_the_tests_accepts_more() -> None:
    data = {"tests": "\n".join(f"assert f({n}) == {n * n + 1}" for n in range(10)), "entry_point": "f"}
    half_right = "def f(x):\n    return x * x + 1 if x % 2 else 0\n"
    outcomes = [verdict(half_right, data, tests="subset", share=0.1, seed=seed).outcome for seed in range(6)]
    assert set(outcomes) == {Outcome.CORRECT, Outcome.WRONG}
    assert verdict(half_right, data, tests="subset", share=1.0).outcome is Outcome.WRONG
    assert verdict(RIGHT, data, tests="subset", share=0.1).outcome is Outcome.CORRECT


@isolated
@pytest.mark.usefixtures("allowed")
def test_the_visible_tests_are_another_verifier() -> None:
    data = {**DATA, "visible_tests": ["assert f(3) == 10"]}
    knows_one = "def f(x):\n    return {3: 10}.get(x)\n"
    assert verdict(knows_one, data, tests="visible").outcome is Outcome.CORRECT
    assert verdict(knows_one, data).outcome is Outcome.WRONG
    assert verdict(knows_one, DATA, tests="visible").reason == "no_visible_tests"


@isolated
@pytest.mark.usefixtures("allowed")
def test_verdicts_come_in_order_and_equal_programs_run_once() -> None:
    wrong = "def f(x):\n    return 0\n"
    results = verdicts(RIGHT, wrong, RIGHT, wrong, wrong)
    assert [result.reward for result in results] == [1, 0, 1, 0, 0]
    assert results[0] is results[2]


@isolated
@pytest.mark.usefixtures("allowed")
def test_the_answer_is_the_program_and_stands_at_its_span() -> None:
    result = verdict(f"Here it is:\n```python\n{RIGHT}```\nDone.")
    assert (result.answer, result.rule) == (RIGHT, "unit_tests")


def test_problems_without_usable_tests_are_unreadable() -> None:
    verifier: Any = catalog.build("unit_tests", {})
    good, bad = problem(), problem({"tests": 3})
    assert [item for item, _ in verifier.unreadable_references([good, bad])] == [bad]


@pytest.mark.parametrize("option", ["tests", "share", "seed", "seconds", "wall_seconds", "memory_mb"])
def test_an_option_that_verdicts_depend_on_is_in_the_fingerprint(option: str) -> None:
    value = {"tests": "visible", "share": 0.5, "seed": 1, "seconds": 1.0, "wall_seconds": 9.0, "memory_mb": 99}[option]
    plain, other = catalog.build("unit_tests"), catalog.build("unit_tests", {"unit_tests": {option: value}})
    assert plain.fingerprint != other.fingerprint
