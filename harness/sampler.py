"""Prompt ids -> sampled ids. Knows nothing of text, problems or rewards.

Each unique prompt is prefilled once and its keys and values are repeated for its samples; one jitted loop then decodes
all rows of a chunk until every row has stopped. Prompts are padded on the left, so that all rows write the same cache
column on the unmodified `gm.nn` model; positions and masks make the padding invisible.

Random numbers belong to a row and a step, never to a batch: row keys come from the caller, and step t of a row uses
`fold_in(row key, t)`. Chunks always have the same shapes, so a sample is the same whatever it is drawn with.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from harness.errors import PromptTooLong
from harness.gemma_modules import forward, nn
from harness.policy import Params

PROMPT_BUCKET = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoding:
    """How tokens are chosen. `top_k=1` is greedy. The paper samples at temperature 0.7 and top-k 40."""

    temperature: float = 0.7
    top_k: int = 40
    max_new_tokens: int = 64
    stop_ids: tuple[int, ...] = ()


GREEDY_TOP_K = 1


class Draws(NamedTuple):
    """Sampled rows of `prompts x samples`.

    Attributes:
        ids: Tokens drawn, the stop token included, padded with 0.
        lengths: Tokens drawn per row.
        logprobs: Sum of the drawn tokens' log-probabilities under the sampling distribution, in nats.
        stopped: Whether a stop token ended the row; otherwise the limit did.
    """

    ids: Int[np.ndarray, "B K N"]
    lengths: Int[np.ndarray, "B K"]
    logprobs: Float[np.ndarray, "B K"]
    stopped: Bool[np.ndarray, "B K"]


def row_key(seed: int, *names: object) -> UInt32[np.ndarray, "2"]:
    """Raw key data of one row, from the run's seed and the row's own names (checkpoint, problem, index)."""
    digest = hashlib.sha256("\n".join(str(name) for name in (seed, *names)).encode()).digest()
    return np.frombuffer(digest[:8], np.uint32)


def prompt_length(prompts: Sequence[Sequence[int]]) -> int:
    """The padded length that holds every prompt: one shape, one compilation, for a whole run."""
    return -(-max(map(len, prompts)) // PROMPT_BUCKET) * PROMPT_BUCKET


def sample(
    model: nn.Transformer,
    params: Params,
    prompts: Sequence[Sequence[int]],
    keys: UInt32[np.ndarray, "B K 2"],
    decoding: Decoding,
    *,
    padded_length: int,
    context_length: int,
    rows: int = 512,
) -> Iterator[tuple[range, Draws]]:
    """Draws K samples of every prompt, a chunk of prompts at a time.

    Args:
        model: The network.
        params: Its parameters.
        prompts: B lists of ids.
        keys: Raw key data of every row; see `row_key`.
        decoding: How tokens are chosen and when a row ends.
        padded_length: See `prompt_length`.
        context_length: Prompt and new tokens together may not exceed it.
        rows: Rows decoded together.

    Yields:
        The chunk's range in `prompts`, and its draws.

    Raises:
        PromptTooLong: A prompt does not fit; none is ever cut.
    """
    for index, prompt in enumerate(prompts):
        if len(prompt) > padded_length or len(prompt) + decoding.max_new_tokens > context_length:
            raise PromptTooLong(
                f"prompt {index} has {len(prompt)} tokens; with {decoding.max_new_tokens} new ones the limit is "
                f"{min(padded_length, context_length - decoding.max_new_tokens)}"
            )
    samples = keys.shape[1]
    size = max(1, rows // samples)
    for start in range(0, len(prompts), size):
        chunk = range(start, min(start + size, len(prompts)))
        tokens = np.zeros((size, padded_length), np.int32)
        chunk_keys = np.zeros((size, samples, 2), np.uint32)
        for row, index in enumerate(chunk):
            tokens[row, padded_length - len(prompts[index]) :] = prompts[index]
            chunk_keys[row] = keys[index]
        tokens[len(chunk) :] = tokens[0]  # filler rows: real tokens, thrown away below
        cache, mask = _prefill(model, samples, decoding.max_new_tokens, params, tokens)
        state = _decode(model, decoding, params, cache, mask, jnp.repeat(tokens[:, -1], samples), _flat(chunk_keys))
        ids, lengths, logprobs, stopped = jax.device_get((state.ids, state.length, state.logprob, state.done))
        shape = (size, samples)
        draws = (ids.reshape(*shape, -1), lengths.reshape(shape), logprobs.reshape(shape), stopped.reshape(shape))
        yield chunk, Draws(*(field[: len(chunk)] for field in draws))


def _flat(keys: UInt32[np.ndarray, "B K 2"]) -> UInt32[np.ndarray, "R 2"]:
    return keys.reshape(-1, 2)


class _State(NamedTuple):
    step: Int[Array, ""]
    token: Int[Array, "R"]
    cache: Any
    ids: Int[Array, "R N"]
    length: Int[Array, "R"]
    logprob: Float[Array, "R"]
    done: Bool[Array, "R"]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _prefill(
    model: nn.Transformer, samples: int, max_new_tokens: int, params: Params, tokens: Int[Array, "B P"]
) -> tuple[Any, Bool[Array, "R P"]]:
    """Keys and values of all but each prompt's last token, repeated for its samples; and which columns hold tokens.

    The last token is left to the decoding loop, so that no logits are computed here.
    """
    size, length = tokens.shape
    valid = tokens != 0
    positions = jnp.maximum(jnp.cumsum(valid, axis=1) - 1, 0)
    head = tokens[:, :-1]
    causal = jnp.tril(jnp.ones((length - 1, length + max_new_tokens), bool))
    # A padding query must see something, or its softmax is all masks; what it computes is never read.
    mask = causal & jnp.pad(valid, ((0, 0), (0, max_new_tokens)))[:, None, :] | jnp.eye(*causal.shape, dtype=bool)
    cache = model.init_cache(batch_size=size, dtype=jnp.float32, cache_length=length + max_new_tokens)
    out = forward(model, params, head, positions=positions[:, :-1], attention_mask=mask, cache=cache)
    repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf, samples, axis=0), out.cache)
    return repeated, jnp.repeat(valid, samples, axis=0)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _decode(
    model: nn.Transformer,
    decoding: Decoding,
    params: Params,
    cache: Any,
    valid: Bool[Array, "R P"],
    last: Int[Array, "R"],
    keys: UInt32[Array, "R 2"],
) -> _State:
    """One token a step for all rows, until all have stopped or the limit is reached."""
    rows, length = valid.shape
    limit = decoding.max_new_tokens
    columns = jnp.arange(length + limit)
    start = jnp.sum(valid, axis=1) - 1
    prompt_mask = jnp.pad(valid, ((0, 0), (0, limit)))
    stop_ids = jnp.array(decoding.stop_ids, jnp.int32)

    def unfinished(state: _State) -> Bool[Array, ""]:
        return (state.step < limit) & ~jnp.all(state.done)

    def advance(state: _State) -> _State:
        written = (columns >= length) & (columns < length + state.step)
        mask = (prompt_mask | written)[:, None, :]
        out = forward(
            model,
            params,
            state.token[:, None],
            positions=(start + state.step)[:, None],
            attention_mask=mask,
            cache=state.cache,
        )
        token, logprob = _choose(decoding, out.logits[:, -1], keys, state.step)
        token = jnp.where(state.done, 0, token)
        return _State(
            step=state.step + 1,
            token=token,
            cache=out.cache,
            ids=state.ids.at[:, state.step].set(token),
            length=state.length + (~state.done).astype(jnp.int32),
            logprob=state.logprob + jnp.where(state.done, 0.0, logprob),
            done=state.done | jnp.isin(token, stop_ids),
        )

    begin = _State(
        step=jnp.int32(0),
        token=last,
        cache=cache,
        ids=jnp.zeros((rows, limit), jnp.int32),
        length=jnp.zeros(rows, jnp.int32),
        logprob=jnp.zeros(rows, jnp.float32),
        done=jnp.zeros(rows, bool),
    )
    end = jax.lax.while_loop(unfinished, advance, begin)
    return end._replace(cache=None)


def _choose(
    decoding: Decoding, logits: Float[Array, "R V"], keys: UInt32[Array, "R 2"], step: Int[Array, ""]
) -> tuple[Int[Array, "R"], Float[Array, "R"]]:
    """A token per row by inverting the distribution function at one uniform number, and its log-probability."""
    values, indices = jax.lax.top_k(logits.astype(jnp.float32), min(decoding.top_k, logits.shape[-1]))
    if decoding.top_k == GREEDY_TOP_K:
        return indices[:, 0], jax.nn.log_softmax(logits.astype(jnp.float32))[jnp.arange(len(logits)), indices[:, 0]]
    logprobs = jax.nn.log_softmax(values / decoding.temperature)

    def uniform(key: UInt32[Array, "2"]) -> Float[Array, ""]:
        return jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(key), step))

    below = jnp.cumsum(jnp.exp(logprobs), axis=-1)
    drawn = jnp.sum(below < (jax.vmap(uniform)(keys) * below[:, -1])[:, None], axis=-1)
    drawn = jnp.minimum(drawn, values.shape[-1] - 1)[:, None]
    return (
        jnp.take_along_axis(indices, drawn, axis=1)[:, 0],
        jnp.take_along_axis(logprobs, drawn, axis=1)[:, 0],
    )
