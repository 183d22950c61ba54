"""Decoding on the devices: a fixed number of slots, each with a key-value cache and a position of its own.

Takes parameters, prompts and slot numbers; gives the slots after a refill, after decoding or after a compaction. Does
not depend on queues, problems or samples: device_sampler.py decides which sample goes into which slot.

The unmodified `gm.nn` model writes all sequences of a batch to the same cache column. Mapped over slots (`jax.vmap`, a
batch of one each) it writes each sequence at that sequence's own column, while its matrix products stay those of the
whole batch. So the tokens of a sequence lie in its slot from column 0 on without a gap, whenever it entered, and what
it draws does not depend on the sequences beside it. A network with experts takes the whole batch at once; its cache can
end at another column in each slot.

Slots lie on the devices of one replica of the model (`mesh.replica_meshes`). Along `model`, the devices shard the
matrices as they shard the parameters, and the cache by heads.

Only keys and values of the model's cache are carried from step to step; the rest follows from each slot's position.
Their last two axes (heads and head dimension) are carried as one: XLA's CPU backend then updates them in place, and
otherwise copies the whole cache three times a step.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int, UInt32

from restem.harness.model.float32_parts import BFLOAT16, Float32Parts
from restem.harness.model.gemma import forward, nn
from restem.harness.model.matmul_precision import MIXED, as_matrices, by_matrices
from restem.harness.model.mesh import MODEL
from restem.harness.model.policy import Params
from restem.harness.sampling.decoding import Decoding, choose

KeysValues = dict[str, dict[str, Float[Array, "B T KH"]]]  # layer -> "k" and "v"


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of `gm.nn` and the type it computes in, or "mixed" (see `matmul_precision`), with float32 logits.

    Its parameters are those that `prepared` gives.
    """

    model: nn.Transformer
    compute: str = "float32"

    @functools.partial(jax.jit, static_argnums=0)
    def prepared(self, params: Params) -> Params:
        """The parameters in the form that decoding needs, see `as_matrices`."""
        return as_matrices(self.model, params, self.compute)

    def __call__(self, params: Params, tokens: Int[Array, "B T"], **inputs: Any) -> Any:
        """The network's output, see `gemma.forward`."""
        interceptors = [by_matrices, *([Float32Parts()] if self.compute == BFLOAT16 else [])]
        return forward(self.model, params, tokens, interceptors=interceptors, **inputs)

    def empty_cache(self, size: int, columns: int) -> Any:
        """The model's own cache for a batch of this size."""
        dtype = jnp.dtype("float32" if self.compute == MIXED else self.compute)
        return self.model.init_cache(batch_size=size, dtype=dtype, cache_length=columns)


class Slots(NamedTuple):
    """B slots and the sequences in them.

    Attributes:
        cache: Keys and values of every layer; column j of a slot holds token j of its sequence.
        token: The last token, not yet in the cache.
        start: The column of the prompt's last token.
        keys: Raw key data of each sample.
        ids: Tokens drawn, the stop token included, padded with 0.
        length: Number of tokens drawn.
        logprob: Sum of the drawn tokens' log-probabilities under the sampling distribution, in nats.
        stopped: Whether a stop token ended the sequence.
        done: Whether the sequence has ended, or the slot is empty.
    """

    cache: KeysValues
    token: Int[Array, "B"]
    start: Int[Array, "B"]
    keys: UInt32[Array, "B 2"]
    ids: Int[Array, "B N"]
    length: Int[Array, "B"]
    logprob: Float[Array, "B"]
    stopped: Bool[Array, "B"]
    done: Bool[Array, "B"]


class Refill(NamedTuple):
    """Prompts that enter together, with K samples of each.

    Attributes:
        prompts: What follows the shared prefix, padded on the right.
        lengths: Tokens of each whole prompt, prefix included.
        slots: The slot of every sample; a number past the last slot drops the sample.
        keys: Raw key data of every sample.
    """

    prompts: Int[Any, "G P"]
    lengths: Int[Any, "G"]
    slots: Int[Any, "G K"]
    keys: UInt32[Any, "G K 2"]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def empty(network: Network, mesh: Mesh, size: int, columns: int, max_new_tokens: int) -> Slots:
    """This many empty slots."""
    zeros = functools.partial(jnp.zeros, size, jnp.int32)
    slots = Slots(
        cache=carried(network.empty_cache(size, columns)),
        token=zeros(),
        start=zeros(),
        keys=jnp.zeros((size, 2), jnp.uint32),
        ids=jnp.zeros((size, max_new_tokens), jnp.int32),
        length=zeros(),
        logprob=jnp.zeros(size, jnp.float32),
        stopped=jnp.zeros(size, bool),
        done=jnp.ones(size, bool),
    )
    return _sharded(mesh, slots)


def _sharded(mesh: Mesh, slots: Slots) -> Slots:
    """The slots in the one sharding that they always have, so that no program is compiled for another one."""

    def sharding(leaf: Array) -> NamedSharding:
        by_head = leaf.ndim == 3 and leaf.shape[2] % mesh.shape[MODEL] == 0
        return NamedSharding(mesh, P(None, None, MODEL) if by_head else P())

    return jax.lax.with_sharding_constraint(slots, jax.tree.map(sharding, slots))


def carried(cache: Any) -> KeysValues:
    """Keys and values of the model's cache, with heads and head dimension as one axis."""
    return {
        layer: {name: leaves[name].reshape(*leaves[name].shape[:2], -1) for name in ("k", "v")}
        for layer, leaves in cache.items()
    }


def model_cache(network: Network, cache: KeysValues, end: Int[Array, "b"] | int) -> Any:
    """The model's cache with `end` columns filled: column j always holds position j."""
    size, columns, _ = next(iter(cache.values()))["k"].shape
    shapes = jax.eval_shape(lambda: network.empty_cache(size, columns))
    rest = {
        "end_index": jnp.broadcast_to(jnp.int32(end), size),
        "positions": jnp.broadcast_to(jnp.arange(columns), (size, columns)),
    }
    return {
        layer: {name: leaf.reshape(shapes[layer][name].shape) for name, leaf in leaves.items()} | rest
        for layer, leaves in cache.items()
    }


@functools.partial(jax.jit, static_argnums=0)
def prefix_cache(network: Network, params: Params, tokens: Int[Array, "1 L"]) -> KeysValues:
    """Keys and values of the tokens with which all prompts begin."""
    return prefill(network, params, tokens, None)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def refill(
    network: Network, mesh: Mesh, params: Params, slots: Slots, prefix: KeysValues | None, entering: Refill
) -> Slots:
    """The slots with new sequences in some of them; each prompt is computed once for all its samples.

    Args:
        network: The network.
        mesh: The devices.
        params: Its parameters.
        slots: Those that `entering` names must be done.
        prefix: The cache of the L tokens that all prompts begin with; None: they share none.
        entering: What enters.
    """
    prompts, lengths, _, _ = entering
    columns = _columns(prefix)
    computed = prefill(network, params, prompts[:, :-1], prefix)  # the first decoding step computes the last token
    prompt = jnp.repeat(jnp.arange(len(prompts)), entering.slots.shape[1])  # of every sample
    slot = entering.slots.reshape(-1)

    def insert(old: Array, new: Array) -> Array:
        return old.at[slot, : new.shape[1]].set(new[prompt], mode="drop")

    def put(old: Array, new: Any) -> Array:
        return old.at[slot].set(new, mode="drop")

    last = jnp.take_along_axis(prompts, (lengths - 1 - columns)[:, None], axis=1)[:, 0]
    filled = Slots(
        cache=jax.tree.map(insert, slots.cache, computed),
        token=put(slots.token, last[prompt]),
        start=put(slots.start, lengths[prompt] - 1),
        keys=put(slots.keys, entering.keys.reshape(-1, 2)),
        ids=put(slots.ids, 0),
        length=put(slots.length, 0),
        logprob=put(slots.logprob, 0.0),
        stopped=put(slots.stopped, False),
        done=put(slots.done, False),
    )
    return _sharded(mesh, filled)


def _columns(cache: KeysValues | None) -> int:
    return next(iter(cache.values()))["k"].shape[1] if cache else 0


def prefill(network: Network, params: Params, tokens: Int[Array, "G P"], prefix: KeysValues | None) -> KeysValues:
    """Keys and values of prompts that continue the prefix.

    Padding stands on the right, where the causal mask hides it; decoding overwrites it before it becomes visible.
    """
    size, length = tokens.shape
    before = _columns(prefix)
    cache = carried(network.empty_cache(size, before + length))
    if prefix is not None:
        cache = jax.tree.map(lambda new, old: new.at[:, :before].set(old), cache, prefix)
    positions = before + jnp.arange(length)
    visible = jnp.arange(before + length) <= positions[:, None]
    out = network(
        params,
        tokens,
        positions=jnp.broadcast_to(positions, tokens.shape),
        attention_mask=jnp.broadcast_to(visible, (size, *visible.shape)),
        cache=model_cache(network, cache, before),
    )
    return carried(out.cache)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=4)
def decode(
    network: Network, mesh: Mesh, decoding: Decoding, params: Params, slots: Slots, enough: Int[Array, ""]
) -> tuple[Slots, Int[Array, ""]]:
    """The slots after decoding until `enough` of them are done, or until a sequence fills the cache; and the steps.

    Each step draws one token in every slot.
    """
    columns = _columns(slots.cache)

    def unfinished(state: tuple[Slots, Array]) -> Bool[Array, ""]:
        last = jnp.max(jnp.where(state[0].done, 0, state[0].start + state[0].length))
        return (jnp.sum(state[0].done) < enough) & (last < columns)

    def advance(state: tuple[Slots, Array]) -> tuple[Slots, Array]:
        return _sharded(mesh, _step(network, decoding, params, state[0])), state[1] + 1

    return jax.lax.while_loop(unfinished, advance, (slots, jnp.int32(0)))


def next_logits(
    network: Network, params: Params, cache: KeysValues, token: Int[Array, "B"], end: Int[Array, "B"]
) -> tuple[Float[Array, "B V"], KeysValues]:
    """The logits of each slot's next token, and the cache with its last one.

    Args:
        network: The network.
        params: Its parameters.
        cache: Keys and values of the tokens before.
        token: The last token of each slot.
        end: Its column.
    """
    columns = jnp.arange(_columns(cache))

    def of_batch(tokens: Array, ends: Array, cache: KeysValues) -> tuple[Float[Array, "b V"], KeysValues]:
        out = network(
            params,
            tokens[:, None],
            positions=ends[:, None],
            attention_mask=(columns <= ends[:, None])[:, None],
            cache=model_cache(network, cache, ends),
        )
        return out.logits[:, -1], carried(out.cache)

    state = token, end, cache
    if getattr(network.model.config, "enable_moe", False):
        # Experts take the whole batch at once, and their cache may end at another column in each slot.
        return of_batch(*state)
    # In the other families the cache of a batch ends where that of its first sequence does.
    batches_of_one = jax.tree.map(lambda leaf: leaf[:, None], state)
    return jax.tree.map(lambda leaf: leaf[:, 0], jax.vmap(of_batch)(*batches_of_one))


def _step(network: Network, decoding: Decoding, params: Params, slots: Slots) -> Slots:
    logits, cache = next_logits(network, params, slots.cache, slots.token, slots.start + slots.length)
    token, logprob = choose(decoding, logits, slots.keys, slots.length)
    token = jnp.where(slots.done, 0, token)
    here = (jnp.arange(slots.ids.shape[1]) == slots.length[:, None]) & ~slots.done[:, None]
    length = slots.length + (~slots.done).astype(jnp.int32)
    stopped = slots.stopped | jnp.isin(token, jnp.array(decoding.stop_ids, jnp.int32)) & ~slots.done
    return slots._replace(
        cache=cache,
        token=token,
        ids=jnp.where(here, token[:, None], slots.ids),
        length=length,
        logprob=slots.logprob + jnp.where(slots.done, 0.0, logprob),
        stopped=stopped,
        done=slots.done | stopped | (length >= decoding.max_new_tokens),
    )


@functools.partial(jax.jit, static_argnums=(0, 2))
def with_columns(mesh: Mesh, slots: Slots, columns: int) -> Slots:
    """The slots with a cache of this many columns; those that are cut off must be empty."""

    def resized(leaf: Array) -> Array:
        return jnp.pad(leaf[:, :columns], ((0, 0), (0, max(0, columns - leaf.shape[1])), (0, 0)))

    return _sharded(mesh, slots._replace(cache=jax.tree.map(resized, slots.cache)))


@functools.partial(jax.jit, static_argnums=0)
def compact(mesh: Mesh, slots: Slots, kept: Int[Array, "S"]) -> Slots:
    """The slots with these numbers alone."""
    return _sharded(mesh, jax.tree.map(lambda leaf: leaf[kept], slots))
