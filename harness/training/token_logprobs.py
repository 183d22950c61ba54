"""The log-probability of every token of a text under a policy, in float32.

Takes a policy and ids; gives numbers. Does not know where the ids come from.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from restem.harness.model.gemma import nn
from restem.harness.model.matmul_precision import cast
from restem.harness.model.policy import Params, Policy
from restem.harness.training.loss import Batch, target_logprobs

LENGTHS = 64  # rows are padded to a multiple of it, as each length is compiled for


def token_logprobs(policy: Policy, ids: Sequence[int]) -> tuple[float, ...]:
    """Those of every id after the first."""
    tokens = np.zeros(-(-len(ids) // LENGTHS) * LENGTHS, np.int32)
    tokens[: len(ids)] = ids
    logprobs = _of_row(policy.model, policy.params, tokens, len(ids))
    return tuple(np.asarray(logprobs)[: len(ids) - 1].tolist())


@functools.partial(jax.jit, static_argnums=0)
def _of_row(network: nn.Transformer, params: Params, tokens: Int[Array, " T"], length: int) -> Float[Array, " T"]:
    columns = jnp.arange(tokens.size)[None]
    unweighted = jnp.zeros(columns.shape)
    batch = Batch(
        tokens=tokens[None],
        ends=jnp.where(columns < length, length, 0),
        positions=columns,
        places=columns,
        targets=jnp.roll(tokens, -1)[None],
        weights=unweighted,
        magnitudes=unweighted,
    )
    return target_logprobs(network, cast(params, "float32"), batch, temperature=1.0)[0]
