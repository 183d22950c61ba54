"""Several accepted references: one suffices to be correct, all are needed to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers.exact.references import against_any
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.verdict import Attempt, Outcome, Verdict, Verifier, checked

OUTCOMES = tuple(Outcome)
SCORES = {Outcome.CORRECT: 1.0, Outcome.WRONG: 0.0, Outcome.UNDECIDED: None}
by_verifier = pytest.mark.parametrize("verifier", [Sympy(), Exact()], ids=lambda verifier: verifier.name)
# Numbers, expressions, several values, words, and texts that are no reference.
REFERENCES = (
    "7",
    "-7",
    "14/2",
    "7.0",
    "x + 1",
    "1 + x",
    "sqrt(8)",
    "2, 3",
    "{3, 2}",
    "True",
    "2:25 PM",
    "\\int",
    "1/0",
)
RESPONSES = (
    "7",
    "x = -7",
    "The answer is 14/2.",
    "x + 1",
    "2*sqrt(2)",
    "2, 3",
    "True",
    "2:25 pm",
    "7 or 8",
    "",
    "?",
    "7!",
)


def attempt(references: Sequence[str], response: str) -> Attempt:
    reference, *alternatives = references or (None,)
    problem = Problem(
        id="p", question="Which?", reference=reference, split="", source="", alternatives=tuple(alternatives)
    )
    return Attempt(problem=problem, response=response)


def decisions(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    return [(v.outcome, v.score, v.answer, v.span, v.rule, v.reason) for v in verdicts]


def test_one_correct_verdict_suffices_and_wrong_needs_all() -> None:
    for outcomes in product(OUTCOMES, repeat=3):
        verdict = against_any([Verdict(outcome=outcome, score=SCORES[outcome], seconds=1.0) for outcome in outcomes])
        expected = (
            Outcome.CORRECT
            if Outcome.CORRECT in outcomes
            else Outcome.WRONG
            if set(outcomes) == {Outcome.WRONG}
            else Outcome.UNDECIDED
        )
        assert (verdict.outcome, verdict.score, verdict.seconds) == (expected, SCORES[expected], 3.0)


def test_the_verdict_against_a_single_reference_is_unchanged() -> None:
    verdict = Verdict(outcome=Outcome.WRONG, score=0.0, reason="hedged")
    assert against_any([verdict]) is verdict


@by_verifier
@given(st.lists(st.sampled_from(REFERENCES), min_size=1, max_size=4), st.sampled_from(RESPONSES))
def test_a_verdict_against_several_references_follows_from_those_against_each(
    verifier: Verifier, references: list[str], response: str
) -> None:
    (together,) = checked(verifier, [attempt(references, response)])
    each = checked(verifier, [attempt([reference], response) for reference in references])
    assert decisions([together]) == decisions([against_any(each)])


@by_verifier
@given(st.lists(st.tuples(st.lists(st.sampled_from(REFERENCES), max_size=3), st.sampled_from(RESPONSES)), max_size=6))
def test_a_batch_with_any_numbers_of_references_keeps_its_order(
    verifier: Verifier, items: list[tuple[list[str], str]]
) -> None:
    attempts = [attempt(references, response) for references, response in items]
    alone = [checked(verifier, [attempt])[0] for attempt in attempts]
    assert decisions(checked(verifier, attempts)) == decisions(alone)


@by_verifier
def test_blank_references_do_not_count(verifier: Verifier) -> None:
    verdicts = checked(verifier, [attempt(references, "8") for references in (["7", " "], ["", "7"], ["", " "], [])])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.WRONG] * 2 + [Outcome.UNDECIDED] * 2
    assert verdicts[2].reason == verdicts[3].reason == "no_reference"


def test_an_alternative_is_compared_by_value() -> None:
    verdicts = checked(Sympy(), [attempt(["1/2", "x + 1"], response) for response in ("0.5", "1 + x", "3", "7?!")])
    assert [verdict.reward for verdict in verdicts] == [1, 1, 0, None]
