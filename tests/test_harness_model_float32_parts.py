"""bfloat16 with float32 norms, softmax and logits: in what is computed, and in how near it comes to float32."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from restem.harness.model.architecture import Architecture
from restem.harness.model.gemma import forward, nn
from restem.harness.model.matmul_precision import cast, interceptors
from restem.harness.model.policy import Params, init_params
from restem.harness.sampling.kv_slots import Network, prefill

SHAPE = {"vocab_size": 61, "embed_dim": 64, "hidden_dim": 96, "num_layers": 4, "num_heads": 4, "head_dim": 16}
ARCHITECTURES = {
    "gemma 1, as many keys as queries": {"num_kv_heads": 4, "qk_norm": False},
    "gemma 2": {
        "num_kv_heads": 2,
        "qk_norm": False,
        "post_norms": True,
        "final_softcap": 30.0,
        "attention_softcap": 50.0,
        "attention": "LG",
        "sliding_window": 8,
    },
    "gemma 3": {"num_kv_heads": 1, "post_norms": True, "attention": "LLG", "sliding_window": 8},
}
TOKENS = jax.random.randint(jax.random.key(5), (4, 24), 1, 61)
OF_NORMS, OF_SOFTMAX = "rsqrt", "exp"  # the operations that only they have, gates with GELU aside


@pytest.fixture(params=ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def network(request: pytest.FixtureRequest) -> tuple[nn.Transformer, Params]:
    architecture = Architecture(**SHAPE, **request.param)
    params = init_params(architecture, jax.random.key(0))
    # Scales like those of trained networks: their change would be lost in 8 bits.
    return architecture.model(), jax.tree.map(lambda leaf: leaf + 0.01 if leaf.ndim == 1 else leaf, params)


def computed(model: nn.Transformer, params: Params, compute: str, **options: Any) -> Any:
    return forward(model, cast(params, compute), TOKENS, interceptors=interceptors(model, compute), **options)


def plain(model: nn.Transformer, params: Params) -> Any:
    """The same network, all of it in bfloat16."""
    return forward(model, jax.tree.map(lambda leaf: leaf.astype("bfloat16"), params), TOKENS)


def operations(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(tuple(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from operations(inner)


def types_of(function: Any, *args: Any) -> Counter[tuple[str, str]]:
    """How often each operation is applied to each type."""
    jaxpr = jax.make_jaxpr(function)(*args).jaxpr
    return Counter((str(each.primitive), str(each.invars[0].aval.dtype)) for each in operations(jaxpr) if each.invars)


def test_norms_and_softmax_are_computed_in_float32(network: tuple[nn.Transformer, Params]) -> None:
    model, params = network
    ours = types_of(functools.partial(computed, model, compute="bfloat16"), params)
    before = types_of(functools.partial(plain, model), params)
    for operation in (OF_NORMS, OF_SOFTMAX):
        count = before[operation, "bfloat16"]
        assert count >= 4
        assert (ours[operation, "bfloat16"], ours[operation, "float32"]) == (0, before[operation, "float32"] + count)


def test_logits_are_float32_and_all_that_passes_between_layers_is_bfloat16(
    network: tuple[nn.Transformer, Params],
) -> None:
    model, params = network
    out = jax.eval_shape(functools.partial(computed, model, compute="bfloat16", return_hidden_states=True), params)
    assert (out.logits.dtype, out.hidden_states.dtype) == (jnp.float32, jnp.bfloat16)
    assert jax.eval_shape(functools.partial(plain, model), params).logits.dtype == jnp.bfloat16


def test_log_probabilities_are_nearer_to_float32s_than_those_all_in_bfloat16(
    network: tuple[nn.Transformer, Params],
) -> None:
    model, params = network
    exact, ours = (jax.nn.log_softmax(computed(model, params, compute).logits) for compute in ("float32", "bfloat16"))
    rough = jax.nn.log_softmax(plain(model, params).logits.astype(jnp.float32))
    off, before = (float(np.sqrt(np.mean(np.square(x - exact)))) for x in (ours, rough))
    assert 0 < off < 0.9 * before


def test_the_cache_holds_bfloat16_and_decoding_gives_float32_logits(network: tuple[nn.Transformer, Params]) -> None:
    model, params = network
    decoder = Network(model, "bfloat16")
    prepared = jax.eval_shape(decoder.prepared, params)
    cache = jax.eval_shape(lambda params: prefill(decoder, params, TOKENS, None), prepared)
    assert {leaf.dtype for leaf in jax.tree.leaves(cache)} == {jnp.dtype("bfloat16")}
    assert jax.eval_shape(lambda params: decoder(params, TOKENS).logits, prepared).dtype == jnp.float32


def test_scales_of_norms_are_not_rounded(network: tuple[nn.Transformer, Params]) -> None:
    _, params = network
    rounded = cast(params, "bfloat16")
    types = {(path[-1].key, str(leaf.dtype)) for path, leaf in jax.tree.leaves_with_path(rounded)}
    assert {kind for name, kind in types if name == "scale"} == {"float32"}
    assert {kind for name, kind in types if name != "scale"} == {"bfloat16"}
