"""Golden rows of word problems and of mathematics: no right answer is decided wrong, and no wrong answer is accepted.

The rows are labelled by hand, with every numeric label computed, and were written before any rule that reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from restem.harness.gate.golden import GoldenRow, read_rows
from restem.verifiers.catalog import build
from restem.verifiers.verdict import Attempt, Outcome

GOLDEN = Path(__file__).parent / "golden"
KINDS = ("word_problems", "mathematics")
MOST_MISSED = {"word_problems": 0.05, "mathematics": 0.1}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def rows(kind: str) -> list[GoldenRow]:
    return read_rows(GOLDEN / f"{kind}.jsonl")


def outcomes(verifier: str, rows: Sequence[GoldenRow]) -> list[tuple[GoldenRow, Outcome]]:
    verdicts = build(verifier).verify([Attempt(problem=row.problem, response=row.response) for row in rows])
    return [(row, verdict.outcome) for row, verdict in zip(rows, verdicts, strict=True)]


def test_each_problem_has_right_and_wrong_responses_of_its_own(rows: list[GoldenRow]) -> None:
    labels = {row.problem.question: set[Outcome | None]() for row in rows}
    for row in rows:
        labels[row.problem.question].add(row.label)
    assert len(labels) == 50
    assert all(pair == {Outcome.CORRECT, Outcome.WRONG} for pair in labels.values())
    assert len({(row.problem.question, row.response) for row in rows}) == len(rows)
    assert 0.4 <= Counter(row.label for row in rows)[Outcome.WRONG] / len(rows) <= 0.46


def test_no_right_answer_is_decided_wrong_and_few_are_missed(kind: str, rows: list[GoldenRow]) -> None:
    right = [(row, outcome) for row, outcome in outcomes("sympy", rows) if row.label == Outcome.CORRECT]
    assert [row.response for row, outcome in right if outcome == Outcome.WRONG] == []
    missed = [row.response for row, outcome in right if outcome != Outcome.CORRECT]
    assert len(missed) <= MOST_MISSED[kind] * len(right), missed


@pytest.mark.parametrize("verifier", ["sympy", "exact", "substitution"])
def test_no_wrong_answer_is_accepted(verifier: str, rows: list[GoldenRow]) -> None:
    accepted = [row.response for row, outcome in outcomes(verifier, rows) if outcome == Outcome.CORRECT]
    wrong = {row.response for row in rows if row.label == Outcome.WRONG}
    assert [response for response in accepted if response in wrong] == []


def test_a_reference_in_a_box_is_correct(rows: list[GoldenRow]) -> None:
    problems = {row.problem.id: row.problem for row in rows}.values()
    attempts = [
        Attempt(problem=problem, response=f"$\\boxed{{{(problem.reference or '').rpartition('####')[2].strip()}}}$")
        for problem in problems
    ]
    for verifier in ("sympy", "exact"):
        verdicts = build(verifier).verify(attempts)
        refused = [a.response for a, v in zip(attempts, verdicts, strict=True) if v.outcome != Outcome.CORRECT]
        assert refused == [], verifier
