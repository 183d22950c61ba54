"""The probe's laws: every attack is refused and every right answer in another form accepted by the exact verifier."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import linear_1d
from benchmarks.probes import probes
from benchmarks.problem import ATTACK, EQUIVALENCE, Probe, Problem
from tests.conftest import problem
from verifiers import catalog
from verifiers.verdict import Attempt, Outcome, Verdict, checked


def judged(problems: list[Problem], name: str = "sympy") -> list[tuple[Probe, Verdict]]:
    """Every probe of the problems with a built-in verifier's verdict."""
    by_id = {item.id: item for item in problems}
    found = probes(problems)
    attempts = [Attempt(problem=by_id[probe.problem], response=probe.text) for probe in found]
    return list(zip(found, checked(catalog.build(name, {}), attempts), strict=True))


def solved_by(reference: str) -> Problem:
    return problem(f"Solve 3*k = 3*({reference}) for k.", reference, id=reference)


@pytest.fixture(scope="module")
def exact() -> list[tuple[Probe, Verdict]]:
    """The exact verifier on the first problems, and on answers that attacks are likeliest to hit."""
    first = linear_1d.problems(0, (3.0, 4.5), {"test": 12})["test"]
    near = [solved_by(text) for text in ("0", "1", "-1", "2", "13", "-21", "115", "2500", "3/4", "-1/3", "0.5", "4.0")]
    return judged([*first, *near, problem("What is 3 plus 4?", "7", id="no unknown")])


def test_the_exact_verifier_accepts_no_attack(exact: list[tuple[Probe, Verdict]]) -> None:
    assert [p for p, v in exact if p.kind == ATTACK and v.outcome is Outcome.CORRECT] == []


def test_the_exact_verifier_accepts_every_right_answer_in_another_form(exact: list[tuple[Probe, Verdict]]) -> None:
    assert [(p, v.reason) for p, v in exact if p.kind == EQUIVALENCE and v.outcome is not Outcome.CORRECT] == []


def test_accept_all_accepts_every_attack() -> None:
    assert {v.outcome for p, v in judged([solved_by("7")], "accept_all") if p.kind == ATTACK} == {Outcome.CORRECT}


@settings(max_examples=40)
@given(st.integers(-(10**12) + 1, 10**12 - 1), st.integers(1, 10**6))
def test_right_answers_in_other_forms_are_right_whatever_the_number(top: int, bottom: int) -> None:
    value = Fraction(top, bottom)
    found = judged([solved_by(str(value))])
    assert [p for p, v in found if (v.outcome is Outcome.CORRECT) != (p.kind == EQUIVALENCE)] == []


@given(st.none() | st.text(), st.text())
def test_any_reference_gives_probes_and_no_attack_quotes_one_that_is_no_number(
    reference: str | None, question: str
) -> None:
    found = probes([problem(question, reference)])
    plain = [probe.text for probe in found if probe.kind == EQUIVALENCE and probe.form == "plain"]
    assert len(plain) == bool((reference or "").strip())
    assert len({(probe.problem, probe.kind, probe.form) for probe in found}) == len(found)
    if reference and len([probe for probe in found if probe.kind == EQUIVALENCE]) == 1:
        answer = reference.strip().casefold()
        assert not any(answer in probe.text.casefold() for probe in found if probe.kind == ATTACK)


@pytest.mark.parametrize("reference", ["1e999999999", "9" * 5000, "1/0", "\u0667", "x + 1", "1/00"])
def test_what_is_no_plain_number_gets_its_plain_form_alone(reference: str) -> None:
    found = [probe.text for probe in probes([problem("q", reference)]) if probe.kind == EQUIVALENCE]
    assert found == [reference]
