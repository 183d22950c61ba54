"""The probe's laws: every attack is refused and every right answer in another form accepted by the exact verifier."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.benchmarks import linear_1d
from restem.benchmarks.benchmark import Benchmark
from restem.benchmarks.catalog import BENCHMARKS
from restem.benchmarks.probes import AGREEING, attacks, equivalents, make_probes
from restem.benchmarks.problem import ATTACK, EQUIVALENCE, Probe, Problem
from restem.verifiers import catalog
from restem.verifiers.code.permission import code_allowed
from restem.verifiers.verdict import Attempt, Outcome, Verdict, checked
from tests.conftest import problem


def judged(problems: list[Problem], name: str = "sympy") -> list[tuple[Probe, Verdict]]:
    """Every probe of the problems with a built-in verifier's verdict."""
    by_id = {item.id: item for item in problems}
    probes = make_probes(problems)
    attempts = [Attempt(problem=by_id[probe.problem], response=probe.text) for probe in probes]
    return list(zip(probes, checked(catalog.build(name, {}), attempts), strict=True))


def solved_by(reference: str) -> Problem:
    """A linear_1d equation that has the reference as its solution."""
    value = Fraction(reference)
    constant = f"{'-' if value < 0 else ''}{abs(value.numerator)}"
    return problem(f"Solve 0 + {value.denominator}*k = {constant} for k.", reference, id=reference)


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


@pytest.mark.parametrize("regime", [(1.0, 2.0), (2.0, 3.0), (2.5, 3.5)])
def test_where_numbers_are_small_too_no_attack_is_accepted_and_every_right_answer_is(
    regime: tuple[float, float],
) -> None:
    first = list(itertools.islice(linear_1d.stream(0, regime), 80))
    verdicts = judged(first)
    assert [(p, v.answer) for p, v in verdicts if (v.outcome is Outcome.CORRECT) != (p.kind == EQUIVALENCE)] == []
    asked = {p.problem for p, _ in verdicts if p.form == "question"}
    assert len(first) > len(asked) > 70  # some questions tell their answer, most do not


@pytest.mark.parametrize(
    ("question", "reference"),
    [
        ("Solve r = 6 - 2 for r.", "4"),
        ("Solve 6 - 2 = r for r.", "4"),
        ("Solve x = 7 for x.", "7"),
        ("Solve x = 9.5 - 2.5 for x.", "7"),
        ("Solve for x: x = 9 - 2", "7"),
        ("Let r = 6 - 2. What is r?", "4"),
        ("The answer is 7. What is the answer?", "7"),
        ("The answer is Seven. What is it?", "7"),
        ("The total is 1,007. What is it?", "1007"),
        ("Answer: 14/2. Simplify.", "7"),
        ("6 - 2", "4"),
        ("What is x + 1?", "x+1"),
        ("Which digit is 1, in words?", "one"),
    ],
)
def test_a_question_that_tells_its_answer_is_no_attack(question: str, reference: str) -> None:
    assert "question" not in attacks(problem(question, reference))


@pytest.mark.parametrize(
    ("question", "reference"),
    [
        ("Solve 4*r = 16 for r.", "4"),
        ("Solve r = 2*r - 4 for r.", "4"),
        ("Solve -r = -4 for r.", "4"),
        ("What is 6 - 2?", "4"),
        ("Find x if 14 = 2*x.", "7"),
        ("Expand (x + 3)*(x - 3).", "x^2-9"),
        ("What is the capital of France?", "Paris"),
    ],
)
def test_a_question_that_does_not_is_one(question: str, reference: str) -> None:
    assert attacks(problem(question, reference))["question"] == question


@pytest.mark.parametrize("reference", ["one", "$1$", "1%", "\u0661", "\u00bd", "x + 1", "One hundred", "yes", "True"])
def test_no_attack_asks_for_what_may_be_the_answer(reference: str) -> None:
    assert {"injection", "forged turn"}.isdisjoint(attacks(problem("q", reference)))


@pytest.mark.parametrize("reference", ["yes", "True", "right", "one"])
def test_of_an_answer_in_words_no_attack_agrees(reference: str) -> None:
    kept = attacks(problem("q", reference))
    assert AGREEING.isdisjoint(kept)
    assert {"empty", "gibberish", "opener"} <= set(kept)


@pytest.mark.parametrize("reference", ["x + 2", "\\frac{23}{7}", "(3, 5)"])
def test_any_other_formula_keeps_the_injection(reference: str) -> None:
    assert {"injection", "forged turn", "claim"} <= set(attacks(problem("q", reference)))


@pytest.mark.parametrize(
    ("question", "reference"),
    [
        ("Write 6/8 in lowest terms.", "3/4"),
        ("What is three fourths as a decimal?", "0.75"),
        ("Write six in binary.", "110"),
        ("What is 7*8?", "56"),
        ("Give the minimum as a decimal.", "-0.5"),
        ("What is 3 + 4? With a sign.", "+7"),
    ],
)
def test_a_question_that_may_ask_for_a_form_gets_no_other(question: str, reference: str) -> None:
    texts = equivalents(problem(question, reference)).values()
    plain = [text.replace("\N{MINUS SIGN}", "-") for text in texts]
    assert len(plain) == 6
    assert all(reference.removeprefix("+") in text for text in plain)


def test_accept_all_accepts_every_attack() -> None:
    assert {v.outcome for p, v in judged([solved_by("7")], "accept_all") if p.kind == ATTACK} == {Outcome.CORRECT}


@settings(max_examples=40)
@given(st.integers(-(10**12) + 1, 10**12 - 1), st.integers(1, 10**6))
def test_right_answers_in_other_forms_are_right_whatever_the_number(top: int, bottom: int) -> None:
    value = Fraction(top, bottom)
    verdicts = judged([solved_by(str(value))])
    assert [p for p, v in verdicts if (v.outcome is Outcome.CORRECT) != (p.kind == EQUIVALENCE)] == []


@given(st.none() | st.text(), st.text())
def test_any_reference_gives_probes_and_no_attack_quotes_one_that_is_no_number(
    reference: str | None, question: str
) -> None:
    probes = make_probes([problem(question, reference)])
    plain = [probe.text for probe in probes if probe.kind == EQUIVALENCE and probe.form == "plain"]
    assert len(plain) == bool((reference or "").strip())
    assert len({(probe.problem, probe.kind, probe.form) for probe in probes}) == len(probes)
    if reference and len([probe for probe in probes if probe.kind == EQUIVALENCE]) == 1:
        answer = "".join(reference.casefold().split())
        attacked = [probe.text for probe in probes if probe.kind == ATTACK]
        assert not any(answer in "".join(text.casefold().split()) for text in attacked)


@pytest.mark.parametrize("reference", ["1e999999999", "9" * 5000, "1/0", "\u0667", "x + 1", "1/00"])
def test_what_is_no_plain_number_gets_its_plain_form_alone(reference: str) -> None:
    texts = [probe.text for probe in make_probes([problem("q", reference)]) if probe.kind == EQUIVALENCE]
    assert texts == [reference]


@given(st.integers(-30, 30), st.lists(st.integers(-30, 30), max_size=4))
def test_no_attack_is_an_accepted_number(reference: int, further: list[int]) -> None:
    alternatives = tuple(str(number) for number in further)
    item = dataclasses.replace(problem("What is near?", str(reference)), alternatives=alternatives)
    assert attacks(item)["near miss"] not in item.references
    assert not set(attacks(item)["several answers"].split(" or ")[::2]) & set(item.references)


def test_no_attack_agrees_where_a_word_is_accepted_beside_the_number() -> None:
    item = dataclasses.replace(problem("Is it so? 1 means yes.", "1"), alternatives=("yes",))
    assert AGREEING.isdisjoint(attacks(item))
    assert attacks(item)["empty"] == ""


def test_every_accepted_answer_is_an_equivalence() -> None:
    item = dataclasses.replace(problem("Name a prime.", "2"), alternatives=("3", "five"))
    assert [equivalents(item)[f"alternative {number}"] for number in (1, 2)] == ["3", "five"]


@pytest.mark.parametrize("known", BENCHMARKS.values(), ids=BENCHMARKS)
def test_every_benchmark_is_probed_and_its_gold_verifier_is_not_fooled(known: Benchmark) -> None:
    count = 1 if known.gold == "unit_tests" else 12  # each of its probes is a program that runs
    problems = known.problems(0, known.default_regime, {"test": count})["test"]
    with code_allowed(unsandboxed=True):  # these programs are our own
        verdicts = judged(problems, known.gold)
    assert [(p, v.answer) for p, v in verdicts if (v.outcome is Outcome.CORRECT) != (p.kind == EQUIVALENCE)] == []
    assert {p.kind for p, _ in verdicts} == {ATTACK, EQUIVALENCE}
