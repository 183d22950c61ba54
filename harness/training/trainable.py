"""Which parameters the M-step trains: all, all but the embedder, or low-rank additions to the frozen matrices.

Takes a policy; gives a network and its parameters in two trees, trained and frozen, and after training plain parameters
of the policy's model again. Does not depend on losses or optimizers.
Source of the additions: LoRA, arXiv:2106.09685, as `gm.nn.LoRA` implements it (with scale 1).
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
    """A policy split for training.

    Attributes:
        network: The policy's model, or `gm.nn.LoRA` around it; applied to both trees merged (`peft.merge_params`).
        trained: Parameters that the optimizer changes.
        frozen: All others.
    """

    network: nn.Transformer
    trained: Params
    frozen: Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Addition:
    """A low-rank pair of matrices and the matrix that their product is added to.

    Attributes:
        pair: The path of the pair in the parameters.
        matrix: The path of the matrix.
        equation: The einsum that multiplies the pair.
    """

    pair: tuple[str, ...]
    matrix: tuple[str, ...]
    equation: str


def split(policy: Policy, kind: Trained, rank: int, key: jax.Array) -> Parts:
    """The policy's parameters, split into trained copies and frozen ones.

    Args:
        policy: Where training starts.
        kind: Which parameters are trained.
        rank: That of LoRA's pairs.
        key: Draws LoRA's first factors. The second ones are zero, so the network starts as the policy.

    Raises:
        ConfigError: `gm.nn.LoRA` supports none of the model's layers.
    """
    if kind == "lora":
        lora = _lora(policy.model, rank)
        pairs = jax.jit(lambda key: peft.split_params(_init(lora, key)).lora)(key)
        return Parts(network=lora, trained=pairs, frozen=policy.params)
    frozen = {name: leaf for name, leaf in policy.params.items() if kind == "no_embedder" and name == "embedder"}
    trained = {name: jax.tree.map(jnp.copy, leaf) for name, leaf in policy.params.items() if name not in frozen}
    return Parts(network=policy.model, trained=trained, frozen=frozen)


def merged(network: nn.Transformer, trained: Params, frozen: Params) -> Params:
    """Plain parameters of the model with the network's function; trained leaves are copied, as steps donate them."""
    if not isinstance(network, nn.LoRA):
        return peft.merge_params(frozen, jax.tree.map(jnp.copy, trained))
    params = frozen
    for addition in _additions(network):
        pair = _leaf(trained, addition.pair)
        params = _added(params, addition.matrix, jnp.einsum(addition.equation, pair["a"], pair["b"]))
    return params


def check_lora(model: nn.Transformer) -> None:
    """Checks that LoRA can be trained on this model.

    Raises:
        ConfigError: `gm.nn.LoRA` supports none of the model's layers.
    """
    if not _additions(_lora(model, 1)):
        raise ConfigError(f'training.trainable = "lora": gm.nn.LoRA supports no layer of {type(model).__name__}')


def _lora(model: nn.Transformer, rank: int) -> Any:
    return nn.LoRA(rank=rank, model=model, dtype=jnp.float32)


def _init(network: Any, key: jax.Array) -> Params:
    with jax.numpy_dtype_promotion("standard"):  # see gemma.forward
        return network.init(key, jnp.ones((1, 2), jnp.int32))["params"]


def _additions(lora: Any) -> list[_Addition]:
    """All additions of a network, recorded while its shapes are computed; no array is."""
    additions: list[_Addition] = []

    def record(next_function: Any, args: Any, kwargs: Any, context: flax.linen.module.InterceptorContext) -> Any:
        adapter: Any = context.module
        if isinstance(adapter, peft.LoRAEinsumAdapter) and context.method_name == "__call__":
            wrapped: Any = adapter.parent.wrapped  # type: ignore[union-attr]
            matrix = (*wrapped.path, wrapped.weight_name)
            additions.append(_Addition(pair=adapter.path, matrix=matrix, equation=_product(adapter.einsum_str)))
        return next_function(*args, **kwargs)

    # A compiled call that is already traced would not call the interceptor, so nothing is compiled here.
    with jax.disable_jit(), flax.linen.intercept_methods(record):
        jax.eval_shape(lambda: _init(lora, jax.random.key(0)))
    return additions


def _product(equation: str) -> str:
    """The einsum that multiplies the pair of a layer with this equation: `NHr,rD->NHD` for `BTNH,NHD->BTD`.

    Axes that the layer sums over, or keeps from its input, belong to the first factor (`gemma.peft`).
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
    """A tree with something added to a leaf; the given tree is not changed."""
    if not path:
        return jnp.asarray(tree) + addition
    return {**tree, path[0]: _added(tree[path[0]], path[1:], addition)}
