"""GRPO's loss against TRL's on one batch and against sums over single responses, and what a fit with it changes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from restem.harness.model.gemma import forward
from restem.harness.model.mesh import make_mesh
from restem.harness.model.policy import Params, Policy, params_hash
from restem.harness.settings import TrainingConfig
from restem.harness.training import m_step
from restem.harness.training.example import Example
from restem.harness.training.grpo import FromBase, Grpo, GrpoBatch, grpo_batch
from restem.harness.training.loss import objective_sum
from tests.perf import grpo_trl
from tests.small_policy import small_policy

TRL = json.loads((Path(__file__).parent / "golden" / "grpo_trl.json").read_text())
TRAINING = TrainingConfig(row_length=32, rows=2)
LOSS = Grpo(clip=0.2, kl=0.1, temperature=0.7)


@pytest.fixture(scope="module")
def trl_and_ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float, GrpoBatch]:
    return grpo_trl.ours(TRL, tmp_path_factory.mktemp("vocabulary"))


def test_the_loss_and_its_gradient_are_trls(trl_and_ours: tuple[float, float, GrpoBatch]) -> None:
    loss, norm, _ = trl_and_ours
    assert loss == pytest.approx(TRL["loss"], abs=2e-6)
    assert norm == pytest.approx(TRL["gradient_norm"], rel=5e-6)


def test_trls_batch_clips_on_both_sides_and_is_away_from_the_base() -> None:
    assert min(TRL["metrics"]["clip_ratio/low_mean"], TRL["metrics"]["clip_ratio/high_mean"], TRL["metrics"]["kl"]) > 0


def test_the_log_probabilities_are_trls(trl_and_ours: tuple[float, float, GrpoBatch]) -> None:
    *_, batch = trl_and_ours
    for name in ("old", "base"):
        ours = {round(float(value), 4) for value in getattr(batch, name)[batch.counts > 0]}
        theirs = {round(value, 4) for row in TRL[name] for value in row}
        assert max(min(abs(a - b) for b in ours) for a in theirs) < 2e-4


def shifted(policy: Policy, scale: float, seed: int) -> Policy:
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: leaf + jnp.float32(scale) * rng.normal(size=leaf.shape), policy.params)
    return dataclasses.replace(policy, params=jax.tree.map(jnp.float32, params))


@pytest.fixture(scope="module")
def base() -> Policy:
    return small_policy()


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Responses that share prompts and first tokens, also with responses of the other sign; one is there twice."""
    prompts, line = ((5, 6, 7, 8), (5, 6, 9)), (20, 21)
    ends = [((30,), 1.2), ((30,), 0.5), ((31, 32), 0.7), ((30,), -0.4), ((33, 34, 35), -1.1), ((36,), -0.2)]
    return [Example(prompt_ids=p, response_ids=(*line, *e), weight=w) for p in prompts for e, w in ends]


def logprobs(policy: Policy, example: Example) -> np.ndarray:
    """Of the response's tokens, from the model's logits on this example alone."""
    sequence, start = [*example.prompt_ids, *example.response_ids], len(example.prompt_ids)
    logits = np.asarray(forward(policy.model, policy.params, np.array([sequence[:-1]])).logits[0], np.float64) / 0.7
    scores = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return scores[np.arange(start - 1, len(sequence) - 1), sequence[start:]]


def batch_of(old: Policy, base: Policy, examples: list[Example]) -> GrpoBatch:
    return grpo_batch(old, examples, TRAINING, FromBase(loss=LOSS, base=base), make_mesh())


def mean_loss(policy: Policy, params: Params, batch: Any) -> jax.Array:
    return objective_sum(LOSS, policy.model, params, batch) / LOSS.total(batch)


def test_the_loss_of_packed_rows_is_the_mean_over_the_tokens_of_single_responses(
    base: Policy, examples: list[Example]
) -> None:
    old, new = shifted(base, 0.01, 1), shifted(base, 0.02, 2)
    losses: list[float] = []
    clipped = 0
    for example in examples:
        of_new, of_old, of_base = (logprobs(policy, example) for policy in (new, old, base))
        ratio, above = np.exp(of_new - of_old), of_base - of_new
        clipped += int((np.abs(ratio - 1) > LOSS.clip).sum())
        gain = np.minimum(ratio * example.weight, np.clip(ratio, 0.8, 1.2) * example.weight)
        losses += list(LOSS.kl * (np.exp(above) - above - 1) - gain)
    packed = batch_of(old, base, examples)
    assert float(mean_loss(new, new.params, packed)) == pytest.approx(np.mean(losses), rel=1e-4)
    assert packed.counts.sum() == len(losses)
    assert 0 < clipped < len(losses)


def test_no_row_holds_advantages_of_both_signs(base: Policy, examples: list[Example]) -> None:
    advantages = batch_of(base, base, examples).advantages
    assert (((advantages >= 0).all(axis=1)) | ((advantages <= 0).all(axis=1))).all()
    assert (advantages > 0).any()
    assert (advantages < 0).any()


def test_the_first_gradient_is_that_of_the_log_likelihood_weighted_by_advantages(
    base: Policy, examples: list[Example]
) -> None:
    packed = batch_of(base, base, examples)
    gradient = jax.grad(lambda params: mean_loss(base, params, packed))(base.params)
    tokens = sum(len(example.response_ids) for example in examples)

    def likelihood(params: Params) -> jax.Array:
        total = jnp.float32(0)
        for example in examples:
            sequence, start = [*example.prompt_ids, *example.response_ids], len(example.prompt_ids)
            logits = forward(base.model, params, np.array([sequence[:-1]])).logits[0] / 0.7
            scores = jax.nn.log_softmax(logits)[jnp.arange(start - 1, len(sequence) - 1), np.array(sequence[start:])]
            total -= example.weight * scores.sum() / tokens
        return total

    expected = jax.grad(likelihood)(base.params)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_empty_rows_and_targets_add_nothing(base: Policy, examples: list[Example]) -> None:
    new = shifted(base, 3.0, 2)
    packed = batch_of(base, base, examples)
    filled = jax.tree.map(lambda field: np.pad(field, ((0, 3), (0, 0))), packed)
    values = [jax.value_and_grad(lambda p, b=batch: mean_loss(new, p, b))(new.params) for batch in (packed, filled)]
    for a, b in zip(*map(jax.tree.leaves, values), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def fitted(base: Policy, examples: list[Example], kl: float = 0.0, **changes: object) -> m_step.Fitted:
    settings = {"steps": 8, "rows": 4, "row_length": 32, "checks": 0, "learning_rate": 3e-3, **changes}
    loss = FromBase(loss=Grpo(kl=kl, temperature=0.7), base=base)
    return m_step.fit(base, examples, TrainingConfig(**settings), 0, lambda *_: None, grpo=loss)  # type: ignore[arg-type]


def test_training_makes_responses_of_positive_advantage_likelier_and_the_others_less_likely(base: Policy) -> None:
    pair = [Example(prompt_ids=(5, 6), response_ids=(20, end), weight=w) for end, w in ((30, 1.0), (31, -1.0))]
    trained = dataclasses.replace(base, params=fitted(base, pair).params)
    good, bad = (logprobs(trained, example)[1] - logprobs(base, example)[1] for example in pair)
    assert good > 0.1 > -0.1 > bad


def test_a_larger_penalty_keeps_the_policy_nearer_to_the_base(base: Policy, examples: list[Example]) -> None:
    def moved(kl: float) -> float:
        after = dataclasses.replace(base, params=fitted(base, examples, kl, steps=30).params)
        return sum(float(np.abs(logprobs(after, e) - logprobs(base, e)).sum()) for e in examples)

    assert moved(50.0) < 0.5 * moved(0.0)


@pytest.mark.parametrize("changes", [{"trainable": "lora"}, {"compute_dtype": "mixed"}, {"remat": True}])
def test_training_twice_gives_the_same_parameters(
    base: Policy, examples: list[Example], changes: dict[str, object]
) -> None:
    once, twice = (fitted(base, examples, 0.04, **changes) for _ in range(2))
    assert params_hash(once.params) == params_hash(twice.params)
    assert once.losses == twice.losses


def test_micro_batches_equal_one_large_batch(base: Policy, examples: list[Example]) -> None:
    one_step = {"optimizer": "sgd", "learning_rate": 0.1, "steps": 1, "accumulate_all": True}
    small, large = (fitted(base, examples, 0.04, **one_step, rows=rows) for rows in (1, 4))
    for a, b in zip(jax.tree.leaves(small.params), jax.tree.leaves(large.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
