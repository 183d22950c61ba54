"""Rows of seven authors who had not seen the reader: few right answers are missed, and hardly any is decided wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.problem import Problem
from restem.verifiers.exact.sympy_exact import Sympy
from restem.verifiers.verdict import Attempt, Outcome

ROWS = [json.loads(line) for line in (Path(__file__).parent / "golden" / "chat_answers.jsonl").read_text().splitlines()]


def attempt(row: dict[str, Any]) -> Attempt:
    problem = Problem(id="p", question=row["question"], reference=row["reference"], split="test", source="test")
    return Attempt(problem=problem, response=row["response"])


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[dict[str, Any], Outcome]]:
    verdicts = Sympy().verify([attempt(row) for row in ROWS])
    return [(row, verdict.outcome) for row, verdict in zip(ROWS, verdicts, strict=True)]


def test_the_rows_are_of_both_kinds() -> None:
    labels = Counter(row["expected"] for row in ROWS)
    assert len(ROWS) > 2_700
    assert 0.4 < labels[0] / len(ROWS) < 0.5


def test_hardly_any_right_answer_is_decided_wrong_and_hardly_any_wrong_one_accepted(
    outcomes: list[tuple[dict[str, Any], Outcome]],
) -> None:
    decided_wrong = [row["response"] for row, outcome in outcomes if row["expected"] and outcome is Outcome.WRONG]
    accepted = [row["response"] for row, outcome in outcomes if not row["expected"] and outcome is Outcome.CORRECT]
    assert len(decided_wrong) <= 2, decided_wrong
    assert len(accepted) <= 3, accepted


@pytest.mark.parametrize(
    ("what", "most"), [("word problems", 0.07), ("MATH style", 0.05), ("linear_1d", 0.03), ("graders", 0.05)]
)
def test_few_right_answers_are_missed(outcomes: list[tuple[dict[str, Any], Outcome]], what: str, most: float) -> None:
    right = [(row, outcome) for row, outcome in outcomes if row["expected"] and what in row["origin"]]
    missed = [row["response"] for row, outcome in right if outcome is not Outcome.CORRECT]
    assert len(right) > 100
    assert len(missed) <= most * len(right), missed
