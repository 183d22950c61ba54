"""Gemma 3n and Gemma 4, small: sampled, scored and trained by code that does not depend on their layers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from restem.harness.model.gemma import forward, nn
from restem.harness.model.matmul_precision import cast
from restem.harness.model.mesh import make_mesh
from restem.harness.sampling.decoding import Decoding
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.sampler import Batching, sample
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch, weighted_nll
from restem.harness.training.optimizer_step import Step, TrainState, train_step
from restem.harness.training.packing import pack

NEW = 12
# The gradient of a small Gemma 3n takes XLA a minute to compile, and a third of it without optimization.
QUICK = {"xla_backend_optimization_level": 0}
LENGTH = 32  # of prompt and response, padded
VOCABULARY = 61
PROMPTS = [[3, 17, 40, 5, 9, 21, 33], [8, 60], [12, 7, 30, 2, 44, 51, 50, 13, 25, 18]]
SMALL = {"num_embed": VOCABULARY, "embed_dim": 32, "hidden_dim": 48, "num_heads": 4, "head_dim": 8}


def small(name: str, layers: int, **changes: Any) -> nn.Transformer:
    """A network of this class with few and narrow layers, its kinds of attention in turn."""
    network = getattr(nn, name)
    kinds = dict.fromkeys(network.config.attention_types)
    config = dataclasses.replace(
        network.config, attention_types=(*kinds,) * (layers // 2), sliding_window_size=4, **SMALL | changes
    )
    return network(text_only=True, dtype=jnp.float32, config=config)


def shared(network: str, layers: int) -> Any:
    """The last two layers use keys and values of those two before them."""
    return dataclasses.replace(getattr(nn, network).config.kv_cache_sharing_config, frac_shared_layers=2 / layers)


NETWORKS = {
    "gemma 3n": small(
        "Gemma3n_E2B",
        4,
        num_kv_heads=2,
        per_layer_input_dim=8,
        laurel_rank=4,
        activation_sparsity_pattern=(0.95, 0.95, 0.0, 0.0),
        kv_cache_sharing_config=shared("Gemma3n_E2B", 4),
    ),
    "gemma 4, small": small(
        "Gemma4_E2B",
        4,
        num_kv_heads=1,
        global_key_size=16,
        per_layer_input_dim=8,
        kv_cache_sharing_config=shared("Gemma4_E2B", 4),
        override_kv_shared_ffw_hidden=64,
    ),
    "gemma 4, large": small("Gemma4_31B", 4, num_kv_heads=2, num_global_kv_heads=1, global_key_size=16),
    "gemma 4, experts": small(
        "Gemma4_26B_A4B",
        4,
        num_kv_heads=2,
        num_global_kv_heads=1,
        global_key_size=16,
        num_experts=4,
        expert_dim=16,
        top_k_experts=2,
        moe_dense_hidden_dim=32,
    ),
}


class Small(NamedTuple):
    """A network, parameters large enough that its layers matter, and token ids -> logits of every position."""

    network: nn.Transformer
    params: Any
    logits: Callable[[Sequence[int]], np.ndarray]


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS.keys())
def policy(request: pytest.FixtureRequest) -> Iterator[Small]:
    network = request.param

    @functools.partial(jax.jit, compiler_options=QUICK)  # as a whole: layer by layer it takes minutes and gigabytes
    def initial() -> Any:
        params = network.init(jax.random.key(0), jnp.ones((1, 2), jnp.int32))["params"]
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.key(1), len(leaves))
        drawn = [leaf + 0.2 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(tree, drawn)

    with jax.numpy_dtype_promotion("standard"):
        params = initial()
    # The network takes token 0 for padding unless it is given positions and a mask.
    seen = {"positions": np.arange(LENGTH)[None], "attention_mask": np.tri(LENGTH, dtype=bool)[None]}
    run = jax.jit(lambda params, tokens: forward(network, params, tokens, **seen).logits[0], compiler_options=QUICK)

    def logits(ids: Sequence[int]) -> np.ndarray:
        padded = np.zeros((1, LENGTH), np.int32)
        padded[0, : len(ids)] = ids
        return np.asarray(run(params, padded))[: len(ids)]

    yield Small(network, params, logits)
    jax.clear_caches()


def test_cached_decoding_equals_decoding_from_scratch(policy: Small) -> None:
    network, params, logits_of = policy
    keys = np.array([[sample_key(0, prompt, k) for k in range(2)] for prompt in range(len(PROMPTS))])
    decoding = Decoding(top_k=1, max_new_tokens=NEW)
    parts = sample(network, params, PROMPTS, keys, decoding, Batching(padded_length=16, context_length=64, slots=8))
    drawn = np.concatenate([draws.ids for _, draws in parts])
    for prompt, samples in zip(PROMPTS, drawn, strict=True):
        ids = [*prompt]
        for token in samples[0].tolist():
            logits = logits_of(ids)[-1]
            assert np.diff(np.sort(logits)[-2:]) > 1e-3  # else rounding could decide
            assert token == np.argmax(logits)
            ids.append(token)
        assert np.array_equal(samples[0], samples[1])
    assert len(np.unique(drawn)) > 3


@pytest.mark.parametrize(
    "options",
    [{}, {"remat": True}, {"compute": "mixed"}, {"compute": "bfloat16"}],
    ids=["plain", "remat", "mixed", "bfloat16"],
)
def test_examples_in_trees_have_the_loss_of_each_alone(policy: Small, options: dict[str, Any]) -> None:
    network, params, logits_of = policy
    chosen = [
        Example(prompt_ids=tuple(prompt), response_ids=(*line, 7, end), weight=weight)
        for prompt, weight in zip(PROMPTS, (1.0, 2.0, 0.5), strict=True)
        for line, end in (((33, 8), 5), ((33, 8), 6), ((50,), 5))
    ]
    expected = 0.0
    for e in chosen:
        logits = logits_of(e.prompt_ids + e.response_ids[:-1])[len(e.prompt_ids) - 1 :]
        scores = jax.nn.log_softmax(logits)[np.arange(len(e.response_ids)), np.array(e.response_ids)]
        expected -= e.weight * float(scores.sum())
    loss = jax.jit(functools.partial(weighted_nll, network, **options), compiler_options=QUICK)(
        cast(params, options.get("compute", "float32")), batch=pack(chosen, 40)
    )
    assert float(loss) == pytest.approx(expected, rel=0.02 if "compute" in options else 1e-4)


def test_a_training_step_lowers_the_loss(policy: Small) -> None:
    network, params, _ = policy
    chosen = [Example(prompt_ids=tuple(prompt), response_ids=(33, 8, 7)) for prompt in PROMPTS]
    batch = Batch(*(field[None] for field in pack(chosen, 40)))
    step = Step(network=network, optimizer=optax.adam(1e-3), mesh=make_mesh())
    state = TrainState(jax.tree.map(jnp.copy, params), step.optimizer.init(params))
    compiled = train_step.lower(step, state, {}, batch).compile(compiler_options=QUICK)
    losses = []
    for _ in range(4):
        state, loss = compiled(state, {}, batch)
        losses.append(float(loss))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
