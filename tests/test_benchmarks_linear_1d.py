"""linear_1d: its problems, the same for a seed for ever."""

from __future__ import annotations

import json
import sqlite3
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks import linear_1d
from restem.benchmarks.linear_1d import problems
from restem.benchmarks.linear_equations import Equation, parse_question
from restem.benchmarks.mathematics_dataset import ENTROPY_OF_REGIME
from restem.benchmarks.problem import canonical_form

LOW = (3.0, 4.5)
EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"


def substituted(equation: Equation, value: Fraction) -> bool:
    left, right = (
        sum((t.coefficient * (value if t.of_variable else 1) for t in side), Fraction(0))
        for side in (equation.left, equation.right)
    )
    return left == right


@pytest.mark.parametrize("regime", [*ENTROPY_OF_REGIME, LOW])
def test_the_reference_solves_the_equation(regime: str | tuple[float, float]) -> None:
    for problem in islice(linear_1d.stream(0, regime), 60):
        assert substituted(parse_question(problem.question), Fraction(problem.reference or ""))


@pytest.mark.parametrize("name", ["linear_1d", "dose_response"])
def test_the_problems_of_stored_runs_are_drawn_again(name: str) -> None:
    database = sqlite3.connect(EXAMPLES / name / "run.db")
    config = json.loads(database.execute("SELECT value FROM run WHERE key = 'suite'").fetchone()[0])["benchmark"]
    drawn = problems(0, tuple(config["regime"]), {split: config[split] for split in ("train", "validation", "test")})
    for split, chosen in drawn.items():
        stored = database.execute(
            "SELECT id, question, reference, source FROM problem WHERE split = ? ORDER BY position", (split,)
        ).fetchall()
        assert [(p.id, p.question, p.reference, p.source) for p in chosen] == stored
    database.close()


def test_no_two_splits_share_a_canonical_form() -> None:
    splits = problems(1, LOW, {"train": 80, "validation": 20, "test": 80})
    forms = {split: {canonical_form(p.question) for p in chosen} for split, chosen in splits.items()}
    assert sum(map(len, forms.values())) == len(set.union(*forms.values())) == 180


@given(st.sampled_from("abcdf"), st.sampled_from("xyzuv"))
def test_a_renamed_problem_is_the_same_problem(old: str, new: str) -> None:
    text = f"Solve 3*{old} - 2 = {old}  for {old}."
    assert canonical_form(text) == canonical_form(text.replace(old, new) if old not in "Solve for" else text)


def test_an_unknown_regime_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="train-easy"):
        next(linear_1d.stream(0, "hard"))
