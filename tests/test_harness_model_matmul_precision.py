"""Products in bfloat16 against exact ones, for every equation of `gm.nn`, forwards and backwards."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.typing import ArrayLike

from restem.harness.model.gemma import forward
from restem.harness.model.matmul_precision import MIXED, cast, equation_of, interceptors, product
from restem.harness.model.policy import Policy
from restem.harness.sampling.kv_slots import Network

LAYERS = {
    "query": ("BTD,NDH->BTNH", (2, 5, 16), (4, 16, 8)),
    "key and value": ("BSD,CKDH->CBSKH", (2, 5, 16), (2, 1, 16, 8)),
    "all three": ("BTD,SNDH->SBTNH", (2, 5, 16), (3, 4, 16, 8)),
    "attention's output": ("BTNH,NHD->BTD", (2, 5, 4, 8), (4, 8, 16)),
    "gates": ("...F,NFH->...NH", (2, 5, 16), (2, 16, 24)),
    "gates, transposed": ("...F,NHF->...NH", (2, 5, 16), (2, 24, 16)),
    "feed-forward's output": ("...H,HF->...F", (2, 5, 24), (24, 16)),
}


def einsum(text: str, x: jax.Array, weight: jax.Array) -> jax.Array:
    equation = equation_of(text)
    assert equation is not None
    return equation.apply(product, x, equation.matrix(weight), weight.shape)


def random(shape: tuple[int, ...], seed: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def near(actual: ArrayLike, exact: ArrayLike) -> None:
    """Equal up to the rounding of the operands to 8 bits, and not exact."""
    assert jnp.asarray(actual).dtype == jnp.float32
    assert 0 < np.linalg.norm(np.subtract(actual, exact)) < 0.01 * np.linalg.norm(np.asarray(exact))


@pytest.mark.parametrize(("equation", "of_x", "of_weight"), LAYERS.values(), ids=LAYERS.keys())
def test_every_layers_equation_and_its_gradients(
    equation: str, of_x: tuple[int, ...], of_weight: tuple[int, ...]
) -> None:
    x, weight = random(of_x, 0), random(of_weight, 1)
    exact, exact_backward = jax.vjp(lambda x, weight: jnp.einsum(equation, x, weight), x, weight)
    actual, backward = jax.vjp(jax.jit(lambda x, weight: einsum(equation, x, weight)), x, weight)
    near(actual, exact)
    gradient = random(exact.shape, 2)
    for a, b in zip(backward(gradient), exact_backward(gradient), strict=True):
        near(a, b)


@pytest.mark.parametrize("shape", [(1, 16, 8), (7, 5, 3), (33, 40, 6), (384, 128, 352)])
def test_products_of_any_size_and_with_any_operand_transposed(shape: tuple[int, int, int]) -> None:
    rows, depth, columns = shape
    x, weight = random((rows, depth), 0), random((columns, depth), 1)
    for around in (lambda x, w: product(x, w.T), lambda x, w: product(w, x.T).T, lambda x, w: product(x.T.T, w.T)):
        loss = lambda x, w, around=around: jnp.sum(jnp.sin(around(x, w) / 8))  # noqa: E731
        exact = jax.grad(lambda x, w: jnp.sum(jnp.sin(x @ w.T / 8)), (0, 1))(x, weight)
        for a, b in zip(jax.jit(jax.grad(loss, (0, 1)))(x, weight), exact, strict=True):
            assert np.linalg.norm(a - b) < 0.02 * np.linalg.norm(b)


def test_an_equation_that_is_no_single_product_is_not_taken() -> None:
    assert equation_of("gecd,ekfd->kgecf") is None
    assert equation_of("BDT,DH->BTH") is None


@pytest.mark.parametrize("compute", ["float32", MIXED, "bfloat16"])
def test_a_network_computes_the_same_with_its_weights_as_matrices(tiny: Policy, compute: str) -> None:
    ids = jnp.arange(1, 25).reshape(2, 12)
    plain = cast(tiny.params, compute)
    expected = forward(tiny.model, plain, ids, interceptors=interceptors(tiny.model, compute)).logits
    network = Network(tiny.model, compute)
    params = network.prepared(tiny.params)
    actual = network(params, ids).logits
    assert actual.dtype == expected.dtype
    assert np.abs(actual - expected).max() < (0.1 if compute == "bfloat16" else 1e-4) * np.abs(expected).max()
    changed = [a.shape != b.shape for a, b in zip(*map(jax.tree.leaves, (params, tiny.params)), strict=True)]
    assert (
        sum(changed) == 4 * tiny.architecture.num_layers
    )  # query, key-value, output and gates; the fifth weight is a matrix already
