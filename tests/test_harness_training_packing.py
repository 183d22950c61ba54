"""Rows as prefix trees: they hold what the examples hold, each shared token once."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.errors import PromptTooLong
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch, attention_mask
from restem.harness.training.packing import pack

ROW = 32
ids = st.lists(st.integers(1, 3), min_size=1, max_size=12).map(tuple)  # few tokens, so that much is shared
examples = st.lists(
    st.builds(Example, prompt_ids=ids, response_ids=ids, weight=st.sampled_from([0.5, 1.0, 2.0, -0.5, -2.0])),
    min_size=1,
    max_size=12,
)
Learnt = dict[tuple[tuple[int, ...], int], float]  # a token and all those before it -> weight


def learnt(batch: Batch, of: str = "weights") -> Learnt:
    """What a network that follows the mask learns from the rows; weights that cancel each other are left out."""
    result: Learnt = collections.defaultdict(float)
    masks = np.asarray(attention_mask(batch.ends))  # type: ignore[arg-type]
    for row, mask in enumerate(masks):
        for place, target, weight in zip(batch.places[row], batch.targets[row], getattr(batch, of)[row], strict=True):
            if weight:
                result[tuple(batch.tokens[row][mask[place]].tolist()), int(target)] += float(weight)
    return {key: weight for key, weight in result.items() if weight}


@given(examples)
def test_every_response_token_is_learnt_after_its_own_tokens_with_its_weight(chosen: list[Example]) -> None:
    expected: Learnt = collections.defaultdict(float)
    for example in chosen:
        for place, token in enumerate(example.response_ids):
            expected[example.prompt_ids + example.response_ids[:place], token] += example.weight
    assert learnt(pack(chosen, ROW)) == {key: weight for key, weight in expected.items() if weight}


@given(examples)
def test_magnitudes_are_the_absolute_weights_of_all_examples(chosen: list[Example]) -> None:
    expected: Learnt = collections.defaultdict(float)
    for example in chosen:
        for place, token in enumerate(example.response_ids):
            expected[example.prompt_ids + example.response_ids[:place], token] += abs(example.weight)
    assert learnt(pack(chosen, ROW), "magnitudes") == expected


@given(examples)
def test_magnitudes_of_positive_weights_are_these_bit_for_bit(chosen: list[Example]) -> None:
    batch = pack([dataclasses.replace(example, weight=abs(example.weight) / 3) for example in chosen], ROW)
    assert np.array_equal(batch.weights, batch.magnitudes)


@given(examples)
def test_a_token_sees_positions_from_the_root_to_itself_and_padding_is_seen_by_none(chosen: list[Example]) -> None:
    batch = pack(chosen, ROW)
    for row, mask in enumerate(np.asarray(attention_mask(batch.ends))):  # type: ignore[arg-type]
        real = np.asarray(batch.ends[row]) > 0
        assert not mask[:, ~real].any()
        for place in np.flatnonzero(real):
            assert np.array_equal(batch.positions[row][mask[place]], np.arange(int(batch.positions[row][place]) + 1))


@given(examples)
def test_no_row_holds_a_token_twice(chosen: list[Example]) -> None:
    batch = pack(chosen, ROW)
    for row, mask in enumerate(np.asarray(attention_mask(batch.ends))):  # type: ignore[arg-type]
        real = np.flatnonzero(np.asarray(batch.ends[row]))
        assert len({tuple(batch.tokens[row][mask[place]].tolist()) for place in real}) == len(real)


def test_the_samples_of_a_problem_share_its_prompt_and_their_first_lines() -> None:
    prompt, line = tuple(range(1, 11)), tuple(range(20, 26))
    responses = [(*line, 30, token) for token in (40, 41, 42)] + [(50, 51)]
    batch = pack([Example(prompt_ids=prompt, response_ids=response) for response in responses], 64)
    assert len(batch.tokens) == 1
    assert np.count_nonzero(batch.ends) == len(prompt) + len(line) + 1 + 1
    assert dict(collections.Counter(np.asarray(batch.weights)[batch.weights > 0].tolist())) == {3.0: 7, 1.0: 5}


def test_a_prompt_whose_samples_exceed_a_row_is_in_several() -> None:
    chosen = [Example(prompt_ids=(1, 2, 3, 4), response_ids=(n, n, n, n, n, n, n)) for n in range(10, 20)]
    batch = pack(chosen, 16)
    assert len(batch.tokens) == 5
    assert (np.asarray(batch.ends) > 0).all()


@given(examples)
def test_no_two_rows_would_fit_in_one(chosen: list[Example]) -> None:
    apart = [dataclasses.replace(e, prompt_ids=(100 + number, *e.prompt_ids)) for number, e in enumerate(chosen)]
    used = np.sort((np.asarray(pack(apart, ROW).ends) > 0).sum(axis=1))
    assert len(used) == 1 or used[0] + used[1] > ROW


def test_an_example_longer_than_a_row_is_an_error() -> None:
    example = Example(prompt_ids=(1,) * 9, response_ids=(2,) * 9)
    assert pack([example], 17).tokens.shape == (1, 17)
    with pytest.raises(PromptTooLong, match="17 tokens does not fit a row of 16"):
        pack([example], 16)
