"""The loss against NumPy, packing against no packing, and what training may and may not do."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import m_step
from harness.config import TrainingConfig
from harness.errors import NonFiniteLoss, PromptTooLong
from harness.gemma_modules import forward
from harness.m_step import Example, pack
from harness.policy import Params, Policy, params_hash

ids = st.lists(st.integers(1, 200), min_size=1, max_size=12).map(tuple)
examples = st.lists(
    st.builds(Example, prompt_ids=ids, response_ids=ids, weight=st.sampled_from([0.5, 1.0, 2.0])),
    min_size=1,
    max_size=12,
)


def example(policy: Policy, question: str, response: str, weight: float = 1.0) -> Example:
    return Example(
        prompt_ids=tuple(policy.tokenizer.encode_prompt(question)),
        response_ids=tuple(policy.tokenizer.encode_response(response)),
        weight=weight,
    )


@pytest.fixture(scope="module")
def three(tiny: Policy) -> list[Example]:
    return [
        example(tiny, "Solve 3*x = 6 for x.", "x = 6/3\nx = 2"),
        example(tiny, "Solve 2*y + 1 = 6 for y.", "2*y = 6 - 1\n2*y = 5", 0.5),
        example(tiny, "Solve k = 6 for k.", "k = 6", 2.0),
    ]


@given(examples)
def test_packing_keeps_every_response_token_with_its_weight(chosen: list[Example]) -> None:
    batch = pack(chosen, 32)
    kept = sorted(
        zip(batch.targets[batch.weights > 0].tolist(), batch.weights[batch.weights > 0].tolist(), strict=True)
    )
    assert kept == sorted((token, e.weight) for e in chosen for token in e.response_ids)


@given(examples)
def test_packed_targets_are_the_next_tokens_of_the_same_example(chosen: list[Example]) -> None:
    batch = pack(chosen, 32)
    inside = (batch.segments[:, :-1] == batch.segments[:, 1:]) & (batch.segments[:, 1:] > 0)
    assert np.array_equal(np.asarray(batch.targets[:, :-1])[inside], np.asarray(batch.tokens[:, 1:])[inside])


def test_an_example_longer_than_a_row_is_an_error(three: list[Example]) -> None:
    with pytest.raises(PromptTooLong):
        pack(three, 16)


def test_the_loss_equals_numpys_on_every_example_alone(tiny: Policy, three: list[Example]) -> None:
    total = weight = 0.0
    for e in three:
        sequence = [*e.prompt_ids, *e.response_ids]
        logits = np.asarray(forward(tiny.model, tiny.params, np.array([sequence[:-1]])).logits[0], np.float64)
        for position in range(len(e.prompt_ids) - 1, len(sequence) - 1):
            row = logits[position]
            total += e.weight * (np.logaddexp.reduce(row) - row[sequence[position + 1]])
            weight += e.weight
    assert float(m_step.loss(tiny.model, tiny.params, pack(three, 80))) == pytest.approx(total / weight, rel=1e-4)


def test_a_prompts_tokens_have_no_loss(three: list[Example]) -> None:
    batch = pack(three[:1], 80)
    assert (batch.weights > 0).sum() == len(three[0].response_ids)


def run_fit(policy: Policy, chosen: list[Example], check: object = lambda step, params: None, **changes: object):
    config = TrainingConfig(**{"steps": 6, "rows": 2, "row_length": 80, "checks": 2, **changes})  # type: ignore[arg-type]
    return m_step.fit(policy, chosen, config, 0, check)  # type: ignore[arg-type]


def test_training_lowers_the_loss_and_leaves_the_base_alone(tiny: Policy, three: list[Example]) -> None:
    before = params_hash(tiny.params)
    fitted = run_fit(tiny, three, steps=12)
    assert fitted.losses[-1] < fitted.losses[0]
    assert params_hash(tiny.params) == before != params_hash(fitted.params)


def test_training_twice_gives_the_same_parameters(tiny: Policy, three: list[Example]) -> None:
    assert params_hash(run_fit(tiny, three).params) == params_hash(run_fit(tiny, three).params)


def test_training_stops_where_the_validation_reward_falls(tiny: Policy, three: list[Example]) -> None:
    rewards = {2: 0.5, 4: 0.4, 6: 0.9}
    seen: dict[int, str] = {}

    def check(step: int, params: Params) -> float:
        seen[step] = params_hash(params)
        return rewards[step]

    fitted = run_fit(tiny, three, check, checks=3)
    assert (fitted.steps, fitted.validation_reward, sorted(seen)) == (2, 0.5, [2, 4])
    assert params_hash(fitted.params) == seen[2]


def test_accumulating_all_batches_equals_one_large_batch(tiny: Policy, three: list[Example]) -> None:
    alike = [dataclasses.replace(three[0], weight=1.0)] * 4
    sgd = {"optimizer": "sgd", "learning_rate": 0.1, "steps": 1, "checks": 0, "row_length": 40}
    small = run_fit(tiny, alike, **sgd, rows=1, accumulate_all=True)
    large = run_fit(tiny, alike, **sgd, rows=4)
    for a, b in zip(jax.tree.leaves(small.params), jax.tree.leaves(large.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_loss_that_is_not_finite_stops_training(tiny: Policy, three: list[Example]) -> None:
    broken = dataclasses.replace(tiny, params=jax.tree.map(lambda leaf: leaf * float("nan"), tiny.params))
    with pytest.raises(NonFiniteLoss):
        run_fit(broken, three)
