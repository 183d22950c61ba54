"""`gm.nn` of the gemma package, without the 12 seconds that its TensorFlow import costs.

gemma 4.0.1 imports kauldron, whose `typing/array_types.py` imports TensorFlow only to name `tf.Tensor` in type aliases.
While `gm.nn` is imported, a stand-in module holds that one name; afterwards it is taken away again, so that anything
that really needs TensorFlow (`gm.ckpts`, `gm.text`) imports the real one.
"""

import contextlib
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen
import jax

if "tensorflow" in sys.modules:
    from gemma.gm import nn
else:
    _stand_in = types.ModuleType("tensorflow")
    _stand_in.Tensor = type("Tensor", (), {})  # type: ignore[attr-defined]
    sys.modules["tensorflow"] = _stand_in
    try:
        from gemma.gm import nn
        from gemma.gm.nn import Transformer  # noqa: F401  (gm.nn is lazy: this is what loads it)
    finally:
        del sys.modules["tensorflow"]

from gemma import peft
from gemma.gm.nn import config

__all__ = ["config", "forward", "nn", "peft"]


def forward(
    model: nn.Transformer,
    params: dict[str, Any],
    tokens: Any,
    *,
    interceptors: Sequence[Callable[..., Any]] = (),
    **inputs: Any,
) -> Any:
    """The model's `Output` (logits, cache) on tokens; `inputs` are those of `gm.nn.Transformer.__call__`.

    Each of the interceptors stands between all calls of layers, see `flax.linen.intercept_methods`.
    """
    with contextlib.ExitStack() as around:
        around.enter_context(jax.numpy_dtype_promotion("standard"))  # gm.nn mixes booleans and integers; we need not
        for interceptor in interceptors:
            around.enter_context(flax.linen.intercept_methods(interceptor))
        if interceptors:
            # Flax traces networks with equal fields once. These say where their inputs lie, which nobody asks here, so
            # that each is traced apart from those whose layers are called in another way.
            model = _with_field(model, tokens=" ".join(map(str, interceptors)))
        return model.apply({"params": params}, tokens, **inputs)


def _with_field(model: Any, **fields: Any) -> Any:
    """A copy of the network with these fields, inside `gm.nn.LoRA` where it is wrapped."""
    if isinstance(model, nn.LoRA):
        return model.copy(model=_with_field(model.model, **fields))
    return model.copy(**fields)
