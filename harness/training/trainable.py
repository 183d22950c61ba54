"""Which parameters the M-step trains: all, all but the embedder, or low-rank additions to the frozen matrices.

Takes a model and its parameters; gives a network to apply and its parameters in two trees, trained and frozen, and
afterwards plain parameters of the model again. Knows nothing of losses or optimizers.
Source of the additions: LoRA, arXiv:2106.09685, as `gm.nn.LoRA` has it (its scale is 1).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

import flax.linen
import jax
import jax.numpy as jnp

from restem.harness.errors import ConfigError
from restem.harness.model.gemma import nn, peft
from restem.harness.model.policy import Params, Policy

Trained: TypeAlias = Literal["full", "no_embedder", "lora"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """A policy taken apart for training.

    Attributes:
        network: What is applied to both trees together (`peft.merge_params`).
    """

    network: nn.Transformer
    trained: Params
    frozen: Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Addition:
    """Where a low-rank pair lies in the tree, and the matrix that it is added to, in the letters of its einsum."""

    pair: tuple[str, ...]
    matrix: tuple[str, ...]
    equation: str


def split(policy: Policy, kind: Trained, rank: int, key: jax.Array) -> Parts:
    """The policy's parameters as what is trained and what is not; `key` draws LoRA's first factors.

    The second factors are zero, so that the network begins as the policy. Trained leaves are copies.

    Raises:
        ConfigError: `gm.nn.LoRA` has no layer for this model's.
    """
    if kind == "lora":
        lora = _lora(policy.model, rank)
        pairs = jax.jit(lambda key: peft.split_params(_init(lora, key)).lora)(key)
        return Parts(network=lora, trained=pairs, frozen=policy.params)
    frozen = {name: leaf for name, leaf in policy.params.items() if kind == "no_embedder" and name == "embedder"}
    trained = {name: jax.tree.map(jnp.copy, leaf) for name, leaf in policy.params.items() if name not in frozen}
    return Parts(network=policy.model, trained=trained, frozen=frozen)


def merged(network: nn.Transformer, trained: Params, frozen: Params) -> Params:
    """Plain parameters of the model that compute what the network computes; new arrays for all that was trained."""
    if not isinstance(network, nn.LoRA):
        return peft.merge_params(frozen, jax.tree.map(jnp.copy, trained))
    params = frozen
    for addition in _additions(network):
        pair = _leaf(trained, addition.pair)
        params = _added(params, addition.matrix, jnp.einsum(addition.equation, pair["a"], pair["b"]))
    return params


def check_lora(model: nn.Transformer) -> None:
    """LoRA can be trained on this model.

    Raises:
        ConfigError: `gm.nn.LoRA` has no layer for this model's.
    """
    if not _additions(_lora(model, 1)):
        raise ConfigError(f'training.trainable = "lora": gm.nn.LoRA knows no layer of {type(model).__name__}')


def _lora(model: nn.Transformer, rank: int) -> Any:
    return nn.LoRA(rank=rank, model=model, dtype=jnp.float32)


def _init(network: Any, key: jax.Array) -> Params:
    with jax.numpy_dtype_promotion("standard"):  # see gemma.forward
        return network.init(key, jnp.ones((1, 2), jnp.int32))["params"]


def _additions(lora: Any) -> list[_Addition]:
    """All of a network's additions, noted while its shapes are computed; nothing else is."""
    found: list[_Addition] = []

    def note(next_function: Any, args: Any, kwargs: Any, context: flax.linen.module.InterceptorContext) -> Any:
        adapter: Any = context.module
        if isinstance(adapter, peft.LoRAEinsumAdapter) and context.method_name == "__call__":
            wrapped: Any = adapter.parent.wrapped  # type: ignore[union-attr]
            matrix = (*wrapped.path, wrapped.weight_name)
            found.append(_Addition(pair=adapter.path, matrix=matrix, equation=_sum_of_pair(adapter.einsum_str)))
        return next_function(*args, **kwargs)

    # Compiled calls are traced once for good; only what runs uncompiled is sure to pass by here.
    with jax.disable_jit(), flax.linen.intercept_methods(note):
        jax.eval_shape(lambda: _init(lora, jax.random.key(0)))
    return found


def _sum_of_pair(equation: str) -> str:
    """The einsum that gives a matrix's addition from its pair: `BTNH,NHD->BTD` gives `NHr,rD->NHD`.

    Letters that the layer sums over, or keeps from its input, belong to the first factor (`gemma.peft`).
    """
    inputs, _, rest = equation.partition(",")
    matrix, _, _ = rest.partition("->")
    first = "".join(letter for letter in matrix if letter in inputs)
    second = "".join(letter for letter in matrix if letter not in inputs)
    return f"{first}r,r{second}->{matrix}"


def _leaf(tree: Params, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def _added(tree: Params, path: tuple[str, ...], addition: jax.Array) -> Any:
    """The tree with something added to one leaf; the given tree stays as it is."""
    if not path:
        return jnp.asarray(tree) + addition
    return {**tree, path[0]: _added(tree[path[0]], path[1:], addition)}
