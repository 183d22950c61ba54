"""The loss in chunks against the plain loss, its memory, and rematerialised layers."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from restem.harness.model.architecture import Architecture
from restem.harness.model.gemma import forward, nn
from restem.harness.model.policy import Params, init_params
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch, attention_mask, weighted_nll
from restem.harness.training.packing import pack

SHAPE = {"embed_dim": 16, "hidden_dim": 32, "num_layers": 2, "num_heads": 2, "head_dim": 8}
ARCHITECTURES = {
    "gemma 1": Architecture(vocab_size=61, qk_norm=False, **SHAPE),
    "gemma 2, capped": Architecture(
        vocab_size=61, qk_norm=False, post_norms=True, final_softcap=3.0, attention_softcap=5.0, **SHAPE
    ),
    "gemma 3, sliding": Architecture(vocab_size=61, attention="LG", sliding_window=4, post_norms=True, **SHAPE),
}


@pytest.fixture(scope="module")
def batch() -> Batch:
    rng = np.random.default_rng(0)
    draw = lambda most: tuple(rng.integers(1, 61, rng.integers(1, most)).tolist())  # noqa: E731
    chosen = [Example(prompt_ids=draw(7), response_ids=draw(9), weight=w) for w in (0.5, 1.0, 2.0, 1.0, 1.5)]
    return pack(chosen, 24)


@pytest.fixture(params=ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def policy(request: pytest.FixtureRequest) -> tuple[nn.Transformer, Params]:
    return request.param.model(), init_params(request.param, jax.random.key(1))


def plain(model: nn.Transformer, params: Params, batch: Batch) -> jax.Array:
    """The same from the model's logits, all of them at once."""
    logits = forward(
        model, params, batch.tokens, positions=batch.positions, attention_mask=attention_mask(batch.ends)
    ).logits
    rows = jnp.arange(len(batch.tokens))[:, None]
    scores = jax.nn.log_softmax(logits[rows, batch.places])
    return -jnp.sum(batch.weights * jnp.take_along_axis(scores, batch.targets[:, :, None], axis=-1)[:, :, 0])


def test_the_loss_and_its_gradient_equal_the_plain_ones(policy: tuple[nn.Transformer, Params], batch: Batch) -> None:
    model, params = policy
    chunked = functools.partial(weighted_nll, model, remat=True, chunk_logits=61 * 7)
    value, gradient = jax.jit(jax.value_and_grad(chunked))(params, batch=batch)
    expected, expected_gradient = jax.jit(jax.value_and_grad(functools.partial(plain, model)))(params, batch=batch)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected_gradient), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_examples_in_one_tree_have_the_gradient_of_each_alone(policy: tuple[nn.Transformer, Params]) -> None:
    model, params = policy
    prompt, line = (3, 17, 40, 5, 9, 21), (33, 8, 60)
    responses = [(*line, 7, 12), (*line, 7, 30, 2), (*line, 44), (50, 51, 52, 53)]
    chosen = [
        Example(prompt_ids=prompt, response_ids=r, weight=w) for r, w in zip(responses, (1, 2, 0.5, 1), strict=True)
    ]
    chosen.append(Example(prompt_ids=(3, 17, 41), response_ids=(8, 8)))
    together, alone = pack(chosen, 32), [pack([example], 32) for example in chosen]
    assert len(together.tokens) == 1
    gradient = jax.jit(jax.value_and_grad(functools.partial(weighted_nll, model)))
    packed = gradient(params, batch=together)
    expected = jax.tree.map(lambda *parts: sum(parts), *(gradient(params, batch=single) for single in alone))
    for a, b in zip(jax.tree.leaves(packed), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_products_in_bfloat16_change_the_gradient_by_their_rounding(
    policy: tuple[nn.Transformer, Params], batch: Batch
) -> None:
    model, params = policy
    exact, mixed, twice = (
        jax.jit(jax.grad(functools.partial(weighted_nll, model, compute=compute, remat=remat)))(params, batch=batch)
        for compute, remat in (("float32", False), ("mixed", False), ("mixed", True))
    )
    for a, b, c in zip(*map(jax.tree.leaves, (exact, mixed, twice)), strict=True):
        assert c.dtype == np.float32
        assert 0 < np.linalg.norm(a - b) < 0.03 * np.linalg.norm(a)
        np.testing.assert_allclose(b, c, atol=0.01 * float(np.abs(a).max()))


def test_no_array_holds_the_logits_of_a_batch(batch: Batch) -> None:
    vocabulary = 6007
    architecture = Architecture(vocab_size=vocabulary, **SHAPE)
    loss = functools.partial(weighted_nll, architecture.model(), chunk_logits=5 * vocabulary)
    params = init_params(architecture, jax.random.key(1))
    text = jax.jit(jax.grad(loss)).lower(params, batch=batch).compile().as_text()
    assert f"[5,{vocabulary}]" in text
    for tokens in (batch.tokens.size, batch.targets.size):
        assert f"[{tokens},{vocabulary}]" not in text
    assert f"[{len(batch.tokens)},{batch.tokens.shape[1]},{vocabulary}]" not in text


def test_rematerialised_layers_keep_little_for_the_backward_pass() -> None:
    architecture = Architecture(vocab_size=61, embed_dim=8, hidden_dim=256, num_layers=3, num_heads=2, head_dim=8)
    params, ids = init_params(architecture, jax.random.key(1)), tuple(range(1, 33))
    batch = pack([Example(prompt_ids=ids, response_ids=ids)] * 8, 64)

    def kept(remat: bool) -> int:
        loss = functools.partial(weighted_nll, architecture.model(), batch=batch, remat=remat)
        backward = jax.eval_shape(lambda params: jax.vjp(loss, params)[1], params)
        return sum(leaf.size for leaf in jax.tree.leaves(backward))

    assert kept(remat=True) < 0.2 * kept(remat=False)
