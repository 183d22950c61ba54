"""Prompts that do not fit: all of them are counted at once, and the settings in the message fit them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.harness.app.lengths import check_lengths
from restem.harness.config import Suite, load_suite
from restem.harness.errors import ConfigError

CONTEXT = 200


def of_each_split(longest: int) -> st.SearchStrategy[dict[str, list[int]]]:
    """Lengths of a few prompts of each split."""
    lengths = st.lists(st.integers(1, longest), min_size=1, max_size=4)
    return st.fixed_dictionaries(dict.fromkeys(("train", "validation", "test"), lengths))


LENGTHS, SHORT = of_each_split(300), of_each_split(CONTEXT - 1)


def suite(*overrides: str) -> Suite:
    return load_suite("linear_1d", overrides)


def complaint(suite: Suite, lengths: Mapping[str, list[int]]) -> str:
    """The message about prompts of these lengths; empty where they fit."""
    problems = {
        split: [
            Problem(id=f"{split}/{n}", question="q", reference=None, split=split, source=f"set:{split}{n}")
            for n, _ in enumerate(items)
        ]
        for split, items in lengths.items()
    }
    try:
        check_lengths(suite, problems, lengths, CONTEXT)
    except ConfigError as error:
        return str(error)
    return ""


@given(SHORT, st.integers(1, 250), st.integers(8, 300))
def test_with_the_settings_of_the_message_all_problems_fit(
    lengths: Mapping[str, list[int]], new: int, row: int
) -> None:
    message = complaint(suite(f"sampling.max_new_tokens={new}", f"training.row_length={row}"), lengths)
    assume(message and "no setting" not in message)
    changes = [f"{name}={value}" for name, value in re.findall(r"((?:sampling|training)\.\w+) = (\d+)", message)[1:]]
    settled = suite(f"sampling.max_new_tokens={new}", f"training.row_length={row}", *changes)
    assert complaint(settled, lengths) == ""


@given(LENGTHS, st.integers(1, 250), st.integers(8, 300))
def test_a_suite_is_refused_if_and_only_if_a_problem_does_not_fit(
    lengths: Mapping[str, list[int]], new: int, row: int
) -> None:
    limits = {"train": min(row, CONTEXT), "validation": CONTEXT, "test": CONTEXT}
    too_long = [n for split, items in lengths.items() for n in items if n + new > limits[split]]
    message = complaint(suite(f"sampling.max_new_tokens={new}", f"training.row_length={row}"), lengths)
    assert message.startswith(f"{len(too_long)} of ") if too_long else message == ""
    assert ("no setting" in message) == (bool(too_long) and max(max(items) for items in lengths.values()) >= CONTEXT)


def test_each_split_is_counted_with_its_limit_and_its_longest_prompt() -> None:
    lengths = {"train": [60, 90, 100], "validation": [10], "test": [150, 170]}
    message = complaint(suite("sampling.max_new_tokens=50", "training.row_length=120"), lengths)
    assert message.splitlines() == [
        "3 of 6 problems do not fit: the prompt's tokens and sampling.max_new_tokens = 50 exceed",
        "  120 (training.row_length) for 2 of 3 train problems; the longest prompt has 100 tokens (set:train2)",
        "  200 (the policy's context) for 1 of 2 test problems; the longest prompt has 170 tokens (set:test1)",
        "sampling.max_new_tokens = 30 and training.row_length = 130 fits all of them; a longer response takes a policy "
        "with a context of at least 220, or leaving out the longest problems",
    ]


@pytest.mark.parametrize("setting", ["strata=['level']", "columns.answer=gold"])
def test_columns_and_strata_go_with_a_file(setting: str) -> None:
    with pytest.raises(ConfigError, match="`strata` and `columns` go with"):
        suite(f"benchmark.{setting}")
