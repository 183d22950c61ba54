"""The M-step's loss: how unlikely the policy finds the responses of packed rows, weighted.

Takes a network of `gm.nn`, its parameters and a batch; gives the sum of weight x negative log-likelihood over response
tokens. Knows nothing of optimizers, nor of where rows come from. Logits exist for response tokens only, and for one
chunk of them at a time: those of a whole batch over a vocabulary of 262,144 would not fit most devices.

All networks of `gm.nn` (Gemma 1 to 4) score a token by the dot product of its embedding and the last hidden state,
then cap the score softly where their config says so (`Embedder.decode` and `Transformer.__call__`): that much is
repeated here. What `gm.nn` would compute of logits itself is never used, so that XLA drops it.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import flax.linen
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from restem.harness.model.gemma import forward, nn
from restem.harness.model.matmul_precision import in_bfloat16, product
from restem.harness.model.policy import Params

CHUNK_LOGITS = 2**27  # logits computed together: 512 MiB in float32, 512 tokens of Gemma 3's vocabulary


class Batch(NamedTuple):
    """Packed rows, and the response tokens to be predicted from them.

    `ends` says before which place a token is seen, see `packing`; 0 is padding. `places` says from where in its row a
    target is predicted; a row with fewer targets than others is filled up with targets of weight 0.
    """

    tokens: Int[Array, "*B T"]
    ends: Int[Array, "*B T"]
    positions: Int[Array, "*B T"]
    places: Int[Array, "*B N"]
    targets: Int[Array, "*B N"]
    weights: Float[Array, "*B N"]


def attention_mask(ends: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """True where a token may look: at itself and its ancestors."""
    places = jnp.arange(ends.shape[1])
    return (places[:, None] >= places) & (places[:, None] < ends[:, None, :])


def weighted_nll(
    network: nn.Transformer,
    params: Params,
    batch: Batch,
    *,
    mixed: bool = False,
    remat: bool = False,
    chunk_logits: int = CHUNK_LOGITS,
) -> Float[Array, ""]:
    """The sum of weight x negative log-likelihood over the batch's targets, in float32.

    Args:
        network: A network of `gm.nn`, or `gm.nn.LoRA` around one.
        params: In the type to compute with.
        mixed: Whether weights are multiplied in bfloat16, see `matmul_precision`; parameters are float32 then.
        remat: Whether each layer is computed again in the backward pass instead of keeping what it needs.
        chunk_logits: How many logits may exist at a time.
    """
    hidden = _hidden_states(network, params, batch, mixed, remat)
    hidden = jnp.take_along_axis(hidden, batch.places[:, :, None], axis=1)
    table = params["embedder"]["input_embedding"]
    tokens = batch.targets.size
    chunk = min(tokens, max(1, chunk_logits // len(table)))
    chunks = -(-tokens // chunk)
    nll = functools.partial(_nll, table, network.config.final_logit_softcap, mixed)
    parts = hidden.reshape(tokens, -1), batch.targets.reshape(tokens), batch.weights.reshape(tokens)
    if chunks == 1:
        return nll(*parts)
    parts = jax.tree.map(lambda part: _in_chunks(part, chunks, chunk), parts)
    again = jax.checkpoint(nll)  # its logits are computed again in the backward pass, not kept
    return jax.lax.scan(lambda total, part: (total + again(*part), None), jnp.float32(0), parts)[0]


def _in_chunks(part: Float[Array, "N *D"], chunks: int, chunk: int) -> Float[Array, "C N/C *D"]:
    missing = chunks * chunk - len(part)
    filled = jnp.concatenate([part, jnp.zeros((missing, *part.shape[1:]), part.dtype)])
    return filled.reshape(chunks, chunk, *part.shape[1:])


def _nll(
    table: Float[Array, "V D"],
    softcap: float | None,
    mixed: bool,
    hidden: Float[Array, "N D"],
    targets: Int[Array, " N"],
    weights: Float[Array, " N"],
) -> Float[Array, ""]:
    logits = product(hidden, table.T) if mixed else jnp.matmul(hidden, table.T, preferred_element_type=jnp.float32)
    if softcap is not None:
        logits = jnp.tanh(logits / softcap) * softcap
    return jnp.sum(weights * optax.softmax_cross_entropy_with_integer_labels(logits, targets))


def _hidden_states(
    network: nn.Transformer, params: Params, batch: Batch, mixed: bool, remat: bool
) -> Float[Array, "B T D"]:
    out = forward(
        network,
        params,
        batch.tokens,
        positions=batch.positions,
        attention_mask=attention_mask(batch.ends),
        return_hidden_states=True,
        interceptors=[in_bfloat16] * mixed + [_LayersAgain()] * remat,
    )
    return out.hidden_states


class _LayersAgain:
    """Calls each layer so that the backward pass computes it again; all else is called as it is."""

    def __init__(self) -> None:
        self.inside = False  # a layer is intercepted once more when it is called for good

    def __str__(self) -> str:
        return type(self).__name__

    def __call__(
        self, next_function: Any, args: Any, kwargs: Any, context: flax.linen.module.InterceptorContext
    ) -> Any:
        is_layer = type(context.module).__name__ == "Block" and context.method_name == "__call__"
        if self.inside or not is_layer:
            return next_function(*args, **kwargs)
        self.inside = True
        try:
            return flax.linen.remat(lambda layer, *args: layer(*args, **kwargs))(context.module, *args)
        finally:
            self.inside = False
