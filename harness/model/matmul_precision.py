"""Products of a network with its weights in bfloat16, summed in float32, while all else is computed in float32.

Takes networks of `gm.nn` without changing them: flax interceptors replace the products with weights, forwards
(`in_bfloat16` for training, `by_matrices` for decoding) and backwards. Norms, softmax, gates, the residual stream and
the optimizer's values stay float32. `cast` and `interceptors` give what a computation in any `compute_dtype` needs.
Does not depend on sampling, training or policies.

CPUs with bfloat16 units compute such a product in half the time. XLA's CPU backend uses bfloat16 kernels for row-major
operands only, so the transposed operand of a weight's gradient is copied to row-major first.
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

from restem.harness.model.float32_parts import BFLOAT16, SCALE, Float32Parts
from restem.harness.model.gemma import forward, nn

MIXED = "mixed"  # a value of `compute_dtype` beside the names of types: float32, with products in bfloat16


@jax.custom_vjp
def product(x: Float[Array, "N K"], weight: Float[Array, "K M"]) -> Float[Array, "N M"]:
    """`x @ weight` with both operands rounded to bfloat16 and the sum in float32; so are the gradients' products."""
    return _forward(x, weight)[0]


_Operands: TypeAlias = tuple[BFloat16[Array, "N K"], BFloat16[Array, "K M"]]


def _forward(x: Float[Array, "N K"], weight: Float[Array, "K M"]) -> tuple[Float[Array, "N M"], _Operands]:
    operands = x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16)
    return _dot(*operands), operands


def _backward(operands: _Operands, gradient: Float[Array, "N M"]) -> tuple[Float[Array, "N K"], Float[Array, "K M"]]:
    x, weight = operands
    rounded = gradient.astype(jnp.bfloat16)
    return _dot(rounded, weight, transposed=True), _dot(_row_major(x.T), rounded)


product.defvjp(_forward, _backward)


def _dot(a: BFloat16[Array, "N K"], b: BFloat16[Array, "K M"], *, transposed: bool = False) -> Float[Array, "N M"]:
    """`a @ b` summed in float32, or `a @ b.T`."""
    dimensions = (((1,), (1 if transposed else 0,)), ((), ()))
    return _row_major(jax.lax.dot_general(a, b, dimensions, preferred_element_type=jnp.float32))


def _row_major(matrix: Array) -> Array:
    """The same matrix, in row-major layout on CPUs."""
    return jax.lax.platform_dependent(
        matrix, cpu=lambda matrix: with_layout_constraint(matrix, Layout((0, 1))), default=lambda matrix: matrix
    )


class Equation(NamedTuple):
    """An equation of `jnp.einsum` that a single matrix product computes.

    Attributes:
        kept: The axes of x that appear in the result; the summed axes follow them in x.
        summed: The axes that are summed over, in the weight's order.
        new: The axes that only the weight has.
        weight_axes: The weight's axes, in their order.
        result: The result's axes, in their order.
    """

    kept: str
    summed: str
    new: str
    weight_axes: str
    result: str

    def matrix(self, weight: Float[Array, "..."]) -> Float[Array, "K M"]:
        """The weight as the matrix that x is multiplied by."""
        order = [self.weight_axes.index(axis) for axis in self.summed + self.new]
        depth = math.prod(weight.shape[axis] for axis in order[: len(self.summed)])
        return weight.transpose(order).reshape(depth, -1)

    def apply(
        self,
        multiply: Callable[[Array, Array], Array],
        x: Float[Array, "..."],
        matrix: Float[Array, "K M"],
        shape: Sequence[int],
    ) -> Float[Array, "..."]:
        """The equation's result, by one call of `multiply`.

        Args:
            multiply: Computes the product of two matrices.
            x: The first operand.
            matrix: The second one, as `matrix` gives it.
            shape: The weight's shape before it became a matrix.
        """
        sizes = dict(zip(self.weight_axes, shape, strict=True))
        kept_shape = x.shape[: x.ndim - len(self.summed)]
        out = multiply(x.reshape(-1, len(matrix)), matrix).reshape(*kept_shape, *(sizes[axis] for axis in self.new))
        if self.kept + self.new == self.result:
            return out
        return jnp.einsum(f"{self.kept}{self.new}->{self.result}", out)  # a transposition


def equation_of(text: str) -> Equation | None:
    """The equation that a text describes, or None where no single matrix product computes it.

    That is so for a batch of weights, and where x ends with other axes than the summed ones.
    """
    inputs, _, result = text.replace(" ", "").partition("->")
    x_axes, _, weight_axes = inputs.partition(",")
    summed = "".join(axis for axis in weight_axes if axis in x_axes)
    new = "".join(axis for axis in weight_axes if axis not in x_axes)
    if not x_axes.endswith(summed) or set(summed) & set(result) or not set(new) <= set(result):
        return None
    return Equation(x_axes.removesuffix(summed), summed, new, weight_axes, result)


_Context: TypeAlias = flax.linen.module.InterceptorContext


def _weight_product(context: _Context, args: tuple[Any, ...]) -> tuple[Any, Equation, jax.Array] | None:
    """The layer, its equation and its weight, where the intercepted call is one product with a weight; else None."""
    layer: Any = context.module
    # Every family of `gm.nn` has a class of this name, called with an equation and the layer's input.
    if type(layer).__name__ != "Einsum" or context.method_name != "__call__":
        return None
    weight = layer.get_variable("params", layer.weight_name)
    equation = equation_of(args[0])
    if equation is None or not isinstance(weight, jax.Array) or getattr(layer, "w_scale", None) is not None:
        return None
    return layer, equation, weight


def in_bfloat16(next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
    """An interceptor that computes a network's products with its weights by `product`."""
    parts = _weight_product(context, args)
    if parts is None:
        return next_function(*args, **kwargs)
    _, equation, weight = parts
    return equation.apply(product, args[1], equation.matrix(weight), weight.shape)


class InBfloat16WithLora:
    """The same for a network in `gm.nn.LoRA`, which replaces a layer when it is called.

    The replacement calls the layer again, and adds its own matrices' product to the result. Only this second call is
    the product with the weight.
    """

    def __init__(self) -> None:
        self._replaced: set[tuple[str, ...]] = set()

    def __str__(self) -> str:
        return type(self).__name__

    def __call__(self, next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
        parts = _weight_product(context, args)
        place = (*parts[0].path, parts[0].weight_name) if parts else ()
        if parts is None or place in self._replaced:
            return in_bfloat16(next_function, args, kwargs, context)
        self._replaced.add(place)
        try:
            return next_function(*args, **kwargs)
        finally:
            self._replaced.remove(place)


def by_matrices(next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
    """An interceptor for parameters that `as_matrices` has made; for decoding only, not to be differentiated."""
    parts = _weight_product(context, args)
    if parts is None:
        return next_function(*args, **kwargs)
    layer, equation, matrix = parts
    return equation.apply(_multiply, args[1], matrix, layer.shape)


def _multiply(x: Float[Array, "N K"], matrix: Float[Array, "K M"]) -> Float[Array, "N M"]:
    if x.dtype == matrix.dtype:
        return x @ matrix
    return _dot(x.astype(matrix.dtype), matrix)


class _EquationRecorder:
    """An interceptor that records the equation of every weight, by the weight's path in the parameters."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self.equations: dict[tuple[str, ...], Equation] = {}
        # A unique name makes `forward` retrace; a cached trace would not call this interceptor.
        self._name = f"recorder {next(self.numbers)}"

    def __str__(self) -> str:
        return self._name

    def __call__(self, next_function: Any, args: Any, kwargs: Any, context: _Context) -> Any:
        if parts := _weight_product(context, args):
            layer, equation, _ = parts
            self.equations[(*layer.path, layer.weight_name)] = equation
        return next_function(*args, **kwargs)


def _equations(model: nn.Transformer, params: Any) -> dict[tuple[str, ...], Equation]:
    """The equation of every weight that `product` multiplies, by the weight's path; no array is computed."""
    recorder = _EquationRecorder()
    jax.eval_shape(lambda params: forward(model, params, jnp.ones((1, 2), jnp.int32), interceptors=[recorder]), params)
    return recorder.equations


def product_weights(model: nn.Transformer, params: Any) -> frozenset[tuple[str, ...]]:
    """The paths of the weights that `in_bfloat16` rounds and that nothing else uses."""
    return frozenset(_equations(model, params))


def as_matrices(model: nn.Transformer, params: Any, compute: str) -> Any:
    """Parameters for `by_matrices`: weights as the matrices that inputs are multiplied by, already rounded.

    So a decoding step neither transposes nor rounds a weight.

    Args:
        model: A network of `gm.nn`.
        params: Its parameters.
        compute: The type to multiply in, or `MIXED`.
    """
    equations = _equations(model, params)

    def prepared(path: tuple[Any, ...], leaf: Array) -> Array:
        equation = equations.get(tuple(key.key for key in path))
        if equation is None:
            return leaf
        return equation.matrix(leaf).astype("bfloat16" if compute == MIXED else leaf.dtype)

    return jax.tree.map_with_path(prepared, cast(params, compute))


def cast(params: Any, compute: str) -> Any:
    """Parameters in the types that they have during a computation in `compute`: all float32 for `MIXED`."""

    def of_type(path: tuple[Any, ...], leaf: Array) -> Array:
        in_float32 = compute == MIXED or path[-1].key == SCALE
        return leaf.astype("float32" if in_float32 else compute)

    return jax.tree.map_with_path(of_type, params)


def interceptors(network: nn.Transformer, compute: str) -> list[Callable[..., Any]]:
    """What `forward` needs for a computation in `compute` that can be differentiated, beside the parameters' types."""
    if compute == MIXED:
        return [InBfloat16WithLora() if isinstance(network, nn.LoRA) else in_bfloat16]
    return [Float32Parts()] if compute == BFLOAT16 else []
