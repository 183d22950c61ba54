"""The sampler's work on the device: a fixed number of slots, each decoding one row at its own position.

Takes parameters, prompts and slot numbers; gives the slots after the next refill, decoding or compaction. Knows nothing
of queues, problems or samples: which row goes where is the sampler's business.

The unmodified `gm.nn` model writes all rows of a batch to one cache column. Mapped over rows (`jax.vmap`, a batch of
one each) it writes every row at that row's own column, while its matrix products stay those of the whole batch. So a
row lies in its slot the same way, from column 0 on and without a gap, whenever it came in: what it draws does not
depend on what is decoded beside it.

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
from jaxtyping import Array, Bool, Float, Int, UInt32

from harness.gemma_modules import forward, nn
from harness.policy import Params

GREEDY_TOP_K = 1

KeysValues = dict[str, dict[str, Float[Array, "R S KH"]]]  # layer -> "k" and "v"


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("temperature", "top_p", "max_new_tokens"),  # another value compiles nothing anew
    meta_fields=("top_k", "stop_ids"),
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoding:
    """How tokens are chosen. `top_k=1` is greedy. The paper samples at temperature 0.7 and top-k 40.

    With `top_p` below 1 only the likeliest of those k tokens stay that together have this probability.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 1.0
    max_new_tokens: int = 64
    stop_ids: tuple[int, ...] = ()


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


def empty(model: nn.Transformer, rows: int, columns: int, max_new_tokens: int) -> Slots:
    """Slots in which nothing is under way."""
    zeros = functools.partial(jnp.zeros, rows, jnp.int32)
    return Slots(
        cache=_carried(_zeros(model, rows, columns)),
        token=zeros(),
        start=zeros(),
        keys=jnp.zeros((rows, 2), jnp.uint32),
        ids=jnp.zeros((rows, max_new_tokens), jnp.int32),
        length=zeros(),
        logprob=jnp.zeros(rows, jnp.float32),
        stopped=jnp.zeros(rows, bool),
        done=jnp.ones(rows, bool),
    )


def _zeros(model: nn.Transformer, rows: int, columns: int) -> Any:
    """The model's own empty cache."""
    return model.init_cache(batch_size=rows, dtype=jnp.float32, cache_length=columns)


def _carried(cache: Any) -> KeysValues:
    """Keys and values of the model's cache, heads and their axis as one."""
    return {
        layer: {name: leaves[name].reshape(*leaves[name].shape[:2], -1) for name in ("k", "v")}
        for layer, leaves in cache.items()
    }


def _modelled(model: nn.Transformer, carried: KeysValues, end: Int[Array, ""] | int) -> Any:
    """The model's cache with `end` columns filled: column j always holds position j."""
    rows, columns, _ = next(iter(carried.values()))["k"].shape
    shapes = jax.eval_shape(lambda: _zeros(model, rows, columns))
    rest = {
        "end_index": jnp.full(rows, end, jnp.int32),
        "positions": jnp.broadcast_to(jnp.arange(columns), (rows, columns)),
    }
    return {
        layer: {name: leaf.reshape(shapes[layer][name].shape) for name, leaf in leaves.items()} | rest
        for layer, leaves in carried.items()
    }


@functools.partial(jax.jit, static_argnums=0)
def prefix_cache(model: nn.Transformer, params: Params, tokens: Int[Array, "1 L"]) -> KeysValues:
    """Keys and values of tokens with which all prompts begin."""
    return _prefill(model, params, tokens, None)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
def refill(
    model: nn.Transformer,
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
        model: The network.
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
    computed = _prefill(model, params, prompts, prefix)
    row, place = jnp.repeat(jnp.arange(len(prompts)), samples), places.reshape(-1)

    def insert(old: Array, new: Array) -> Array:
        return old.at[place, : new.shape[1]].set(new[row], mode="drop")

    def put(old: Array, new: Any) -> Array:
        return old.at[place].set(new, mode="drop")

    last = jnp.take_along_axis(prompts, (lengths - 1 - known)[:, None], axis=1)[:, 0]
    return Slots(
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


def _columns(cache: KeysValues | None) -> int:
    return next(iter(cache.values()))["k"].shape[1] if cache else 0


def _prefill(model: nn.Transformer, params: Params, tokens: Int[Array, "G P"], prefix: KeysValues | None) -> KeysValues:
    """Keys and values of prompts that go on after their prefix.

    Padding stands on the right, where no token looks; decoding writes over it before it is seen.
    """
    size, length = tokens.shape
    known = _columns(prefix)
    cache = _carried(_zeros(model, size, known + length))
    if prefix is not None:
        cache = jax.tree.map(lambda new, old: new.at[:, :known].set(old), cache, prefix)
    positions = known + jnp.arange(length)
    seen = jnp.arange(known + length) <= positions[:, None]
    out = forward(
        model,
        params,
        tokens,
        positions=jnp.broadcast_to(positions, tokens.shape),
        attention_mask=jnp.broadcast_to(seen, (size, *seen.shape)),
        cache=_modelled(model, cache, known),
    )
    return _carried(out.cache)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=3)
def decode(
    model: nn.Transformer, decoding: Decoding, params: Params, slots: Slots, enough: Int[Array, ""]
) -> tuple[Slots, Int[Array, ""]]:
    """One token a step for every row under way, until `enough` slots are done; gives the number of steps as well."""

    def unfinished(state: tuple[Slots, Array]) -> Bool[Array, ""]:
        return jnp.sum(state[0].done) < enough

    def advance(state: tuple[Slots, Array]) -> tuple[Slots, Array]:
        return _step(model, decoding, params, state[0]), state[1] + 1

    return jax.lax.while_loop(unfinished, advance, (slots, jnp.int32(0)))


def _step(model: nn.Transformer, decoding: Decoding, params: Params, slots: Slots) -> Slots:
    columns = jnp.arange(_columns(slots.cache))

    def one_row(token: Array, column: Array, cache: KeysValues) -> tuple[Float[Array, "V"], KeysValues]:
        out = forward(
            model,
            params,
            token[None, None],
            positions=column[None, None],
            attention_mask=(columns <= column)[None, None],
            cache=_modelled(model, jax.tree.map(lambda leaf: leaf[None], cache), column),
        )
        return out.logits[0, -1], jax.tree.map(lambda leaf: leaf[0], _carried(out.cache))

    logits, cache = jax.vmap(one_row)(slots.token, slots.start + slots.length, slots.cache)
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


@jax.jit
def compact(slots: Slots, places: Int[Array, "S"]) -> Slots:
    """The slots at `places` alone."""
    return jax.tree.map(lambda leaf: leaf[places], slots)


def choose(
    decoding: Decoding, logits: Float[Array, "R V"], keys: UInt32[Array, "R 2"], step: Int[Array, "R"]
) -> tuple[Int[Array, "R"], Float[Array, "R"]]:
    """A token per row by inverting the distribution function at one uniform number, and its log-probability.

    The number belongs to the row and its step: `fold_in(row key, step)`.
    """
    logits = logits.astype(jnp.float32)
    if decoding.top_k == GREEDY_TOP_K:
        token = jnp.argmax(logits, axis=-1)
        return token, _at(logits, token) - jax.nn.logsumexp(logits, axis=-1)
    scaled = logits / decoding.temperature
    if decoding.top_k < logits.shape[-1]:
        scaled = jnp.where(_largest(scaled, jnp.ones_like(scaled), decoding.top_k), scaled, -jnp.inf)

    def nucleus() -> Float[Array, "R V"]:
        return jnp.where(_largest(scaled, jax.nn.softmax(scaled), decoding.top_p), scaled, -jnp.inf)

    scaled = jax.lax.cond(decoding.top_p < 1.0, nucleus, lambda: scaled)

    def uniform(key: UInt32[Array, "2"], step: Int[Array, ""]) -> Float[Array, ""]:
        return 1.0 - jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(key), step))  # never 0

    logprobs = jax.nn.log_softmax(scaled)
    below = jnp.cumsum(jnp.exp(logprobs), axis=-1)
    token = jnp.sum(below < (jax.vmap(uniform)(keys, step) * below[:, -1])[:, None], axis=-1)
    return token, _at(logprobs, token)


def _at(values: Float[Array, "R V"], token: Int[Array, "R"]) -> Float[Array, "R"]:
    return jnp.take_along_axis(values, token[:, None], axis=1)[:, 0]


def _largest(
    values: Float[Array, "R V"], weights: Float[Array, "R V"], enough: Float[Array, ""] | float
) -> Bool[Array, "R V"]:
    """Which values of a row are its largest that together weigh `enough`; equal ones are in or out together.

    By bisection on the bits of floats, whose order as whole numbers is that of the values: no sort, which is by far the
    slowest way on CPUs (a `top_k` of 352 logits took three times as long as the largest matrix product of the step).
    """
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    order = jnp.where(bits >> 31, ~bits, bits | jnp.uint32(1 << 31))

    def weight(threshold: UInt32[Array, "R"]) -> Float[Array, "R"]:
        return jnp.sum(jnp.where(order >= threshold[:, None], weights, 0.0), axis=-1)

    def unsure(bounds: tuple[Array, Array, Array]) -> Bool[Array, ""]:
        low, high, weighed = bounds
        return jnp.any((high - low > 1) & (weighed != enough))

    def halve(bounds: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        low, high, weighed = bounds
        middle = low + (high - low) // 2
        found = weight(middle)
        up = found >= enough
        return jnp.where(up, middle, low), jnp.where(up, high, middle), jnp.where(up, found, weighed)

    low = jnp.min(order, axis=-1)
    return order >= jax.lax.while_loop(unsure, halve, (low, jnp.max(order, axis=-1) + 1, weight(low)))[0][:, None]
