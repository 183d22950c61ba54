"""Logits -> the next token of every row.

Takes logits and row keys; gives tokens and their log-probabilities. Knows nothing of models or caches.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

GREEDY_TOP_K = 1


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
    token = _inverse(jnp.exp(logprobs), jax.vmap(uniform)(keys, step))
    return token, _at(logprobs, token)


def _inverse(weights: Float[Array, "R V"], share: Float[Array, "R"]) -> Int[Array, "R"]:
    """The first token up to which this share of a row's weight lies.

    First the block of tokens, then the token in it: a cumulative sum over a whole vocabulary is slow on CPUs.
    """
    rows, size = weights.shape
    block = 1 << round(math.log2(size) / 2)
    blocks = jnp.pad(weights, ((0, 0), (0, -size % block))).reshape(rows, -1, block)
    sums = _cumulative(jnp.sum(blocks, axis=-1))
    target = share * jnp.max(sums, axis=-1)
    place = jnp.argmax(sums >= target[:, None], axis=-1)
    before = jnp.max(jnp.where(jnp.arange(sums.shape[1]) < place[:, None], sums, 0.0), axis=-1)
    inside = _cumulative(jnp.take_along_axis(blocks, place[:, None, None], axis=1)[:, 0])
    rest = jnp.minimum(target - before, jnp.max(inside, axis=-1))
    return place * block + jnp.argmax(inside >= rest[:, None], axis=-1)


def _cumulative(weights: Float[Array, "R N"]) -> Float[Array, "R N"]:
    """Cumulative sums where there is weight, else 0: in float32 they may rise by rounding where nothing is added."""
    return jnp.where(weights > 0, jnp.cumsum(weights, axis=-1), 0.0)


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
