"""Matrix products of bfloat16 numbers with sums in float32, for a network that computes all else in float32.

Takes networks of `gm.nn` as they are: under `in_bfloat16` each of their products with a weight is rounded to
bfloat16 on its way in, forwards and backwards. Norms, softmax, gates and the residual stream never are, nor is what the
optimizer works with.

CPUs with bfloat16 units do such a product in half the time. XLA gives them only those products whose rows lie one
behind the other, so the one that is transposed, for a weight's gradient, is laid out anew before.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, BFloat16, Float

MIXED = "mixed"  # beside the names of types: float32, and weights are multiplied in bfloat16


@jax.custom_vjp
def product(x: Float[Array, "N K"], weight: Float[Array, "K M"]) -> Float[Array, "N M"]:
    """`x @ weight` of operands rounded to bfloat16; so are those of its gradients."""
    return _forward(x, weight)[0]


type _Operands = tuple[BFloat16[Array, "N K"], BFloat16[Array, "K M"]]


def _forward(x: Float[Array, "N K"], weight: Float[Array, "K M"]) -> tuple[Float[Array, "N M"], _Operands]:
    operands = x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16)
    return _dot(*operands), operands


def _backward(operands: _Operands, gradient: Float[Array, "N M"]) -> tuple[Float[Array, "N K"], Float[Array, "K M"]]:
    x, weight = operands
    rounded = gradient.astype(jnp.bfloat16)
    return _dot(rounded, weight, transposed=True), _dot(_laid_out(x.T), rounded)


product.defvjp(_forward, _backward)


def _dot(a: BFloat16[Array, "N K"], b: BFloat16[Array, "K M"], *, transposed: bool = False) -> Float[Array, "N M"]:
    """`a @ b` in float32, or `a @ b.T`."""
    dimensions = (((1,), (1 if transposed else 0,)), ((), ()))
    return _laid_out(jax.lax.dot_general(a, b, dimensions, preferred_element_type=jnp.float32))


def _laid_out(matrix: Array) -> Array:
    """The same matrix, on CPUs with its rows one behind the other."""
    return jax.lax.platform_dependent(
        matrix, cpu=lambda matrix: with_layout_constraint(matrix, Layout((0, 1))), default=lambda matrix: matrix
    )


def einsum(equation: str, x: Float[Array, "..."], weight: Float[Array, "..."]) -> Float[Array, "..."] | None:
    """What `jnp.einsum` gives, as one `product`; None where it is none, as for an equation with a batch of weights.

    What is summed over must be the last axes of `x`, in the order in which the weight has them.
    """
    inputs, _, result = equation.replace(" ", "").partition("->")
    of_x, _, of_weight = inputs.partition(",")
    summed = "".join(axis for axis in of_weight if axis in of_x)
    new = "".join(axis for axis in of_weight if axis not in of_x)
    if not of_x.endswith(summed) or set(summed) & set(result) or not set(new) <= set(result):
        return None
    sizes = dict(zip(of_weight, weight.shape, strict=True))
    matrix = weight.transpose([of_weight.index(axis) for axis in summed + new])
    rows = x.shape[: x.ndim - len(summed)]
    depth = math.prod(sizes[axis] for axis in summed)
    out = product(x.reshape(-1, depth), matrix.reshape(depth, -1)).reshape(*rows, *(sizes[axis] for axis in new))
    named = of_x.removesuffix(summed)
    if named + new == result:
        return out
    return jnp.einsum(f"{named}{new}->{result}", out)  # its axes in another order


def in_bfloat16(next_function: Any, args: Any, kwargs: Any, context: flax.linen.module.InterceptorContext) -> Any:
    """An interceptor under which a network's products with its weights are `product`s."""
    layer: Any = context.module
    # Every family of `gm.nn` has a class of this name, called with an equation and what the weight is applied to.
    if type(layer).__name__ == "Einsum" and context.method_name == "__call__":
        weight = layer.get_variable("params", layer.weight_name)
        plain = isinstance(weight, jax.Array) and getattr(layer, "w_scale", None) is None
        equation, x = args
        found = einsum(equation, x, weight) if plain else None
        if found is not None:
            return found
    return next_function(*args, **kwargs)


def cast(params: Any, compute: str) -> Any:
    """Parameters in the type that they are kept in while something is computed in `compute`."""
    return jax.tree.map(lambda leaf: leaf.astype("float32" if compute == MIXED else compute), params)
