"""The choice of the next token: temperature, top-k, top-p, and one uniform random number a token.

Takes logits and sample keys; gives tokens and their log-probabilities. Does not depend on models or caches.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

GREEDY_TOP_K = 1
# Tokens of a vocabulary from which on the k likeliest are found faster by `jax.lax.top_k` than by bisection, on CPUs.
SORTED_FROM = 4096


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("temperature", "top_p", "max_new_tokens"),  # a new value needs no compilation
    meta_fields=("top_k", "stop_ids"),
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoding:
    """How tokens are chosen and when a response ends. `top_k=1` is greedy.

    ReST-EM samples at temperature 0.7 and top-k 40 (arXiv:2312.06585, section 5). With `top_p` below 1 the tokens are
    those of the k likeliest that come first until their probabilities sum to `top_p`.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 1.0
    max_new_tokens: int = 64
    stop_ids: tuple[int, ...] = ()


def choose(
    decoding: Decoding, logits: Float[Array, "B V"], keys: UInt32[Array, "B 2"], step: Int[Array, "B"]
) -> tuple[Int[Array, "B"], Float[Array, "B"]]:
    """A token for each slot, by inverting the cumulative distribution at a uniform number; and its log-probability.

    The number depends on the sample and its step alone: `fold_in(sample key, step)`.

    Args:
        decoding: How tokens are chosen.
        logits: Those of the next token.
        keys: Raw key data of each sample.
        step: Tokens that each sample has drawn so far.
    """
    logits = logits.astype(jnp.float32)
    if decoding.top_k == GREEDY_TOP_K:
        token = jnp.argmax(logits, axis=-1)
        return token, _at(logits, token) - jax.nn.logsumexp(logits, axis=-1)
    scaled, tokens, vocabulary = logits / decoding.temperature, None, logits.shape[-1]
    if decoding.top_k < vocabulary and vocabulary >= SORTED_FROM:
        scaled, tokens = jax.lax.top_k(scaled, decoding.top_k)
    elif decoding.top_k < vocabulary:
        scaled = jnp.where(largest(scaled, jnp.ones_like(scaled), decoding.top_k), scaled, -jnp.inf)

    def nucleus() -> Float[Array, "B N"]:
        return jnp.where(largest(scaled, jax.nn.softmax(scaled), decoding.top_p), scaled, -jnp.inf)

    scaled = jax.lax.cond(decoding.top_p < 1.0, nucleus, lambda: scaled)

    logprobs = jax.nn.log_softmax(scaled)
    place = inverse(jnp.exp(logprobs), uniform(keys, step))
    return place if tokens is None else _at(tokens, place), _at(logprobs, place)


def uniform(keys: UInt32[Array, "B 2"], step: Int[Array, "B"]) -> Float[Array, "B"]:
    """The number in (0, 1] that each sample's next token depends on."""

    def of_one(key: UInt32[Array, "2"], step: Int[Array, ""]) -> Float[Array, ""]:
        return 1.0 - jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(key), step))  # never 0

    return jax.vmap(of_one)(keys, step)


def inverse(weights: Float[Array, "B V"], share: Float[Array, "B"]) -> Int[Array, "B"]:
    """The first token at which the cumulative weight reaches this share of the total.

    First the block of tokens is found, then the token in it: a cumulative sum over the vocabulary is slow on CPUs.
    """
    slots, size = weights.shape
    width = 1 << round(math.log2(size) / 2)
    blocks = jnp.pad(weights, ((0, 0), (0, -size % width))).reshape(slots, -1, width)
    sums = _cumulative(jnp.sum(blocks, axis=-1))
    target = share * jnp.max(sums, axis=-1)
    block = jnp.argmax(sums >= target[:, None], axis=-1)
    before = jnp.max(jnp.where(jnp.arange(sums.shape[1]) < block[:, None], sums, 0.0), axis=-1)
    inside = _cumulative(jnp.take_along_axis(blocks, block[:, None, None], axis=1)[:, 0])
    rest = jnp.minimum(target - before, jnp.max(inside, axis=-1))
    return block * width + jnp.argmax(inside >= rest[:, None], axis=-1)


def _cumulative(weights: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """Cumulative sums where the weight is positive, else 0: float32 sums may rise by rounding where 0 is added."""
    return jnp.where(weights > 0, jnp.cumsum(weights, axis=-1), 0.0)


def _at(values: Float[Array, "B V"], token: Int[Array, "B"]) -> Float[Array, "B"]:
    return jnp.take_along_axis(values, token[:, None], axis=1)[:, 0]


def largest(
    values: Float[Array, "B V"], weights: Float[Array, "B V"], enough: Float[Array, ""] | float
) -> Bool[Array, "B V"]:
    """Marks the largest values of each slot whose weights sum to at least `enough`; ties are in or out together.

    By bisection on the bits of floats, whose order as integers is that of the values. On CPUs it is faster than sorting
    where values are few: a `top_k` of 352 logits took three times as long as the largest matrix product of the step.
    """
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    order = jnp.where(bits >> 31, ~bits, bits | jnp.uint32(1 << 31))

    def weight_above(threshold: UInt32[Array, "B"]) -> Float[Array, "B"]:
        return jnp.sum(jnp.where(order >= threshold[:, None], weights, 0.0), axis=-1)

    def unsolved(state: tuple[Array, Array, Array]) -> Bool[Array, ""]:
        low, high, weight = state
        return jnp.any((high - low > 1) & (weight != enough))

    def halve(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        low, high, weight = state
        middle = low + (high - low) // 2
        middle_weight = weight_above(middle)
        up = middle_weight >= enough
        return jnp.where(up, middle, low), jnp.where(up, high, middle), jnp.where(up, middle_weight, weight)

    low = jnp.min(order, axis=-1)
    start = (low, jnp.max(order, axis=-1) + 1, weight_above(low))
    return order >= jax.lax.while_loop(unsolved, halve, start)[0][:, None]
