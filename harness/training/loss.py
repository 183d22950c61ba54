"""The M-step's loss: the weighted negative log-likelihood of the responses in packed rows.

Takes a network of `gm.nn`, its parameters and a batch; gives the sum of weight x negative log-likelihood over response
tokens. Does not depend on optimizers or on how rows are packed. Logits are computed for response tokens only, one chunk
at a time: those of a whole batch over a vocabulary of 262,144 would not fit most devices.

In all networks of `gm.nn` (Gemma 1 to 4) a token's logit is the dot product of its embedding and the last hidden state,
soft-capped where the config says so (`Embedder.decode` and `Transformer.__call__`). This is computed again here. The
logits of `gm.nn` itself are not used, so XLA removes their computation.
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
    """Packed rows of tokens, and the N response tokens of each row that are to be predicted.

    Attributes:
        tokens: Token ids in preorder of the row's prefix tree, see `packing`; padded with 0.
        ends: For each token, the index behind the last token that can attend to it; 0 for padding.
        positions: The depth of each token in the tree.
        places: For each target, the index of the token that it is predicted from.
        targets: Token ids; rows with fewer targets than others are padded with targets of weight 0.
        weights: The weight of each target.
    """

    tokens: Int[Array, "*B T"]
    ends: Int[Array, "*B T"]
    positions: Int[Array, "*B T"]
    places: Int[Array, "*B N"]
    targets: Int[Array, "*B N"]
    weights: Float[Array, "*B N"]


def attention_mask(ends: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """True where a token may attend: to itself and to its ancestors."""
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
        params: In the type to compute in.
        batch: Packed rows.
        mixed: Whether weights are multiplied in bfloat16, see `matmul_precision`; parameters are float32 then.
        remat: Whether the backward pass computes each layer again, instead of keeping its intermediate values.
        chunk_logits: The largest number of logits in memory at a time.
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
    rematerialised = jax.checkpoint(nll)  # the backward pass computes logits again, instead of keeping them
    return jax.lax.scan(lambda total, part: (total + rematerialised(*part), None), jnp.float32(0), parts)[0]


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
        interceptors=[in_bfloat16] * mixed + [_RematLayers()] * remat,
    )
    return out.hidden_states


class _RematLayers:
    """An interceptor that rematerialises each transformer block: the backward pass computes it again."""

    def __init__(self) -> None:
        self.inside = False  # the call inside of `remat` is intercepted too, and must not be wrapped again

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
