"""The M-step: weighted next-token loss on responses, minimised from given parameters with a fresh optimizer.

Takes a policy and weighted (prompt, response) token pairs; gives trained parameters and the loss of every step. With
settings of GRPO it minimises that loss instead, in the same way. Does not depend on verifiers or problems.
Source: ReST-EM's maximisation step, arXiv:2312.06585, equation 3 and Algorithm 1.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from restem.harness.errors import NonFiniteLoss
from restem.harness.model.mesh import DATA, MIN_SHARDED_SIZE, Meshes, gather_to_local, make_meshes, shard, shardings_of
from restem.harness.model.policy import Params, Policy
from restem.harness.settings import TrainingConfig
from restem.harness.training.example import Example
from restem.harness.training.grpo import FromBase, GrpoBatch, grpo_batch
from restem.harness.training.loss import LIKELIHOOD, Batch, Objective
from restem.harness.training.optimizer_step import Step, TrainState, nan_unless_finite, train_step
from restem.harness.training.packing import pack
from restem.harness.training.trainable import Parts, merged, split

Data = TypeVar("Data", bound=Batch | GrpoBatch)


def batches(data: Data, rows: int, accumulate: int | None, rng: np.random.Generator) -> Iterator[Data]:
    """The batches of an epoch in shuffled order, each of `accumulate` micro-batches of `rows` packed rows.

    The last batch is filled up with rows from the front. If `accumulate` is None, a single batch holds every row once
    and is filled up with empty rows.
    """
    order = rng.permutation(len(data.tokens))
    if accumulate is None:
        empty = -len(order) % rows
        data = jax.tree.map(lambda field: np.pad(field, ((0, empty), (0, 0))), data)
        order = np.append(order, np.arange(len(order), len(order) + empty))
    size = len(order) if accumulate is None else accumulate * rows
    order = np.resize(order, -(-len(order) // size) * size)
    for start in range(0, len(order), size):
        chosen = order[start : start + size].reshape(-1, rows)
        yield jax.tree.map(lambda field: field[chosen], data)  # noqa: B023 (called at once)


def feed(mesh: Mesh, batch: Data) -> Data:
    """The batch on the mesh, with its rows sharded over `data` and padded with empty rows; each host feeds its own."""
    missing = -batch.tokens.shape[1] % mesh.shape[DATA]
    rows = jax.tree.map(lambda field: np.pad(field, ((0, 0), (0, missing), (0, 0))), batch)
    by_row = NamedSharding(mesh, P(None, DATA))
    return jax.tree.map(lambda field: jax.make_array_from_callback(field.shape, by_row, field.__getitem__), rows)


@functools.cache  # equal settings give the same object, so that the step is compiled once and not in every M-step
def optimizer_of(
    kind: str, peak: float, warmup: int, steps: int, *, flat: bool = False
) -> optax.GradientTransformation:
    """AdamW with linear warm-up and cosine decay to a tenth, gradients clipped at norm 1; or plain SGD.

    Args:
        kind: "adamw" or "sgd".
        peak: The learning rate after the warm-up.
        warmup: Steps of the warm-up.
        steps: All steps.
        flat: Whether to concatenate all leaves: a few large operations instead of hundreds of small ones.
    """
    if kind == "sgd":
        return optax.sgd(peak)
    schedule = optax.warmup_cosine_decay_schedule(0.0 if warmup else peak, peak, warmup, steps, peak / 10)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.01))
    return optax.flatten(optimizer) if flat else optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """The result of training.

    Attributes:
        params: The parameters after the best check, or after the last step.
        steps: The step that they are from.
        losses: Those of every step that was taken.
        validation_reward: That of the best check.
    """

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
    grpo: FromBase | None = None,
) -> Fitted:
    """Trains the policy's parameters on the examples with a fresh optimizer, while the validation reward improves.

    Args:
        policy: Where training starts; its parameters are not changed.
        examples: The responses to train on; at least one.
        training: The settings.
        seed: Decides the order of the batches, and LoRA's first factors.
        check: Takes a step and parameters, gives the mean reward of the training verifier on the validation split, or
            None where it decided nothing. Called `training.checks` times; training stops at the first fall.
        meshes: The devices; None: the first one. With several hosts, each host calls this with the same arguments.
            Trained and frozen parameters and the optimizer's state are sharded over all devices; the parameters given
            to `check` and in the result are on this host's mesh, as sampling needs them.
        grpo: For GRPO: its loss and the base; the policy is then the one that drew the responses, and an example's
            weight is its advantage.

    Raises:
        NonFiniteLoss: The loss or the parameters became NaN or infinite; nothing was saved.
    """
    meshes = meshes or make_meshes(1, 1)
    parts, step, state = start(policy, training, seed, meshes, grpo.loss if grpo else LIKELIHOOD)
    if grpo is None:
        data = pack(examples, training.row_length)
    else:
        data = grpo_batch(policy, examples, training, grpo, meshes.local)
    stream = itertools.islice(epochs(data, training, seed), training.steps)
    checks = {round(training.steps * (i + 1) / training.checks) for i in range(training.checks)}
    losses, best = _Losses(), None
    for number, batch in enumerate(stream, 1):
        state, loss = train_step(step, state, parts.frozen, feed(meshes.whole, batch))
        is_check, is_last = number in checks, number == training.steps
        if is_check or is_last:
            loss = nan_unless_finite(loss, state.params)
        losses.add(loss, wait=is_check or is_last)
        if not (is_check or is_last):
            continue
        params = gather_to_local(merged(parts.network, state.params, parts.frozen), meshes.local)
        reward = check(number, params) if is_check else None
        if best is not None and is_check and _fell(best.validation_reward, reward):
            return dataclasses.replace(best, losses=tuple(losses.values))
        best = Fitted(params=params, steps=number, losses=tuple(losses.values), validation_reward=reward)
    assert best is not None
    return best


def start(
    policy: Policy, training: TrainingConfig, seed: int, meshes: Meshes, objective: Objective = LIKELIHOOD
) -> tuple[Parts, Step, TrainState]:
    """The policy split for training, the step to compile, and the state before the first step.

    Parameters and the optimizer's state are sharded over all devices.
    """
    sharded = dataclasses.replace(policy, params=_sharded(meshes, policy.params))
    parts = split(sharded, training.trainable, training.lora_rank, jax.random.key(seed))
    warmup = min(round(training.warmup_share * training.steps), training.steps - 1)
    flat = all(leaf.size < MIN_SHARDED_SIZE for leaf in jax.tree.leaves(parts.trained))
    optimizer = optimizer_of(training.optimizer, training.learning_rate, warmup, training.steps, flat=flat)
    step = Step(
        network=parts.network,
        optimizer=optimizer,
        compute=training.compute_dtype,
        remat=training.remat,
        mesh=meshes.whole,
        objective=objective,
    )
    trained = _sharded(meshes, parts.trained)
    state_shardings = shardings_of(meshes.whole, jax.eval_shape(optimizer.init, trained), over_data=True)
    return parts, step, TrainState(trained, jax.jit(optimizer.init, out_shardings=state_shardings)(trained))


def _sharded(meshes: Meshes, params: Params) -> Params:
    return shard(params, shardings_of(meshes.whole, params, over_data=True))


class _Losses:
    """The losses of all steps. One step's loss stays on the device, so that the device never waits for the host."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._pending: list[Array] = []

    def add(self, loss: Float[Array, ""], *, wait: bool) -> None:
        """Adds a loss, and fetches all pending ones if `wait`, else all but the last.

        Raises:
            NonFiniteLoss: A fetched loss is not finite.
        """
        self._pending.append(loss)
        while len(self._pending) > (0 if wait else 1):
            self.values.append(_finite(self._pending.pop(0), len(self.values) + 1))


def _fell(before: float | None, now: float | None) -> bool:
    """Whether a validation reward is below the last one; no verdict any more counts as a fall."""
    return before is not None and (now is None or now < before)


def epochs(data: Data, training: TrainingConfig, seed: int) -> Iterator[Data]:
    """Endless batches, each epoch in a new order."""
    rng = np.random.default_rng(seed)
    while True:
        yield from batches(data, training.rows, None if training.accumulate_all else training.accumulate, rng)


def _finite(value: Float[Array, ""], step: int) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise NonFiniteLoss(
            f"step {step} of the M-step: the loss, or what it would make of the parameters, is not finite: lower "
            "training.learning_rate; nothing of this M-step was saved, what was stored before it stays"
        )
    return number
