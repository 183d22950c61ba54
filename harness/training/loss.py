"""Losses over the responses in packed rows; the M-step's is their weighted negative log-likelihood.

Takes a network of `gm.nn`, its parameters and a batch; gives the sum of an objective over response tokens, or their
log-probabilities. Does not depend on optimizers or on how rows are packed. Logits are computed for response tokens
only, one chunk at a time: those of a whole batch over a vocabulary of 262,144 would not fit most devices.

In all networks of `gm.nn` (Gemma 1 to 4) a token's logit is the dot product of its embedding and the last hidden state,
soft-capped where the config says so (`Embedder.decode` and `Transformer.__call__`). This is computed again here. The
logits of `gm.nn` itself are not used, so XLA removes their computation.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import flax.linen
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from restem.harness.model.gemma import forward, nn
from restem.harness.model.matmul_precision import MIXED, interceptors, product
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
        weights: The weight of each target, summed over the examples that it belongs to.
        magnitudes: The same of the absolute weights.
    """

    tokens: Int[Array, "*B T"]
    ends: Int[Array, "*B T"]
    positions: Int[Array, "*B T"]
    places: Int[Array, "*B N"]
    targets: Int[Array, "*B N"]
    weights: Float[Array, "*B N"]
    magnitudes: Float[Array, "*B N"]


def attention_mask(ends: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """True where a token may attend: to itself and to its ancestors."""
    places = jnp.arange(ends.shape[1])
    return (places[:, None] >= places) & (places[:, None] < ends[:, None, :])


class Objective(Protocol):
    """What a step minimises: a sum over a batch's targets, divided by a total. Frozen, as a step is compiled for it.

    A batch has the fields of `Batch` up to `targets`, then what the objective needs to know of each target.
    """

    @property
    def temperature(self) -> float:
        """The logits are divided by it."""
        ...

    def summed(self, nll: Float[Array, " N"], *fields: Float[Array, " N"]) -> Float[Array, ""]:
        """The sum over targets, from their negative log-likelihoods and the batch's other fields of each target."""
        ...

    def total(self, batch: Any) -> Float[Array, ""]:
        """What the sum over a batch is divided by."""
        ...


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """The M-step's objective: the weighted mean of the negative log-likelihood, sum(w * nll) / sum(|w|).

    Where a weight is negative, 1 - p stands for the negative log-likelihood -log p of the example's tokens: the same at
    p near 1, yet bounded, and its gradient goes to 0 with p. With -log p, tokens that have become unlikely outweigh all
    others soon: on the tiny policy the loss fell to -15 in 64 steps, and accuracy to 0.
    """

    temperature: float = 1.0

    def summed(self, nll: Float[Array, " N"], *fields: Float[Array, " N"]) -> Float[Array, ""]:
        weights, magnitudes = fields
        negative = (magnitudes - weights) / 2  # the part of the weights that is; exactly 0 where none is
        return jnp.sum(weights * nll + negative * (nll - (1 - jnp.exp(-nll))))

    def total(self, batch: Batch) -> Float[Array, ""]:
        return jnp.maximum(jnp.sum(batch.magnitudes), 1e-9)


LIKELIHOOD = Likelihood()


def objective_sum(
    objective: Objective,
    network: nn.Transformer,
    params: Params,
    batch: Any,
    *,
    compute: str = "float32",
    remat: bool = False,
    chunk_logits: int = CHUNK_LOGITS,
) -> Float[Array, ""]:
    """The sum of an objective over the batch's targets, in float32.

    Args:
        objective: What is summed.
        network: A network of `gm.nn`, or `gm.nn.LoRA` around one.
        params: As `matmul_precision.cast` gives them for `compute`.
        batch: Packed rows.
        compute: The type to compute in, or "mixed", see `matmul_precision`.
        remat: Whether the backward pass computes each layer again, instead of keeping its intermediate values.
        chunk_logits: The largest number of logits in memory at a time.
    """
    parts, chunk = _targets(network, params, batch, compute, remat, chunk_logits)
    nll = _nll_of(network, params, objective.temperature, compute)

    def summed(hidden: Array, targets: Array, *fields: Array) -> Float[Array, ""]:
        return objective.summed(nll(hidden, targets), *fields)

    if chunk == batch.targets.size:
        return summed(*parts)
    parts = jax.tree.map(lambda part: _in_chunks(part, chunk), parts)
    rematerialised = jax.checkpoint(summed)  # the backward pass computes logits again, instead of keeping them
    return jax.lax.scan(lambda total, part: (total + rematerialised(*part), None), jnp.float32(0), parts)[0]


def weighted_nll(network: nn.Transformer, params: Params, batch: Batch, **options: Any) -> Float[Array, ""]:
    """The sum of weight x negative log-likelihood over the batch's targets; options as of `objective_sum`."""
    return objective_sum(LIKELIHOOD, network, params, batch, **options)


def target_logprobs(
    network: nn.Transformer,
    params: Params,
    batch: Any,
    *,
    temperature: float,
    compute: str = "float32",
    chunk_logits: int = CHUNK_LOGITS,
) -> Float[Array, "B N"]:
    """The log-probability of every target, as `objective_sum` computes it; see there for the arguments."""
    (hidden, targets, *_), chunk = _targets(network, params, batch, compute, False, chunk_logits)
    nll = _nll_of(network, params, temperature, compute)
    chunked = jax.lax.map(lambda part: nll(*part), (_in_chunks(hidden, chunk), _in_chunks(targets, chunk)))
    return -chunked.reshape(-1)[: batch.targets.size].reshape(batch.targets.shape)


def _targets(
    network: nn.Transformer, params: Params, batch: Any, compute: str, remat: bool, chunk_logits: int
) -> tuple[tuple[Array, ...], int]:
    """Of all targets the hidden state, the token and the batch's other fields; and how many are computed together."""
    hidden = _hidden_states(network, params, batch, compute, remat)
    hidden = jnp.take_along_axis(hidden, batch.places[:, :, None], axis=1)
    count = batch.targets.size
    chunk = min(count, max(1, chunk_logits // len(params["embedder"]["input_embedding"])))
    return (hidden.reshape(count, -1), *(field.reshape(count) for field in batch[4:])), chunk


def _in_chunks(part: Float[Array, "N *D"], chunk: int) -> Float[Array, "C N/C *D"]:
    chunks = -(-len(part) // chunk)
    missing = chunks * chunk - len(part)
    filled = jnp.concatenate([part, jnp.zeros((missing, *part.shape[1:]), part.dtype)])
    return filled.reshape(chunks, chunk, *part.shape[1:])


def _nll_of(network: nn.Transformer, params: Params, temperature: float, compute: str) -> Callable[..., Array]:
    """The negative log-likelihoods of targets, from hidden states (N D) and tokens (N)."""
    table = params["embedder"]["input_embedding"]
    softcap = network.config.final_logit_softcap

    def nll(hidden: Float[Array, "N D"], targets: Int[Array, " N"]) -> Float[Array, " N"]:
        multiply = product if compute == MIXED else functools.partial(jnp.matmul, preferred_element_type=jnp.float32)
        logits = multiply(hidden, table.T)
        if softcap is not None:
            logits = jnp.tanh(logits / softcap) * softcap
        if temperature != 1.0:
            logits = logits / temperature
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets)

    return nll


def _hidden_states(
    network: nn.Transformer, params: Params, batch: Any, compute: str, remat: bool
) -> Float[Array, "B T D"]:
    out = forward(
        network,
        params,
        batch.tokens,
        positions=batch.positions,
        attention_mask=attention_mask(batch.ends),
        return_hidden_states=True,
        interceptors=interceptors(network, compute) + [_RematLayers()] * remat,
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
