"""GRPO's loss beside the M-step's: a clipped policy gradient with a penalty for leaving the base.

Takes responses with advantages, the policy that drew them and the base; gives the batch and the objective that
`optimizer_step` minimises. Does not depend on verifiers, optimizers or how many steps are taken.

Of each response token, with log-probabilities under the trained policy (new), the one that drew it (old) and the base:

    ratio   = exp(new - old)
    penalty = exp(base - new) - (base - new) - 1                              (the estimator k3 of the KL divergence)
    loss    = -min(ratio * advantage, clip(ratio, 1 - clip, 1 + clip) * advantage) + kl * penalty

A batch's loss is the mean over its response tokens, whichever response they belong to: TRL's `loss_type = "bnpo"`. The
M-step's loss is such a mean too, so EM and GRPO differ in the tokens' weights and in nothing else; and a long response
is not made cheap by its length, as in the paper's mean per response (arXiv:2503.20783). Log-probabilities are those of
logits divided by the sampling temperature, over the whole vocabulary, as in TRL.

Rows are prefix trees (packing.py), so a target may belong to several responses. The ratio is then the same for all of
them, and where their advantages have one sign, the sum of their minima is the minimum with the summed advantage. So no
row holds advantages of both signs.
Source: arXiv:2402.03300, equations 3 and 4; huggingface/trl:trl/trainer/grpo_trainer.py.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from restem.harness.model.gemma import nn
from restem.harness.model.matmul_precision import cast
from restem.harness.model.mesh import DATA, gather_to_local
from restem.harness.model.policy import Params, Policy
from restem.harness.settings import TrainingConfig
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch, target_logprobs
from restem.harness.training.packing import pack


class GrpoBatch(NamedTuple):
    """Packed rows as in `Batch`, and what GRPO needs to know of each target.

    Attributes:
        advantages: Summed over the responses that the target belongs to; they have one sign.
        counts: How many responses those are; 0 for padding.
        old: The target's log-probability under the policy that drew the responses.
        base: That under the base.
    """

    tokens: Int[Array, "*B T"]
    ends: Int[Array, "*B T"]
    positions: Int[Array, "*B T"]
    places: Int[Array, "*B N"]
    targets: Int[Array, "*B N"]
    advantages: Float[Array, "*B N"]
    counts: Float[Array, "*B N"]
    old: Float[Array, "*B N"]
    base: Float[Array, "*B N"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grpo:
    """The objective.

    Attributes:
        clip: How far the ratio may move from 1 before it gives no gradient.
        kl: The weight of the penalty.
        temperature: That of sampling.
    """

    clip: float = 0.2
    kl: float = 0.04
    temperature: float = 1.0

    def summed(self, nll: Float[Array, " N"], *fields: Float[Array, " N"]) -> Float[Array, ""]:
        """The sum of the loss over the response tokens that the targets stand for."""
        advantages, counts, old, base = fields
        new, old, base = (jnp.where(counts > 0, x, 0.0) for x in (-nll, old, base))  # padding must not overflow
        ratio = jnp.exp(new - old)
        gain = jnp.minimum(ratio * advantages, jnp.clip(ratio, 1 - self.clip, 1 + self.clip) * advantages)
        penalty = jnp.exp(base - new) - (base - new) - 1
        return jnp.sum(self.kl * counts * penalty - gain)

    def total(self, batch: GrpoBatch) -> Float[Array, ""]:
        """The number of response tokens."""
        return jnp.maximum(jnp.sum(batch.counts), 1e-9)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FromBase:
    """A loss of GRPO with the base that its penalty is measured from."""

    loss: Grpo
    base: Policy


def grpo_batch(
    policy: Policy, examples: Sequence[Example], training: TrainingConfig, grpo: FromBase, mesh: Mesh
) -> GrpoBatch:
    """The examples packed, with the log-probabilities of their targets under the policy and the base.

    Args:
        policy: The one that drew the responses.
        examples: Their weights are advantages; none is 0.
        training: The settings.
        grpo: The loss and the base.
        mesh: The devices of this host; each host computes all log-probabilities.
    """
    packed, counts = pack_by_sign(examples, training.row_length)
    of_policy = functools.partial(
        _logprobs, batch=packed, training=training, temperature=grpo.loss.temperature, mesh=mesh
    )
    old = of_policy(policy)
    base = old if grpo.base.params is policy.params else of_policy(grpo.base)
    return GrpoBatch(*packed[:5], advantages=packed.weights, counts=counts, old=old, base=base)  # type: ignore[arg-type]


def pack_by_sign(examples: Sequence[Example], row_length: int) -> tuple[Batch, np.ndarray]:
    """Rows of examples whose weights have one sign, and for each target the number of examples that it belongs to."""
    parts: list[tuple[Batch, np.ndarray]] = []
    for of_sign in ([e for e in examples if e.weight > 0], [e for e in examples if e.weight < 0]):
        if of_sign:
            unweighted = pack([dataclasses.replace(example, weight=1.0) for example in of_sign], row_length)
            parts.append((pack(of_sign, row_length), np.asarray(unweighted.weights)))  # the same rows

    def joined(*fields: Any) -> Any:
        """The rows of all parts, each as long as the longest: they may have different numbers of targets."""
        length = max(field.shape[1] for field in fields)
        return np.concatenate([np.pad(field, ((0, 0), (0, length - field.shape[1]))) for field in fields])

    return jax.tree.map(joined, *parts)


def _logprobs(policy: Policy, *, batch: Batch, training: TrainingConfig, temperature: float, mesh: Mesh) -> np.ndarray:
    """The log-probability of every target under a policy, a few rows at a time."""
    params = gather_to_local(policy.params, mesh)
    rows = -(-training.rows // mesh.shape[DATA]) * mesh.shape[DATA]
    by_row = NamedSharding(mesh, P(DATA))
    results: list[np.ndarray] = []
    for start in range(0, len(batch.tokens), rows):
        part = jax.tree.map(lambda field: field[start : start + rows], batch)  # noqa: B023 (called at once)
        count = len(part.tokens)
        part = jax.tree.map(lambda field: np.pad(field, ((0, rows - count), (0, 0))), part)  # noqa: B023
        part = jax.device_put(part, by_row)
        results.append(np.asarray(_of_rows(policy.model, params, part, temperature, training.compute_dtype))[:count])
    return np.concatenate(results)


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def _of_rows(
    network: nn.Transformer, params: Params, batch: Batch, temperature: float, compute: str
) -> Float[Array, "B N"]:
    return target_logprobs(network, cast(params, compute), batch, temperature=temperature, compute=compute)
