"""One optimizer step, compiled for all devices.

Takes parameters, the optimizer's state and a batch; gives both after the step, and the loss. Does not depend on the
objective, on how batches are made, or on how many steps are taken (m_step.py).

Each device along the mesh's `data` computes loss and gradient of its own rows, one micro-batch after another; the sums
are all-reduced once a step. Large leaves are sharded over these devices, all-gathered where they are needed, and their
gradients are reduce-scattered (FSDP).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from restem.harness.model.gemma import nn, peft
from restem.harness.model.matmul_precision import MIXED, cast
from restem.harness.model.mesh import DATA, shardings_of
from restem.harness.model.policy import Params
from restem.harness.training.loss import LIKELIHOOD, Objective, objective_sum

GATHERED = "gathered"


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
        compute: The type that the loss is computed in, or "mixed": float32, with products in bfloat16. Parameters and
            the optimizer's state stay float32.
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
    this quotient. A step whose loss or new parameters are not finite gives the old state and a loss that is not finite.

    Args:
        step: What is compiled.
        state: The state before the step; its buffers are donated.
        frozen: The parameters that are not trained.
        batch: Of the objective's kind; its first axis is that of the micro-batches, which are computed in turn.
    """
    parts = (state.params, frozen)
    over_data = tuple(jax.tree.map(_over_data, shardings_of(step.mesh, part, over_data=True)) for part in parts)

    def sum_of(trained: Params, frozen: Params, rows: Any) -> Float[Array, ""]:
        whole = (cast(_gathered(*part), step.compute) for part in zip((trained, frozen), over_data, strict=True))
        params = peft.merge_params(*whole)
        return objective_sum(step.objective, step.network, params, rows, mixed=step.compute == MIXED, remat=step.remat)

    if any(DATA in spec for spec in jax.tree.leaves(over_data)):
        # The backward pass gathers leaves again, instead of keeping all gathered ones.
        policy = jax.checkpoint_policies.save_anything_except_these_names(GATHERED)
        sum_of = jax.checkpoint(sum_of, policy=policy)

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
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in (value, *jax.tree.leaves(new.params))]).all()
    result = jax.tree.map(lambda new, old: jnp.where(finite, new, old), new, state)
    result = jax.lax.with_sharding_constraint(result, shardings_of(step.mesh, result, over_data=True))
    return result, jnp.where(finite, value, jnp.nan)


def _over_data(sharding: NamedSharding) -> P:
    """The part of a sharding that `shard_map` handles; the axis `model` is left to XLA."""
    return P(*(axis if axis == DATA else None for axis in sharding.spec))


def _gathered(params: Params, specs: Params) -> Params:
    """The parameters with every leaf that is sharded over `data` all-gathered."""

    def gather(leaf: Array, spec: P) -> Array:
        if DATA not in spec:
            return leaf
        return checkpoint_name(jax.lax.all_gather(leaf, DATA, axis=spec.index(DATA), tiled=True), GATHERED)

    return jax.tree.map(gather, params, specs)


def _all_reduced(local_sum: Array, spec: P) -> Array:
    """The sum over all devices; the gradient of a gathered leaf is already summed, by its reduce-scatter."""
    return local_sum if DATA in spec else jax.lax.psum(local_sum, DATA)
