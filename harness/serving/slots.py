"""The programs of a server on the device: sequences of different requests, decoded side by side.

Takes parameters, prompts and what each sequence asks for; gives slots and the tokens of a few steps, or scores.
Does not depend on text, HTTP or queues: engine.py decides what enters which slot.

As in `sampling/kv_slots.py` a slot holds one sequence, whose tokens lie in its cache from column 0 on. There all
sequences are decoded alike and until they end. Here each has its own settings, and after a few steps others may enter.
A sample still depends on its key, its prompt and its settings alone, up to the last bits of the logits.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from restem.harness.model.policy import Params
from restem.harness.sampling.decoding import inverse, largest, uniform
from restem.harness.sampling.kv_slots import (
    KeysValues,
    Network,
    carried,
    model_cache,
    next_logits,
    prefill,
)

SEGMENT = 128  # tokens of a prompt that are scored at once: their logits take the most memory


class Settings(NamedTuple):
    """How the tokens of B sequences are chosen, and when they end; see `requests.Request`.

    Attributes:
        keys: Raw key data of each sample.
        limit: Tokens that may be drawn.
        temperature: Divides the logits.
        top_k: How many of the likeliest tokens may be drawn.
        top_p: The share of the probability that may be drawn.
        greedy: Whether the likeliest token is taken.
    """

    keys: UInt32[Any, "B 2"]
    limit: Int[Any, "B"]
    temperature: Float[Any, "B"]
    top_k: Int[Any, "B"]
    top_p: Float[Any, "B"]
    greedy: Bool[Any, "B"]


class Slots(NamedTuple):
    """B slots and the sequences in them.

    Attributes:
        cache: Keys and values of every layer; column j of a slot holds token j of its sequence.
        token: The last token, not yet in the cache.
        end: Its column.
        length: Number of tokens drawn.
        done: Whether the sequence has ended, or the slot is empty.
        settings: How it goes on.
    """

    cache: KeysValues
    token: Int[Array, "B"]
    end: Int[Array, "B"]
    length: Int[Array, "B"]
    done: Bool[Array, "B"]
    settings: Settings


class Drawn(NamedTuple):
    """What a few steps gave in B slots; a sequence that was done drew nothing.

    Attributes:
        tokens: Tokens of each step.
        logprobs: Their log-probabilities under the model itself, at temperature 1.
        top_tokens: The likeliest tokens of each step, the likeliest first.
        top_logprobs: Theirs.
        counts: Number of tokens that each slot drew.
        done: Whether the sequence has ended.
        finite: Whether all logits were finite.
    """

    tokens: Int[Any, "S B"]
    logprobs: Float[Any, "S B"]
    top_tokens: Int[Any, "S B A"]
    top_logprobs: Float[Any, "S B A"]
    counts: Int[Any, "B"]
    done: Bool[Any, "B"]
    finite: Bool[Any, "B"]


class Entering(NamedTuple):
    """N sequences that enter slots together.

    Attributes:
        prompt: Which of the computed prompts each continues.
        slot: Where it goes; a number past the last slot drops it.
        token: The last token of its prompt.
        end: Its column.
        settings: How it goes on.
    """

    prompt: Int[Any, "N"]
    slot: Int[Any, "N"]
    token: Int[Any, "N"]
    end: Int[Any, "N"]
    settings: Settings


class Scores(NamedTuple):
    """Log-probabilities of tokens that a prompt holds, at temperature 1.

    Attributes:
        logprobs: That of the token after each.
        top_tokens: The likeliest tokens there, the likeliest first.
        top_logprobs: Theirs.
    """

    logprobs: Float[Any, "B T"]
    top_tokens: Int[Any, "B T A"]
    top_logprobs: Float[Any, "B T A"]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def empty(network: Network, size: int, columns: int) -> Slots:
    """This many empty slots."""
    zeros, ones = jnp.zeros(size, jnp.int32), jnp.ones(size, jnp.float32)
    settings = Settings(jnp.zeros((size, 2), jnp.uint32), zeros, ones, zeros + 1, ones, jnp.ones(size, bool))
    cache = carried(network.empty_cache(size, columns))
    return Slots(cache, zeros, zeros, zeros, jnp.ones(size, bool), settings)


@functools.partial(jax.jit, static_argnums=2)
def moved(slots: Slots, kept: Int[Array, "S"], columns: int) -> Slots:
    """The slots with these numbers, with this many columns; a number below 0 gives an empty slot."""

    def columns_of(leaf: Array) -> Array:
        more = columns - leaf.shape[1]
        return jnp.pad(leaf, ((0, 0), (0, more), (0, 0))) if more > 0 else leaf[:, :columns]

    slots = jax.tree.map(lambda leaf: leaf[kept], slots)
    return slots._replace(cache=jax.tree.map(columns_of, slots.cache), done=slots.done | (kept < 0))


@functools.partial(jax.jit, static_argnums=0)
def prompt_cache(network: Network, params: Params, tokens: Int[Array, "G P"], prefix: KeysValues | None) -> KeysValues:
    """Keys and values of prompts that continue a prefix, without their last tokens."""
    return prefill(network, params, tokens, prefix)


@functools.partial(jax.jit, donate_argnums=0)
def enter(slots: Slots, computed: KeysValues, entering: Entering) -> Slots:
    """The slots with new sequences in some of them; those must be done."""
    slot = entering.slot

    def insert(old: Array, new: Array) -> Array:
        return old.at[slot, : new.shape[1]].set(new[entering.prompt], mode="drop")

    def put(old: Array, new: Any) -> Array:
        return old.at[slot].set(new, mode="drop")

    return Slots(
        cache=jax.tree.map(insert, slots.cache, computed),
        token=put(slots.token, entering.token),
        end=put(slots.end, entering.end),
        length=put(slots.length, 0),
        done=put(slots.done, False),
        settings=jax.tree.map(put, slots.settings, entering.settings),
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4), donate_argnums=6)
def advance(
    network: Network,
    stop_ids: tuple[int, ...],
    steps: int,
    sampled: bool,
    alternatives: int | None,
    params: Params,
    slots: Slots,
    left: Bool[Array, "B"],
) -> tuple[Slots, Drawn]:
    """The slots after this many steps, or fewer where all are done, and what was drawn.

    Args:
        network: The network.
        stop_ids: Tokens that end a sequence.
        steps: At most so many.
        sampled: Whether any sequence is not greedy.
        alternatives: Likeliest tokens given of each step; None: no log-probabilities either.
        params: The network's parameters.
        slots: The slots.
        left: Sequences that end without another token.
    """
    size, count = len(slots.done), alternatives or 0
    drawn = Drawn(
        tokens=jnp.zeros((steps, size), jnp.int32),
        logprobs=jnp.zeros((steps, size)),
        top_tokens=jnp.zeros((steps, size, count), jnp.int32),
        top_logprobs=jnp.zeros((steps, size, count)),
        counts=jnp.zeros(size, jnp.int32),
        done=slots.done | left,
        finite=jnp.ones(size, bool),
    )

    def unfinished(state: tuple[Array, Slots, Drawn]) -> Bool[Array, ""]:
        return (state[0] < steps) & ~jnp.all(state[2].done)

    def step(state: tuple[Array, Slots, Drawn]) -> tuple[Array, Slots, Drawn]:
        index, slots, drawn = state
        logits, cache = next_logits(network, params, slots.cache, slots.token, slots.end)
        logits = logits.astype(jnp.float32)
        token = jnp.where(drawn.done, 0, _choose(slots.settings, logits, slots.length, sampled))
        running = (~drawn.done).astype(jnp.int32)
        length = slots.length + running
        if alternatives is not None:
            logprobs, tops = _scored(logits, token, alternatives)
            drawn = drawn._replace(
                logprobs=drawn.logprobs.at[index].set(logprobs),
                top_tokens=drawn.top_tokens.at[index].set(tops[0]),
                top_logprobs=drawn.top_logprobs.at[index].set(tops[1]),
            )
        ended = jnp.isin(token, jnp.array(stop_ids, jnp.int32)) | (length >= slots.settings.limit)
        drawn = drawn._replace(
            tokens=drawn.tokens.at[index].set(token),
            counts=drawn.counts + running,
            finite=drawn.finite & (jnp.isfinite(jnp.max(logits, axis=-1)) | drawn.done),
            done=drawn.done | ended,
        )
        return index + 1, slots._replace(cache=cache, token=token, end=slots.end + running, length=length), drawn

    _, slots, drawn = jax.lax.while_loop(unfinished, step, (jnp.int32(0), slots, drawn))
    return slots._replace(done=drawn.done), drawn


def _choose(settings: Settings, logits: Float[Array, "B V"], step: Int[Array, "B"], sampled: bool) -> Int[Array, "B"]:
    """A token for each slot, as `decoding.choose` draws it, but with settings of its own."""
    likeliest = jnp.argmax(logits, axis=-1)
    if not sampled:
        return likeliest
    scaled = logits / settings.temperature[:, None]

    def within(limited: Bool[Array, "B"], weights: Array, enough: Array) -> Float[Array, "B V"]:
        def cut() -> Float[Array, "B V"]:
            return jnp.where(largest(scaled, weights, enough) | ~limited[:, None], scaled, -jnp.inf)

        return jax.lax.cond(jnp.any(limited & ~settings.greedy), cut, lambda: scaled)

    scaled = within(settings.top_k < logits.shape[-1], jnp.ones_like(scaled), settings.top_k.astype(jnp.float32))
    scaled = within(settings.top_p < 1.0, jax.nn.softmax(scaled), settings.top_p)
    token = inverse(jnp.exp(jax.nn.log_softmax(scaled)), uniform(settings.keys, step))
    return jnp.where(settings.greedy, likeliest, token)


def _scored(
    logits: Float[Array, "*B V"], token: Int[Array, "*B"], alternatives: int
) -> tuple[Float[Array, "*B"], tuple[Int[Array, "*B A"], Float[Array, "*B A"]]]:
    """The log-probability of a token, and the likeliest tokens with theirs."""
    logprobs = jax.nn.log_softmax(logits)
    top_logprobs, top_tokens = jax.lax.top_k(logprobs, alternatives)
    return jnp.take_along_axis(logprobs, token[..., None], axis=-1)[..., 0], (top_tokens, top_logprobs)


@functools.partial(jax.jit, static_argnums=(0, 1))
def score(network: Network, alternatives: int, params: Params, tokens: Int[Array, "B T"]) -> Scores:
    """The log-probability of every token after the first of each prompt; padding stands on the right.

    T is at most SEGMENT, or a multiple of it: the segments are computed one after another, each with the cache of those
    before it.
    """
    size, length = tokens.shape
    width = min(length, SEGMENT)
    following = jnp.pad(tokens[:, 1:], ((0, 0), (0, 1)))
    columns = jnp.arange(length)

    def segment(cache: KeysValues, start: Int[Array, ""]) -> tuple[KeysValues, Scores]:
        positions = start + jnp.arange(width)
        out = network(
            params,
            jax.lax.dynamic_slice_in_dim(tokens, start, width, axis=1),
            positions=jnp.broadcast_to(positions, (size, width)),
            attention_mask=jnp.broadcast_to(columns <= positions[:, None], (size, width, length)),
            cache=model_cache(network, cache, start),
        )
        next_tokens = jax.lax.dynamic_slice_in_dim(following, start, width, axis=1)
        logprobs, tops = _scored(out.logits.astype(jnp.float32), next_tokens, alternatives)
        return carried(out.cache), Scores(logprobs, *tops)

    cache = carried(network.empty_cache(size, length))
    _, scores = jax.lax.scan(segment, cache, jnp.arange(0, length, width))
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1).reshape(size, length, *leaf.shape[3:]), scores)
