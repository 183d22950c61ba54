"""What each trainable set trains, what it leaves unchanged to the bit, and the size of the optimizer's state."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from restem.harness.errors import ConfigError
from restem.harness.model.architecture import Architecture
from restem.harness.model.gemma import forward, nn, peft
from restem.harness.model.policy import Params, Policy, init_params
from restem.harness.settings import TrainingConfig
from restem.harness.training import m_step
from restem.harness.training.example import Example
from restem.harness.training.trainable import check_lora, merged, split

KEY = jax.random.key(3)
EXAMPLES = [Example(prompt_ids=(5, 6, 7), response_ids=(8, 9)), Example(prompt_ids=(5, 7), response_ids=(9, 8, 8))]


@pytest.fixture(scope="module")
def policy(tiny: Policy) -> Policy:
    """One that compiles in a moment."""
    architecture = Architecture(vocab_size=61, embed_dim=16, hidden_dim=32, num_layers=2, num_heads=2, head_dim=8)
    return dataclasses.replace(tiny, architecture=architecture, params=init_params(architecture, jax.random.key(0)))


def names(params: Params) -> set[str]:
    return {jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(params)}


def changed(before: Params, after: Params) -> set[str]:
    """The leaves that differ in any bit."""
    pairs = zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True)
    return {jax.tree_util.keystr(path) for (path, a), b in pairs if not np.array_equal(a, b)}


def fitted(policy: Policy, **settings: object) -> m_step.Fitted:
    config = TrainingConfig(steps=8, rows=2, row_length=16, checks=0, learning_rate=0.01, lora_rank=4, **settings)  # type: ignore[arg-type]
    return m_step.fit(policy, EXAMPLES, config, 0, lambda step, params: None)


def test_full_training_changes_every_leaf(policy: Policy) -> None:
    assert changed(policy.params, fitted(policy).params) == names(policy.params)


def test_a_frozen_embedder_stays_bit_for_bit(policy: Policy) -> None:
    different = changed(policy.params, fitted(policy, trainable="no_embedder").params)
    assert different == {name for name in names(policy.params) if "embedder" not in name}


def test_lora_changes_the_matrices_of_layers_alone(policy: Policy) -> None:
    before = jax.tree.map(np.array, policy.params)
    different = changed(before, fitted(policy, trainable="lora").params)
    kinds = ("['w']", "['gating_einsum']", "['linear']")
    assert different == {name for name in names(policy.params) if name.endswith(kinds)}
    assert not changed(before, policy.params)


def test_lora_lowers_the_loss_with_rematerialised_layers_too(policy: Policy) -> None:
    once, twice = (fitted(policy, trainable="lora", remat=remat).losses for remat in (False, True))
    assert once[-1] < 0.9 * once[0]
    assert twice == pytest.approx(once, rel=1e-4)


@pytest.mark.parametrize("compute", ["mixed", "bfloat16"])
@pytest.mark.parametrize("keys", [1, 2], ids=["one key head", "as many as of queries"])
def test_lora_trains_as_in_float32_up_to_rounding(policy: Policy, compute: str, keys: int) -> None:
    architecture = dataclasses.replace(policy.architecture, num_kv_heads=keys)
    params = init_params(architecture, jax.random.key(0))
    policy = dataclasses.replace(policy, architecture=architecture, params=params)
    exact, rounded = (fitted(policy, trainable="lora", compute_dtype=kind).losses for kind in ("float32", compute))
    assert rounded[-1] < 0.9 * rounded[0]
    assert rounded == pytest.approx(exact, rel=0.01)
    assert rounded != exact


@pytest.mark.parametrize("kind", ["full", "no_embedder", "lora"])
def test_training_starts_at_the_policy(policy: Policy, kind: str) -> None:
    parts = split(policy, kind, 4, KEY)  # type: ignore[arg-type]
    assert not changed(policy.params, merged(parts.network, parts.trained, parts.frozen))


def test_merged_parameters_compute_what_lora_computes(policy: Policy) -> None:
    parts = split(policy, "lora", 4, KEY)
    drawn = jax.tree.map(lambda leaf: leaf + 0.05 * jax.random.normal(KEY, leaf.shape), parts.trained)
    tokens = np.array([[3, 17, 40, 5, 9]])
    expected = forward(parts.network, peft.merge_params(parts.frozen, drawn), tokens).logits
    plain = merged(parts.network, drawn, parts.frozen)
    assert names(plain) == names(policy.params)
    np.testing.assert_allclose(forward(policy.model, plain, tokens).logits, expected, atol=1e-3)
    assert float(np.abs(forward(policy.model, policy.params, tokens).logits - expected).max()) > 0.1


@pytest.mark.parametrize("kind", ["full", "no_embedder", "lora"])
def test_the_optimizers_state_is_two_moments_of_what_is_trained_and_a_count(policy: Policy, kind: str) -> None:
    parts = split(policy, kind, 4, KEY)  # type: ignore[arg-type]
    state = m_step.optimizer_of("adamw", 1e-3, 1, 4).init(parts.trained)
    size = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))  # noqa: E731
    assert size(state) - 2 * size(parts.trained) in (1, 2)
    assert kind == "full" or size(parts.trained) < size(policy.params)


def test_a_network_without_layers_for_lora_is_named() -> None:
    with pytest.raises(ConfigError, match="Gemma3n_E2B"):
        check_lora(nn.Gemma3n_E2B(text_only=True))
