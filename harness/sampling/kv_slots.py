"""The sampler's work on the devices: a fixed number of slots, each decoding one row at its own position.

Takes parameters, prompts and slot numbers; gives the slots after the next refill, decoding or compaction. Knows nothing
of queues, problems or samples: which row goes where is the sampler's business.

The unmodified `gm.nn` model writes all rows of a batch to one cache column. Mapped over rows (`jax.vmap`, a batch of
one each) it writes every row at that row's own column, while its matrix products stay those of the whole batch. So a
row lies in its slot the same way, from column 0 on and without a gap, whenever it came in: what it draws does not
depend on what is decoded beside it. A network with experts takes all rows at once; its cache may end at another column
in each row.

Slots lie on one device, or on one row of a mesh: the devices along `model`, which split the matrices as the parameters
are, and the cache by its heads.

Of the model's cache only keys and values are carried from step to step; the rest follows from a row's position. They
are carried with their last two axes as one: XLA on CPUs then writes them in place, and copies them whole three times a
step otherwise.
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

from restem.harness.model.gemma import forward, nn
from restem.harness.model.matmul_precision import MIXED, as_matrices, by_matrices
from restem.harness.model.mesh import MODEL
from restem.harness.model.policy import Params
from restem.harness.sampling.decoding import Decoding, choose

KeysValues = dict[str, dict[str, Float[Array, "R S KH"]]]  # layer -> "k" and "v"


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of `gm.nn`, and what it computes in: a type, or "mixed", where logits are float32.

    Called with parameters as `prepared` gives them.
    """

    model: nn.Transformer
    compute: str = "float32"

    @functools.partial(jax.jit, static_argnums=0)
    def prepared(self, params: Params) -> Params:
        """Its parameters as it computes with them."""
        return as_matrices(self.model, params, self.compute)

    def __call__(self, params: Params, tokens: Int[Array, "R T"], **inputs: Any) -> Any:
        """See `forward`."""
        return forward(self.model, params, tokens, interceptors=[by_matrices], **inputs)

    def empty_cache(self, rows: int, columns: int) -> Any:
        """The model's own."""
        dtype = jnp.dtype("float32" if self.compute == MIXED else self.compute)
        return self.model.init_cache(batch_size=rows, dtype=dtype, cache_length=columns)


class Slots(NamedTuple):
    """R rows under way.

    Attributes:
        cache: Keys and values of every layer, one row a slot; column j holds the row's token j.
        token: The last token, not yet in the cache.
        start: The column of the prompt's last token.
        keys: Raw key data of each row.
        ids: Tokens drawn, the stop token included, padded with 0.
        length: Tokens drawn.
        logprob: Sum of the drawn tokens' log-probabilities under the sampling distribution, in nats.
        stopped: Whether a stop token ended the row.
        done: Whether the row has ended, or never began.
    """

    cache: KeysValues
    token: Int[Array, "R"]
    start: Int[Array, "R"]
    keys: UInt32[Array, "R 2"]
    ids: Int[Array, "R N"]
    length: Int[Array, "R"]
    logprob: Float[Array, "R"]
    stopped: Bool[Array, "R"]
    done: Bool[Array, "R"]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def empty(network: Network, mesh: Mesh, rows: int, columns: int, max_new_tokens: int) -> Slots:
    """Slots in which nothing is under way."""
    zeros = functools.partial(jnp.zeros, rows, jnp.int32)
    slots = Slots(
        cache=_carried(network.empty_cache(rows, columns)),
        token=zeros(),
        start=zeros(),
        keys=jnp.zeros((rows, 2), jnp.uint32),
        ids=jnp.zeros((rows, max_new_tokens), jnp.int32),
        length=zeros(),
        logprob=jnp.zeros(rows, jnp.float32),
        stopped=jnp.zeros(rows, bool),
        done=jnp.ones(rows, bool),
    )
    return _laid_out(mesh, slots)


def _laid_out(mesh: Mesh, slots: Slots) -> Slots:
    """The slots as they always lie on the mesh's devices, so that no program is compiled for another layout."""

    def sharding(leaf: Array) -> NamedSharding:
        by_head = leaf.ndim == 3 and leaf.shape[2] % mesh.shape[MODEL] == 0
        return NamedSharding(mesh, P(None, None, MODEL) if by_head else P())

    return jax.lax.with_sharding_constraint(slots, jax.tree.map(sharding, slots))


def _carried(cache: Any) -> KeysValues:
    """Keys and values of the model's cache, heads and their axis as one."""
    return {
        layer: {name: leaves[name].reshape(*leaves[name].shape[:2], -1) for name in ("k", "v")}
        for layer, leaves in cache.items()
    }


def _modelled(network: Network, carried: KeysValues, end: Int[Array, "r"] | int) -> Any:
    """The model's cache with `end` columns filled: column j always holds position j."""
    rows, columns, _ = next(iter(carried.values()))["k"].shape
    shapes = jax.eval_shape(lambda: network.empty_cache(rows, columns))
    rest = {
        "end_index": jnp.broadcast_to(jnp.int32(end), rows),
        "positions": jnp.broadcast_to(jnp.arange(columns), (rows, columns)),
    }
    return {
        layer: {name: leaf.reshape(shapes[layer][name].shape) for name, leaf in leaves.items()} | rest
        for layer, leaves in carried.items()
    }


@functools.partial(jax.jit, static_argnums=0)
def prefix_cache(network: Network, params: Params, tokens: Int[Array, "1 L"]) -> KeysValues:
    """Keys and values of tokens with which all prompts begin."""
    return _prefill(network, params, tokens, None)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def refill(
    network: Network,
    mesh: Mesh,
    params: Params,
    slots: Slots,
    prefix: KeysValues | None,
    prompts: Int[Array, "G P"],
    lengths: Int[Array, "G"],
    places: Int[Array, "G K"],
    keys: UInt32[Array, "G K 2"],
) -> Slots:
    """The slots with K new rows of each of G prompts, each prompt computed once.

    Args:
        network: The network.
        mesh: The devices.
        params: Its parameters.
        slots: Those at `places` must be done.
        prefix: The cache of the L tokens that all prompts begin with; None where there are none.
        prompts: The rest of each prompt, padded on the right.
        lengths: Tokens of each whole prompt.
        places: The slot of every row; a number past the last slot drops the row.
        keys: Raw key data of every row.
    """
    samples = places.shape[1]
    known = _columns(prefix)
    computed = _prefill(network, params, prompts[:, :-1], prefix)  # the last token is the first step's
    row, place = jnp.repeat(jnp.arange(len(prompts)), samples), places.reshape(-1)

    def insert(old: Array, new: Array) -> Array:
        return old.at[place, : new.shape[1]].set(new[row], mode="drop")

    def put(old: Array, new: Any) -> Array:
        return old.at[place].set(new, mode="drop")

    last = jnp.take_along_axis(prompts, (lengths - 1 - known)[:, None], axis=1)[:, 0]
    filled = Slots(
        cache=jax.tree.map(insert, slots.cache, computed),
        token=put(slots.token, last[row]),
        start=put(slots.start, lengths[row] - 1),
        keys=put(slots.keys, keys.reshape(-1, 2)),
        ids=put(slots.ids, 0),
        length=put(slots.length, 0),
        logprob=put(slots.logprob, 0.0),
        stopped=put(slots.stopped, False),
        done=put(slots.done, False),
    )
    return _laid_out(mesh, filled)


def _columns(cache: KeysValues | None) -> int:
    return next(iter(cache.values()))["k"].shape[1] if cache else 0


def _prefill(network: Network, params: Params, tokens: Int[Array, "G P"], prefix: KeysValues | None) -> KeysValues:
    """Keys and values of prompts that go on after their prefix.

    Padding stands on the right, where no token looks; decoding writes over it before it is seen.
    """
    size, length = tokens.shape
    known = _columns(prefix)
    cache = _carried(network.empty_cache(size, known + length))
    if prefix is not None:
        cache = jax.tree.map(lambda new, old: new.at[:, :known].set(old), cache, prefix)
    positions = known + jnp.arange(length)
    seen = jnp.arange(known + length) <= positions[:, None]
    out = network(
        params,
        tokens,
        positions=jnp.broadcast_to(positions, tokens.shape),
        attention_mask=jnp.broadcast_to(seen, (size, *seen.shape)),
        cache=_modelled(network, cache, known),
    )
    return _carried(out.cache)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=4)
def decode(
    network: Network, mesh: Mesh, decoding: Decoding, params: Params, slots: Slots, enough: Int[Array, ""]
) -> tuple[Slots, Int[Array, ""]]:
    """One token a step for every row under way, until `enough` slots are done; gives the number of steps as well."""

    def unfinished(state: tuple[Slots, Array]) -> Bool[Array, ""]:
        return jnp.sum(state[0].done) < enough

    def advance(state: tuple[Slots, Array]) -> tuple[Slots, Array]:
        return _laid_out(mesh, _step(network, decoding, params, state[0])), state[1] + 1

    return jax.lax.while_loop(unfinished, advance, (slots, jnp.int32(0)))


def _step(network: Network, decoding: Decoding, params: Params, slots: Slots) -> Slots:
    columns = jnp.arange(_columns(slots.cache))

    def rows(tokens: Array, ends: Array, cache: KeysValues) -> tuple[Float[Array, "r V"], KeysValues]:
        out = network(
            params,
            tokens[:, None],
            positions=ends[:, None],
            attention_mask=(columns <= ends[:, None])[:, None],
            cache=_modelled(network, cache, ends),
        )
        return out.logits[:, -1], _carried(out.cache)

    state = slots.token, slots.start + slots.length, slots.cache
    if getattr(
        network.model.config, "enable_moe", False
    ):  # experts take all rows at once, and this cache may end anywhere
        logits, cache = rows(*state)
    else:  # the cache of most families ends where that of its first row does
        one = jax.tree.map(lambda leaf: leaf[:, None], state)
        logits, cache = jax.tree.map(lambda leaf: leaf[:, 0], jax.vmap(rows)(*one))
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


@functools.partial(jax.jit, static_argnums=0)
def compact(mesh: Mesh, slots: Slots, places: Int[Array, "S"]) -> Slots:
    """The slots at `places` alone."""
    return _laid_out(mesh, jax.tree.map(lambda leaf: leaf[places], slots))
