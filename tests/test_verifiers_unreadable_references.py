"""Which references a verifier cannot read, counted without any response."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import pytest

from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.composed.combinations import AllOf, Cascade, Vote
from restem.verifiers.composed.controls import AcceptAll
from restem.verifiers.composed.noise import Inverted, Noisy
from restem.verifiers.exact.substitution import Substitution
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.order_check import OrderChecked
from restem.verifiers.verdict import Attempt, ContractBreach, Outcome, Verdict, unreadable_references

CODE = "__import__('os').system('x')"  # no reference that any reader of mathematics will ever read


def problem(id: str, *references: str, question: str = "What is it?") -> Problem:
    reference, *rest = references or (None,)
    return Problem(
        id=id, question=question, reference=reference, alternatives=tuple(rest), split="test", source=f"file:{id}"
    )


PROBLEMS = [
    problem("number", "7"),
    problem("code", CODE),
    problem("either", CODE, "7"),
    problem("none"),
    problem("equation", CODE, question="Solve 2*x = 14 for x."),
]


def ids(verifier: Any, problems: Sequence[Problem] = PROBLEMS) -> list[str]:
    return [problem.id for problem, _ in unreadable_references(verifier, problems)]


class Reads:
    """A verifier that reads the references of the problems with these ids."""

    def __init__(self, *readable: str) -> None:
        self.readable = readable
        self.name = self.fingerprint = f"reads {readable}"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        return [Verdict(outcome=Outcome.UNDECIDED, reason="never") for _ in attempts]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        return [(problem, "unread") for problem in problems if problem.id not in self.readable]


class Gives(Reads):
    """A plug-in that gives anything as unreadable references."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def unreadable_references(self, problems: Sequence[Problem]) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_sympy_reads_a_problem_with_one_readable_reference() -> None:
    assert ids(Sympy()) == ["code", "none", "equation"]


def test_each_unreadable_reference_has_its_reason() -> None:
    reasons = dict((problem.id, reason) for problem, reason in unreadable_references(Sympy(), PROBLEMS))
    assert reasons["none"] == "no_reference"
    assert reasons["code"].startswith("unread_reference")


def test_an_unreadable_reference_is_undecided_for_every_other_text() -> None:
    for each in (problem for problem, _ in unreadable_references(Sympy(), PROBLEMS)):
        (verdict,) = Sympy().verify([Attempt(problem=each, response="The answer is 7.")])
        assert verdict.outcome is Outcome.UNDECIDED


def test_exact_reads_every_text() -> None:
    assert ids(Exact()) == ["none"]


def test_substitution_reads_the_equation_of_the_question() -> None:
    assert ids(Substitution()) == ["number", "code", "either", "none"]


@pytest.mark.skipif(importlib.util.find_spec("math_verify") is None, reason="needs the extra math_verify")
def test_math_verify_reads_a_problem_with_one_readable_reference() -> None:
    assert ids(catalog.build("math_verify"), [problem("number", "7"), problem("either", "", "7"), problem("none")]) == [
        "none"
    ]


def test_a_verifier_without_the_method_reads_all() -> None:
    assert ids(AcceptAll()) == []


@pytest.mark.parametrize("panel", [Cascade, Vote])
def test_a_panel_reads_what_any_member_reads(panel: Any) -> None:
    assert ids(panel(members=[Reads("number"), Reads("code", "none")])) == ["either", "equation"]
    assert ids(panel(members=[Reads(), AcceptAll()])) == []


def test_all_of_reads_what_every_member_reads() -> None:
    assert ids(AllOf(members=[Reads("number", "code"), Reads("code", "none")])) == [
        "number",
        "either",
        "none",
        "equation",
    ]


@pytest.mark.parametrize("altered", [Inverted, Noisy])
def test_noise_reads_what_its_base_reads(altered: Any) -> None:
    assert ids(altered(base=Reads("number", "code"))) == ["either", "none", "equation"]


def test_a_verifier_under_another_name_reads_the_same() -> None:
    assert ids(catalog.build("mine", {"mine": {"type": "sympy"}})) == ids(Sympy())


def test_a_plug_in_may_have_the_method() -> None:
    assert ids(OrderChecked(Reads("number"))) == ["code", "either", "none", "equation"]


@pytest.mark.parametrize("value", [3, {"code": "syntax"}, [("code", "syntax")], [(PROBLEMS[1], 3)], ValueError("x")])
def test_a_plug_in_that_gives_something_else_is_named(value: Any) -> None:
    with pytest.raises(ContractBreach, match="verifier 'reads"):
        unreadable_references(OrderChecked(Gives(value)), PROBLEMS)
