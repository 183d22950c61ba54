"""One optimizer step, compiled for all devices.

Takes parameters, the optimizer's state and a batch; gives both after the step, and the loss. Does not depend on the
objective, on how batches are made, or on how many steps are taken (m_step.py).

Each device along the mesh's `data` computes loss and gradient of its own rows, one micro-batch after another; the sums
are all-reduced once a step. Large leaves are sharded over these devices, all-gathered where they are needed, and their
gradients are reduce-scattered (FSDP). A leaf is rounded to the type that it is used in before it is gathered, which
gives the same numbers as after it and moves half as many bytes; gradients are summed over devices in float32.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from restem.harness.model.gemma import nn, peft
from restem.harness.model.matmul_precision import MIXED, cast, product_weights
from restem.harness.model.mesh import DATA, shardings_of
from restem.harness.model.policy import Params
from restem.harness.training.loss import LIKELIHOOD, Objective, objective_sum

# Operations that give a gathered leaf in another form; the backward pass computes them again from the gathered leaf.
_SAME_LEAF = ("convert_element_type", "reduce_precision", "reshape", "transpose", "squeeze")


class TrainState(NamedTuple):
    """The trained parameters and the optimizer's state for them."""

    params: Params
    optimizer_state: optax.OptState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """What a training step is compiled for.

    Attributes:
        network: The network, see `trainable.Parts`.
        optimizer: What turns gradients into updates.
        compute: The type that the loss is computed in, or "mixed", see `matmul_precision`. Parameters and the
            optimizer's state stay float32.
        remat: Whether layers are computed again in the backward pass.
        mesh: The devices, over which rows and large leaves are sharded.
        objective: What is minimised.
    """

    network: nn.Transformer
    optimizer: optax.GradientTransformation
    compute: str = "float32"
    remat: bool = False
    mesh: Mesh
    objective: Objective = LIKELIHOOD


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_step(step: Step, state: TrainState, frozen: Params, batch: Any) -> tuple[TrainState, Float[Array, ""]]:
    """The state after an optimizer step on a batch of micro-batches, and the loss before the step.

    The loss is the objective's sum over all micro-batches, divided by its total over them, and the gradient is that of
    this quotient. Where it or the gradient's norm is not finite, the loss is NaN and the new state of no use.

    Args:
        step: What is compiled.
        state: The state before the step; its buffers are donated.
        frozen: The parameters that are not trained.
        batch: Of the objective's kind; its first axis is that of the micro-batches, which are computed in turn.
    """
    parts = (state.params, frozen)
    over_data = tuple(jax.tree.map(_over_data, shardings_of(step.mesh, part, over_data=True)) for part in parts)
    # The paths of weights that are used in products alone.
    rounded = product_weights(step.network, peft.merge_params(*parts)) if step.compute == MIXED else frozenset()

    def sum_of(trained: Params, frozen: Params, rows: Any) -> Float[Array, ""]:
        whole = (_whole(step, *part, rounded) for part in zip((trained, frozen), over_data, strict=True))
        params = peft.merge_params(*whole)
        return objective_sum(step.objective, step.network, params, rows, compute=step.compute, remat=step.remat)

    gathered = zip(jax.tree.leaves(parts), jax.tree.leaves(over_data), strict=True)
    if sizes := frozenset(leaf.size for leaf, spec in gathered if DATA in spec):
        # The backward pass gathers leaves again, instead of keeping all gathered ones.
        sum_of = jax.checkpoint(sum_of, policy=_Kept(gathered_sizes=sizes))

    def on_one_device(trained: Params, frozen: Params, batch: Any) -> tuple[Array, Params]:
        def add(sums: tuple[Array, Params], rows: Any) -> tuple[tuple[Array, Params], None]:
            return jax.tree.map(jnp.add, sums, jax.value_and_grad(sum_of)(trained, frozen, rows)), None

        if len(batch.tokens) == 1:
            sums = jax.value_and_grad(sum_of)(trained, frozen, jax.tree.map(lambda field: field[0], batch))
        else:
            sums, _ = jax.lax.scan(add, (jnp.float32(0), jax.tree.map(jnp.zeros_like, trained)), batch)
        return _all_reduced(sums[0], P()), jax.tree.map(_all_reduced, sums[1], over_data[0])

    sums = jax.shard_map(
        on_one_device,
        mesh=step.mesh,
        in_specs=(*over_data, P(None, DATA)),
        out_specs=(P(), over_data[0]),
        axis_names={DATA},
        check_vma=False,
    )(*parts, batch)
    value, gradients = jax.tree.map(lambda leaf: leaf / step.objective.total(batch), sums)
    with jax.numpy_dtype_promotion("standard"):  # Optax's schedules divide integer counts by floats
        updates, optimizer_state = step.optimizer.update(gradients, state.optimizer_state, state.params)
    new = TrainState(optax.apply_updates(state.params, updates), optimizer_state)  # type: ignore[arg-type]
    new = jax.lax.with_sharding_constraint(new, shardings_of(step.mesh, new, over_data=True))
    # Not over the new parameters: all of them would be read once more, and kept beside the old ones.
    finite = jnp.isfinite(value) & jnp.isfinite(optax.global_norm(gradients))
    return new, jnp.where(finite, value, jnp.nan)


@jax.jit
def nan_unless_finite(loss: Float[Array, ""], params: Params) -> Float[Array, ""]:
    """The loss, or NaN where a parameter is not finite: an update may overflow though loss and gradient are finite."""
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()
    return jnp.where(finite, loss, jnp.nan)


def _over_data(sharding: NamedSharding) -> P:
    """The part of a sharding that `shard_map` handles; the axis `model` is left to XLA."""
    return P(*(axis if axis == DATA else None for axis in sharding.spec))


def _whole(step: Step, params: Params, specs: Params, rounded: Collection[tuple[str, ...]]) -> Params:
    """The parameters in the type to compute in, with every leaf that is sharded over `data` all-gathered."""
    compute = "float32" if step.compute == MIXED else step.compute

    def whole(path: tuple[Any, ...], leaf: Array, spec: P) -> Array:
        if DATA not in spec:
            return leaf
        in_products = tuple(key.key for key in path) in rounded
        return _gathered(leaf, spec.index(DATA), "bfloat16" if in_products else compute, compute)

    return cast(jax.tree.map_with_path(whole, params, specs), step.compute)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _gathered(leaf: Array, axis: int, moved: str, used: str) -> Array:
    """The leaf of all devices: moved between them in one type, used in another; its gradient is summed in float32."""
    return jax.lax.all_gather(leaf.astype(moved), DATA, axis=axis, tiled=True).astype(used)


@_gathered.defjvp
def _gathered_with_tangent(
    axis: int, moved: str, used: str, leaves: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    whole = jax.lax.all_gather(leaves[0].astype(moved), DATA, axis=axis, tiled=True).astype(used)
    # The transpose of the tangent's all-gather is the gradient's reduce-scatter.
    return whole, jax.lax.all_gather(tangents[0], DATA, axis=axis, tiled=True).astype(used)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kept:
    """Whether the backward pass is given a result: all but gathered leaves, which have these sizes, in any form."""

    gathered_sizes: frozenset[int]

    def __call__(self, operation: Any, *inputs: Any, **_: Any) -> bool:
        name = str(operation)
        return name != "all_gather" and not (name in _SAME_LEAF and inputs[0].size in self.gathered_sizes)


def _all_reduced(local_sum: Array, spec: P) -> Array:
    """The sum over all devices; the gradient of a gathered leaf is already summed, by its reduce-scatter."""
    return local_sum if DATA in spec else jax.lax.psum(local_sum, DATA)
