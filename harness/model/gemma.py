"""`gm.nn` of the gemma package, imported without TensorFlow.

Takes nothing; gives `nn`, `config` and `peft` of gemma, and `forward`, which applies a network. Independent of the rest
of the package.

gemma 4.0.1 imports kauldron, whose `typing/array_types.py` imports TensorFlow for one purpose: the name `tf.Tensor` in
type aliases. TensorFlow is not installed with this project (pyproject.toml overrides kauldron's requirement), and where
it is installed importing it takes 12 seconds. So a stand-in module defines that one name while `gm.nn` is imported. It
is removed from `sys.modules` afterwards, so that code which needs the real TensorFlow (`gm.ckpts`, `gm.text`, neither
of them used here) imports the real one or fails with a plain ImportError. No public option of gemma or kauldron avoids
the import.
"""

import contextlib
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen
import jax
from jaxtyping import Int

if "tensorflow" in sys.modules:
    from gemma.gm import nn
else:
    _stand_in = types.ModuleType("tensorflow")
    _stand_in.Tensor = type("Tensor", (), {})  # type: ignore[attr-defined]
    sys.modules["tensorflow"] = _stand_in
    try:
        from gemma.gm import nn
        from gemma.gm.nn import Transformer  # noqa: F401  (gm.nn loads lazily; this import triggers it)
    finally:
        del sys.modules["tensorflow"]

from gemma import peft
from gemma.gm.nn import config

__all__ = ["config", "forward", "nn", "peft"]


def forward(
    model: nn.Transformer,
    params: dict[str, Any],
    tokens: Int[Any, "B T"],
    *,
    interceptors: Sequence[Callable[..., Any]] = (),
    **inputs: Any,
) -> Any:
    """The network's `Output` on tokens: logits (B T V), hidden states where asked for, and the cache.

    Args:
        model: A network of `gm.nn`.
        params: Its parameters.
        tokens: Token ids.
        interceptors: Each wraps every layer call, see `flax.linen.intercept_methods`.
        inputs: The other arguments of `gm.nn.Transformer.__call__`.
    """
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(jax.numpy_dtype_promotion("standard"))  # gm.nn adds booleans to integers
        for interceptor in interceptors:
            contexts.enter_context(flax.linen.intercept_methods(interceptor))
        if interceptors:
            # Flax caches traces by module fields. The interceptors' names go into the field `tokens`, which nothing
            # reads here, so that each set of interceptors gets its own trace.
            model = _with_field(model, tokens=" ".join(map(str, interceptors)))
        return model.apply({"params": params}, tokens, **inputs)


def _with_field(model: Any, **fields: Any) -> Any:
    """A copy of the network with these fields, inside `gm.nn.LoRA` where it is wrapped."""
    if isinstance(model, nn.LoRA):
        return model.copy(model=_with_field(model.model, **fields))
    return model.copy(**fields)
