"""Matrix products of bfloat16 numbers with sums in float32, for a network that computes all else in float32.

Takes networks of `gm.nn` as they are: under `in_bfloat16` each of their products with a weight is rounded to
bfloat16 on its way in, forwards and backwards. Norms, softmax, gates and the residual stream never are, nor is what the
optimizer works with.

CPUs with bfloat16 units do such a product in half the time. XLA gives them only those products whose rows lie one
behind the other, so the one that is transposed, for a weight's gradient, is laid out anew before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import flax.linen
import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, BFloat16, Float

from restem.harness.model.gemma import forward, nn

MIXED = "mixed"  # beside the names of types: float32, and weights are multiplied in bfloat16


@jax.custom_vjp
def product(x: Float[Array, "N K"], weight: Float[Array, "K M"]) -> Float[Array, "N M"]:
    """`x @ weight` of operands rounded to bfloat16; so are those of its gradients."""
    return _forward(x, weight)[0]


_Operands: TypeAlias = tuple[BFloat16[Array, "N K"], BFloat16[Array, "K M"]]


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


class Equation(NamedTuple):
    """An equation of `jnp.einsum` that one product of matrices computes.

    Attributes:
        named: The axes of x that stay; after them x has those that are summed over.
        summed: In the order in which the weight has them.
        new: The axes that come from the weight.
        of_weight: Its axes, in their order.
        result: The axes that come out, in their order.
    """

    named: str
    summed: str
    new: str
    of_weight: str
    result: str

    def matrix(self, weight: Float[Array, "..."]) -> Float[Array, "K M"]:
        """The weight as what x is multiplied by."""
        order = [self.of_weight.index(axis) for axis in self.summed + self.new]
        depth = math.prod(weight.shape[axis] for axis in order[: len(self.summed)])
        return weight.transpose(order).reshape(depth, -1)

    def apply(
        self, multiply: Callable[[Array, Array], Array], x: Array, matrix: Float[Array, "K M"], shape: Sequence[int]
    ) -> Array:
        """What the equation gives, by one call of `multiply`; `shape` is that of the weight."""
        sizes = dict(zip(self.of_weight, shape, strict=True))
        rows = x.shape[: x.ndim - len(self.summed)]
        out = multiply(x.reshape(-1, len(matrix)), matrix).reshape(*rows, *(sizes[axis] for axis in self.new))
        if self.named + self.new == self.result:
            return out
        return jnp.einsum(f"{self.named}{self.new}->{self.result}", out)  # its axes in another order


def equation_of(text: str) -> Equation | None:
    """None where it is no single product: with a batch of weights, or with other axes of x last than those summed."""
    inputs, _, result = text.replace(" ", "").partition("->")
    of_x, _, of_weight = inputs.partition(",")
    summed = "".join(axis for axis in of_weight if axis in of_x)
    new = "".join(axis for axis in of_weight if axis not in of_x)
    if not of_x.endswith(summed) or set(summed) & set(result) or not set(new) <= set(result):
        return None
    return Equation(of_x.removesuffix(summed), summed, new, of_weight, result)


_Context: TypeAlias = flax.linen.module.InterceptorContext


def _product_of(context: _Context, args: tuple[Any, ...]) -> tuple[Any, Equation, jax.Array] | None:
    """The layer, its equation and its weight, where what is called is one product with a weight."""
    layer: Any = context.module
    # Every family of `gm.nn` has a class of this name, called with an equation and what the weight is applied to.
    if type(layer).__name__ != "Einsum" or context.method_name != "__call__":
        return None
    weight = layer.get_variable("params", layer.weight_name)
    equation = equation_of(args[0])
    if equation is None or not isinstance(weight, jax.Array) or getattr(layer, "w_scale", None) is not None:
        return None
    return layer, equation, weight


def in_bfloat16(next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
    """An interceptor under which a network's products with its weights are `product`s."""
    found = _product_of(context, args)
    if found is None:
        return next_function(*args, **kwargs)
    _, equation, weight = found
    return equation.apply(product, args[1], equation.matrix(weight), weight.shape)


def by_matrices(next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
    """An interceptor for parameters that `as_matrices` has made; not to be differentiated."""
    found = _product_of(context, args)
    if found is None:
        return next_function(*args, **kwargs)
    layer, equation, matrix = found
    return equation.apply(_multiplied, args[1], matrix, layer.shape)


def _multiplied(x: Float[Array, "N K"], matrix: Float[Array, "K M"]) -> Float[Array, "N M"]:
    if x.dtype == matrix.dtype:
        return x @ matrix
    return _dot(x.astype(matrix.dtype), matrix)


class _Listener:
    """An interceptor that notes the equation of every weight, by its path in the parameters."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self.equations: dict[tuple[str, ...], Equation] = {}
        self._name = f"listener {next(self.numbers)}"  # `forward` goes by it: what was traced once is not heard again

    def __str__(self) -> str:
        return self._name

    def __call__(self, next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
        if found := _product_of(context, args):
            layer, equation, _ = found
            self.equations[(*layer.path, layer.weight_name)] = equation
        return next_function(*args, **kwargs)


def as_matrices(model: nn.Transformer, params: Any, compute: str) -> Any:
    """Parameters for `by_matrices`: every weight lies as the matrix that is multiplied by, in the type that it is
    multiplied in, so that a step of decoding neither transposes nor rounds it.

    Args:
        model: A network of `gm.nn`.
        params: Its parameters.
        compute: A type, or `MIXED`.
    """
    listener = _Listener()
    jax.eval_shape(lambda params: forward(model, params, jnp.ones((1, 2), jnp.int32), interceptors=[listener]), params)

    def prepared(path: tuple[Any, ...], leaf: Array) -> Array:
        equation = listener.equations.get(tuple(key.key for key in path))
        if equation is None:
            return leaf
        return equation.matrix(leaf).astype("bfloat16" if compute == MIXED else leaf.dtype)

    return jax.tree.map_with_path(prepared, cast(params, compute))


def cast(params: Any, compute: str) -> Any:
    """Parameters in the type that they are kept in while something is computed in `compute`."""
    return jax.tree.map(lambda leaf: leaf.astype("float32" if compute == MIXED else compute), params)
