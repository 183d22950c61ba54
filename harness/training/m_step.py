"""The M-step: a weighted next-token loss on responses, minimised from given parameters with a fresh optimizer.

Takes a policy and weighted (prompt, response) token pairs; gives trained parameters and the loss of every step.
Knows nothing of verifiers or problems.
Source: ReST-EM's maximisation step, arXiv:2312.06585, equation 3 and Algorithm 1.

Each device along the mesh's `data` computes the loss of its own rows and the gradient of that, micro-batch by
micro-batch; what the devices found is added up once a step. A large leaf is split over them, gathered where it is
needed, and its gradient is scattered again at once (FSDP).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from restem.harness.config import TrainingConfig
from restem.harness.errors import NonFiniteLoss
from restem.harness.model.gemma import nn, peft
from restem.harness.model.matmul_precision import MIXED, cast
from restem.harness.model.mesh import DATA, MIN_SHARDED_SIZE, Meshes, gather_to_local, make_meshes, shard, shardings_of
from restem.harness.model.policy import Params, Policy
from restem.harness.training.loss import Batch, weighted_nll
from restem.harness.training.packing import Example, pack
from restem.harness.training.trainable import merged, split

GATHERED = "gathered"


def _total(batch: Batch) -> Float[Array, ""]:
    return jnp.maximum(jnp.sum(batch.weights), 1e-9)


class TrainState(NamedTuple):
    """The trained parameters and what the optimizer remembers of them."""

    params: Params
    optimizer_state: optax.OptState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """What a training step is compiled for.

    Attributes:
        compute: The type that the loss is computed in, or "mixed": float32, and weights are multiplied in bfloat16.
            Parameters and what the optimizer remembers stay float32.
        remat: Whether layers are computed again in the backward pass.
        mesh: The devices, over which rows and large leaves are split.
    """

    network: nn.Transformer
    optimizer: optax.GradientTransformation
    compute: str = "float32"
    remat: bool = False
    mesh: Mesh


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_step(step: Step, state: TrainState, frozen: Params, batch: Batch) -> tuple[TrainState, Float[Array, ""]]:
    """One optimizer step on one batch of micro-batches; gives the new state and the loss before it.

    The loss is the weighted mean negative log-likelihood per response token, sum(w * nll) / sum(w), and the gradient is
    that of all micro-batches together, whatever their weights. A step whose loss or new parameters are not finite
    leaves the state as it was, and gives a loss that is not finite.

    Args:
        frozen: The parameters that are not trained.
        batch: With the micro-batches as its first axis; they are computed one after another.
    """
    parts = (state.params, frozen)
    over_data = tuple(jax.tree.map(_over_data, shardings_of(step.mesh, part, over_data=True)) for part in parts)

    def total_nll(trained: Params, frozen: Params, rows: Batch) -> Float[Array, ""]:
        whole = (cast(_gathered(*part), step.compute) for part in zip((trained, frozen), over_data, strict=True))
        return weighted_nll(
            step.network, peft.merge_params(*whole), rows, mixed=step.compute == MIXED, remat=step.remat
        )

    if any(DATA in spec for spec in jax.tree.leaves(over_data)):  # what was gathered is gathered again, and not kept
        policy = jax.checkpoint_policies.save_anything_except_these_names(GATHERED)
        total_nll = jax.checkpoint(total_nll, policy=policy)

    def on_one_device(trained: Params, frozen: Params, batch: Batch) -> tuple[Array, Params]:
        def add(sums: tuple[Array, Params], rows: Batch) -> tuple[tuple[Array, Params], None]:
            return jax.tree.map(jnp.add, sums, jax.value_and_grad(total_nll)(trained, frozen, rows)), None

        if len(batch.tokens) == 1:
            sums = jax.value_and_grad(total_nll)(trained, frozen, Batch(*(field[0] for field in batch)))
        else:
            sums, _ = jax.lax.scan(add, (jnp.float32(0), jax.tree.map(jnp.zeros_like, trained)), batch)
        return _summed(sums[0], P()), jax.tree.map(_summed, sums[1], over_data[0])

    sums = jax.shard_map(
        on_one_device,
        mesh=step.mesh,
        in_specs=(*over_data, P(None, DATA)),
        out_specs=(P(), over_data[0]),
        axis_names={DATA},
        check_vma=False,
    )(*parts, batch)
    value, gradients = jax.tree.map(lambda leaf: leaf / _total(batch), sums)
    with jax.numpy_dtype_promotion("standard"):  # Optax's schedules divide integer counts by floats
        updates, optimizer_state = step.optimizer.update(gradients, state.optimizer_state, state.params)
    new = TrainState(optax.apply_updates(state.params, updates), optimizer_state)  # type: ignore[arg-type]
    fine = jnp.stack([jnp.isfinite(leaf).all() for leaf in (value, *jax.tree.leaves(new.params))]).all()
    kept = jax.tree.map(lambda new, old: jnp.where(fine, new, old), new, state)
    kept = jax.lax.with_sharding_constraint(kept, shardings_of(step.mesh, kept, over_data=True))
    return kept, jnp.where(fine, value, jnp.nan)


def _over_data(sharding: NamedSharding) -> P:
    """Of a sharding, what is done by hand: `model` is left to XLA."""
    return P(*(axis if axis == DATA else None for axis in sharding.spec))


def _gathered(params: Params, specs: Params) -> Params:
    """Whole leaves (along `data`) of those that devices hold a part of."""

    def gather(leaf: Array, spec: P) -> Array:
        if DATA not in spec:
            return leaf
        return checkpoint_name(jax.lax.all_gather(leaf, DATA, axis=spec.index(DATA), tiled=True), GATHERED)

    return jax.tree.map(gather, params, specs)


def _summed(sum_of_one: Array, spec: P) -> Array:
    """The sum over all devices; that of a gathered leaf was made when its gradient was scattered."""
    return sum_of_one if DATA in spec else jax.lax.psum(sum_of_one, DATA)


def batches(data: Batch, rows: int, accumulate: int | None, key: np.random.Generator) -> Iterator[Batch]:
    """One epoch of batches in shuffled order, each of `accumulate` micro-batches of `rows` packed rows.

    The last batch is filled up with rows from the front. Where `accumulate` is None, one batch holds all rows, each
    once; it is filled up with empty rows.
    """
    order = key.permutation(len(data.tokens))
    if accumulate is None:
        empty = -len(order) % rows
        data = Batch(*(np.pad(field, ((0, empty), (0, 0))) for field in data))  # type: ignore[arg-type]
        order = np.append(order, np.arange(len(order), len(order) + empty))
    size = len(order) if accumulate is None else accumulate * rows
    order = np.resize(order, -(-len(order) // size) * size)
    for start in range(0, len(order), size):
        chosen = order[start : start + size].reshape(-1, rows)
        yield Batch(*(field[chosen] for field in data))


def feed(mesh: Mesh, batch: Batch) -> Batch:
    """The batch on the mesh, its rows over `data`, filled up with empty ones; each host feeds its devices' rows."""
    missing = -batch.tokens.shape[1] % mesh.shape[DATA]
    rows = Batch(*(np.pad(field, ((0, 0), (0, missing), (0, 0))) for field in batch))  # type: ignore[arg-type]
    by_row = NamedSharding(mesh, P(None, DATA))
    return jax.tree.map(lambda field: jax.make_array_from_callback(field.shape, by_row, field.__getitem__), rows)


@functools.cache  # one value a setting, so that jit compiles the step for it once and not once an M-step
def optimizer_of(
    kind: str, peak: float, warmup: int, steps: int, *, flat: bool = False
) -> optax.GradientTransformation:
    """AdamW with linear warm-up and cosine decay to a tenth, gradients clipped at norm 1; or plain SGD.

    `flat` works on all leaves laid end to end: a few operations instead of hundreds of small ones.
    """
    if kind == "sgd":
        return optax.sgd(peak)
    schedule = optax.warmup_cosine_decay_schedule(0.0 if warmup else peak, peak, warmup, steps, peak / 10)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.01))
    return optax.flatten(optimizer) if flat else optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """What training gave: the parameters of the best check, the step they are from, and every step's loss."""

    params: Params
    steps: int
    losses: tuple[float, ...]
    validation_reward: float | None


def fit(
    policy: Policy,
    examples: Sequence[Example],
    training: TrainingConfig,
    seed: int,
    check: Callable[[int, Params], float | None],
    meshes: Meshes | None = None,
) -> Fitted:
    """Trains the policy's parameters on the examples with a fresh optimizer, while the validation reward improves.

    Args:
        policy: Where training starts; its parameters are not changed.
        examples: What to learn; at least one.
        training: How.
        seed: Decides the order of the batches, and LoRA's first factors.
        check: Step and parameters -> mean reward of the training verifier on the validation split, or None where it
            decided nothing. Called `training.checks` times; training stops at the first fall.
        meshes: The devices; None: the first one. With several hosts, each calls this with the same arguments. What is
            trained, and all that goes with it, is split over all devices; parameters are given, to `check` too, as
            this host samples with them.

    Raises:
        NonFiniteLoss: The loss or the parameters became NaN or infinite; nothing was saved.
    """
    meshes = meshes or make_meshes(1, 1)
    start = dataclasses.replace(policy, params=_over_all(meshes, policy.params))
    parts = split(start, training.trainable, training.lora_rank, jax.random.key(seed))
    warmup = min(round(training.warmup_share * training.steps), training.steps - 1)
    flat = all(leaf.size < MIN_SHARDED_SIZE for leaf in jax.tree.leaves(parts.trained))
    optimizer = optimizer_of(training.optimizer, training.learning_rate, warmup, training.steps, flat=flat)
    compiled = Step(
        network=parts.network,
        optimizer=optimizer,
        compute=training.compute_dtype,
        remat=training.remat,
        mesh=meshes.whole,
    )
    trained = _over_all(meshes, parts.trained)
    memory = shardings_of(meshes.whole, jax.eval_shape(optimizer.init, trained), over_data=True)
    state = TrainState(trained, jax.jit(optimizer.init, out_shardings=memory)(trained))
    stream = epochs(pack(examples, training.row_length), training, seed)
    checkpoints = {round(training.steps * (i + 1) / training.checks) for i in range(training.checks)}
    losses: list[float] = []
    pending: list[Array] = []
    best: Fitted | None = None
    for step, batch in enumerate(itertools.islice(stream, training.steps), 1):
        state, value = train_step(compiled, state, parts.frozen, feed(meshes.whole, batch))
        pending.append(value)
        at_check = step in checkpoints
        pause = at_check or step == training.steps
        while len(pending) > (0 if pause else 1):  # one step stays out, so that the device never waits for the host
            losses.append(_finite(pending.pop(0), len(losses) + 1))
        if not pause:
            continue
        params = gather_to_local(merged(parts.network, state.params, parts.frozen), meshes.local)
        reward = check(step, params) if at_check else None
        if best is not None and at_check and _fell(best.validation_reward, reward):
            return dataclasses.replace(best, losses=tuple(losses))
        best = Fitted(params=params, steps=step, losses=tuple(losses), validation_reward=reward)
    assert best is not None
    return best


def _over_all(meshes: Meshes, params: Params) -> Params:
    """Each device holds a part of every leaf."""
    return shard(params, shardings_of(meshes.whole, params, over_data=True))


def _fell(before: float | None, now: float | None) -> bool:
    """Whether a validation reward is below the last one; deciding nothing any more is a fall too."""
    return before is not None and (now is None or now < before)


def epochs(data: Batch, training: TrainingConfig, seed: int) -> Iterator[Batch]:
    """Batches without end, each epoch in an order of its own."""
    rng = np.random.default_rng(seed)
    while True:
        yield from batches(data, training.rows, None if training.accumulate_all else training.accumulate, rng)


def _finite(value: Array, step: int) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise NonFiniteLoss(
            f"step {step} of the M-step: the loss, or what it would make of the parameters, is not finite: lower "
            "training.learning_rate; nothing of this M-step was saved, what was stored before it stays"
        )
    return number
