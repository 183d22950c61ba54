"""Computation in bfloat16 in which norms, attention's softmax and the logits are in float32.

Takes networks of `gm.nn` without changing them, by a flax interceptor. Does not depend on sampling or training.

`gm.nn` computes in the type of a layer's input. Only rotary embeddings, the routers of experts and Gemma 3n's
predictions are in float32 whatever that is. With all parameters in bfloat16, the mean of squares of a norm and the
softmax would so have 8 bits, and so would the logits, which are compared with each other.
"""

from __future__ import annotations

from typing import Any

import flax.linen
import jax.numpy as jnp

BFLOAT16 = "bfloat16"  # the value of `compute_dtype` that this file is for
SCALE = "scale"  # the parameter of a norm; it stays float32


class Float32Parts:
    """The interceptor. Keys, values, gates and the residual stream stay in the network's type.

    A norm gets its input in float32, and its result is rounded to the input's type. Queries leave their layer in
    float32: then the scores that attention computes from them are float32, and so is their softmax. The logits are
    products of bfloat16 values, summed in float32 and not rounded.
    """

    def __init__(self) -> None:
        self._in_queries = False  # `gm.nn.LoRA` replaces a layer when it is called, and the replacement calls it again

    def __str__(self) -> str:
        return type(self).__name__

    def __call__(
        self, next_function: Any, args: Any, kwargs: Any, context: flax.linen.module.InterceptorContext
    ) -> Any:
        layer, method = context.module, context.method_name
        kind = type(layer).__name__  # every family of `gm.nn` has classes of these names
        if kind == "RMSNorm" and method == "__call__":
            return next_function(args[0].astype(jnp.float32)).astype(args[0].dtype)
        if kind == "Embedder" and method == "decode":
            table = layer.get_variable("params", "input_embedding")
            return jnp.matmul(args[0], table.T, preferred_element_type=jnp.float32)
        if kind == "Einsum" and layer.name in ("q_einsum", "qkv_einsum") and not self._in_queries:
            self._in_queries = True
            try:
                return _queries_in_float32(layer.name, next_function(*args, **kwargs))
            finally:
                self._in_queries = False
        return next_function(*args, **kwargs)


def _queries_in_float32(name: str, result: Any) -> Any:
    if name == "q_einsum":
        return result.astype(jnp.float32)
    queries, keys, values = result
    return queries.astype(jnp.float32), keys, values
