"""Problems: ids and splits as functions of canonical form and data."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem, canonical_form, data_text, problem_id, split_of

DATA = st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers(), max_size=3), min_size=1)
SHARES = {"train": 0.5, "test": 0.5}


def a_problem(reference: str | None, *alternatives: str) -> Problem:
    return Problem(id="1", question="q", reference=reference, split="test", source="", alternatives=alternatives)


@given(st.text())
def test_without_data_the_id_is_the_hash_of_the_canonical_form(question: str) -> None:
    digest = hashlib.sha256(canonical_form(question).encode()).hexdigest()
    assert problem_id("set", question) == problem_id("set", question, {}) == f"set/{digest[:12]}"


def test_an_id_of_a_stored_run_comes_out_again() -> None:
    assert problem_id("linear_1d", "Solve -3*b - 2 = 4*b + 12 for b.") == "linear_1d/54f091d78019"


@given(st.text(), DATA, DATA)
def test_ids_are_equal_if_and_only_if_data_are(
    question: str, data: dict[str, object], other: dict[str, object]
) -> None:
    same = problem_id("set", question, data) == problem_id("set", question, other)
    assert same == (data_text(data) == data_text(other))
    assert problem_id("set", question, data) != problem_id("set", question)


@given(DATA)
def test_the_order_of_keys_is_not_part_of_the_data(data: dict[str, object]) -> None:
    assert data_text(dict(reversed(data.items()))) == data_text(data)
    assert json.loads(data_text(data)) == data


def test_data_hold_no_number_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="JSON"):
        data_text({"limit": float("nan")})


def test_the_reference_is_the_first_of_the_accepted_answers() -> None:
    assert a_problem("1", "one").references == ("1", "one")
    assert a_problem("1").references == ("1",)
    assert a_problem(None).references == ()


def test_a_problem_with_data_can_stand_in_a_set() -> None:
    item = Problem(id="1", question="q", reference=None, split="test", source="", data={"a": [1]})
    assert len({item, item}) == 1


@given(st.text())
def test_every_question_has_one_split(question: str) -> None:
    assert split_of(question, SHARES) == split_of(f"  {question} ", SHARES)
