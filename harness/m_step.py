"""The M-step: a weighted next-token loss on responses, minimised from given parameters with a fresh optimizer.

Takes a policy and weighted (prompt, response) token pairs; gives trained parameters and the loss of every step.
Knows nothing of verifiers or problems. Examples are packed several to a row; attention and positions stop at the
example's border, so a packed example has the loss it has alone.
Source: ReST-EM's maximisation step, arXiv:2312.06585, equation 3 and Algorithm 1.
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
from jaxtyping import Array, Bool, Float, Int

from harness.config import TrainingConfig
from harness.errors import NonFiniteLoss, PromptTooLong
from harness.gemma_modules import forward, nn
from harness.policy import Params, Policy


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One response to learn, closed by its stop token, and the weight (reward) of its tokens."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    weight: float = 1.0


class Batch(NamedTuple):
    """Packed rows. `segments` counts a row's examples from 1; 0 is padding."""

    tokens: Int[Array, "B T"]
    targets: Int[Array, "B T"]
    segments: Int[Array, "B T"]
    positions: Int[Array, "B T"]
    weights: Float[Array, "B T"]


def pack(examples: Sequence[Example], row_length: int) -> Batch:
    """Examples in rows of `row_length` tokens, first fit in the given order.

    Raises:
        PromptTooLong: An example is longer than a row.
    """
    rows: list[list[Example]] = []
    room: list[int] = []
    for example in examples:
        length = len(example.prompt_ids) + len(example.response_ids) - 1
        if length > row_length:
            raise PromptTooLong(f"an example of {length} tokens does not fit a row of {row_length}")
        # Only the last rows are tried: packing stays linear, and loses under 3 % to a full first fit.
        place = next((r for r in range(max(0, len(rows) - 32), len(rows)) if room[r] >= length), None)
        if place is None:
            rows.append([])
            room.append(row_length)
            place = len(rows) - 1
        rows[place].append(example)
        room[place] -= length
    shape = (len(rows), row_length)
    tokens, targets, segments, positions = (np.zeros(shape, np.int32) for _ in range(4))
    weights = np.zeros(shape, np.float32)
    for r, row in enumerate(rows):
        start = 0
        for segment, example in enumerate(row, 1):
            ids = np.array([*example.prompt_ids, *example.response_ids], np.int32)
            span = slice(start, start + len(ids) - 1)
            tokens[r, span], targets[r, span] = ids[:-1], ids[1:]
            segments[r, span], positions[r, span] = segment, np.arange(len(ids) - 1)
            weights[r, start + len(example.prompt_ids) - 1 : span.stop] = example.weight
            start = span.stop
    return Batch(tokens, targets, segments, positions, weights)  # type: ignore[arg-type]


def attention_mask(segments: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """True where a token may look: backwards, within its own example."""
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    return same & jnp.tril(jnp.ones((length, length), bool)) & (segments > 0)[:, :, None]


def loss(model: nn.Transformer, params: Params, batch: Batch) -> Float[Array, ""]:
    """Weighted mean negative log-likelihood per response token: sum(w * nll) / sum(w)."""
    mask = attention_mask(batch.segments)
    logits = forward(model, params, batch.tokens, positions=batch.positions, attention_mask=mask).logits
    nll = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), batch.targets)
    return jnp.sum(nll * batch.weights) / jnp.maximum(jnp.sum(batch.weights), 1e-9)


class TrainState(NamedTuple):
    """Parameters and what the optimizer remembers."""

    params: Params
    optimizer_state: optax.OptState


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def train_step(
    model: nn.Transformer, optimizer: optax.GradientTransformation, state: TrainState, batch: Batch
) -> tuple[TrainState, Float[Array, ""]]:
    """One optimizer step on one batch; gives the new state and the loss before it."""
    value, gradients = jax.value_and_grad(functools.partial(loss, model), argnums=0)(state.params, batch)
    with jax.numpy_dtype_promotion("standard"):  # Optax's schedules divide integer counts by floats
        updates, optimizer_state = optimizer.update(gradients, state.optimizer_state, state.params)
    return TrainState(optax.apply_updates(state.params, updates), optimizer_state), value  # type: ignore[arg-type]


def batches(data: Batch, rows: int, key: np.random.Generator) -> Iterator[Batch]:
    """One epoch of batches of `rows` packed rows in shuffled order; the last is filled up with rows from the front."""
    order = key.permutation(len(data.tokens))
    order = np.resize(order, -(-len(order) // rows) * rows)
    for start in range(0, len(order), rows):
        yield Batch(*(field[order[start : start + rows]] for field in data))


@functools.cache  # one value a setting, so that jit compiles the step for it once and not once an M-step
def optimizer_of(
    kind: str, peak: float, warmup: int, steps: int, batches_per_step: int
) -> optax.GradientTransformation:
    """AdamW with linear warm-up and cosine decay to a tenth, gradients clipped at norm 1; or plain SGD.

    With `batches_per_step` > 1 the gradients of so many batches are averaged before each update; each batch counts the
    same, and the last of an epoch is filled up with rows from its front.
    """
    if kind == "sgd":
        optimizer = optax.sgd(peak)
    else:
        schedule = optax.warmup_cosine_decay_schedule(0.0 if warmup else peak, peak, warmup, steps, peak / 10)
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.01))
    if batches_per_step > 1:
        return optax.MultiSteps(optimizer, batches_per_step).gradient_transformation()
    return optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """What training gave: the parameters of the best check, the step they are from, and every batch's loss."""

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
) -> Fitted:
    """Trains the policy's parameters on the examples with a fresh optimizer, while the validation reward improves.

    Args:
        policy: Where training starts; its parameters are not changed.
        examples: What to learn; at least one.
        training: How.
        seed: Decides the order of the batches.
        check: Step and parameters -> mean reward of the training verifier on the validation split, or None where it
            decided nothing. Called `training.checks` times; training stops at the first fall.

    Raises:
        NonFiniteLoss: The loss became NaN or infinite; nothing was saved.
    """
    data = pack(examples, training.row_length)
    epoch = -(-len(data.tokens) // training.rows)
    batches_per_step = epoch if training.accumulate_all else 1
    warmup = min(round(training.warmup_share * training.steps), training.steps - 1)
    optimizer = optimizer_of(training.optimizer, training.learning_rate, warmup, training.steps, batches_per_step)
    state = TrainState(jax.tree.map(jnp.copy, policy.params), optimizer.init(policy.params))
    stream = _epochs(data, training.rows, seed)
    checkpoints = {round(training.steps * (i + 1) / training.checks) for i in range(training.checks)}
    losses: list[float] = []
    pending: list[Array] = []
    best: Fitted | None = None
    for step in range(1, training.steps + 1):
        for batch in itertools.islice(stream, batches_per_step):
            state, value = train_step(policy.model, optimizer, state, batch)
            pending.append(value)
        if step not in checkpoints and step != training.steps:
            continue
        losses += _finite(pending)
        pending = []
        reward = check(step, state.params) if step in checkpoints else None
        if best is not None and step in checkpoints and _fell(best.validation_reward, reward):
            return dataclasses.replace(best, losses=tuple(losses))
        params = jax.tree.map(jnp.copy, state.params)  # the next step donates its input
        best = Fitted(params=params, steps=step, losses=tuple(losses), validation_reward=reward)
    assert best is not None
    return best


def _fell(before: float | None, now: float | None) -> bool:
    """Whether a validation reward is below the last one; deciding nothing any more is a fall too."""
    return before is not None and (now is None or now < before)


def _epochs(data: Batch, rows: int, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng(seed)
    while True:
        yield from batches(data, rows, rng)


def _finite(pending: Sequence[Array]) -> list[float]:
    values = [float(value) for value in jax.device_get(list(pending))]
    if not np.all(np.isfinite(values)):
        raise NonFiniteLoss("the M-step's loss is not finite: lower training.learning_rate; nothing was saved")
    return values
