"""Prompt ids -> sampled ids, on all devices of this host.

Takes a network, its parameters and prompts as token ids; gives the samples of each prompt. Does not depend on text,
problems or rewards.

The replicas along the mesh's `data` draw from one queue. Each has slots and a thread of its own, so none waits for
another (device_sampler.py).

Random numbers belong to a sample and a step, never to a batch: sample keys come from the caller, and step t of a sample
uses `fold_in(sample key, t)`. So a sample is the same whatever is drawn with it, in whichever order and on whichever
device (kv_slots.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import UInt32

from restem.harness.errors import NonFiniteLogits, PromptTooLong
from restem.harness.model.gemma import nn
from restem.harness.model.mesh import make_mesh, replica_meshes, shardings_of
from restem.harness.model.policy import Params
from restem.harness.model.tokenizer import common_prefix_length
from restem.harness.sampling.decoding import GREEDY_TOP_K, Decoding
from restem.harness.sampling.device_sampler import DeviceSampler, Job
from restem.harness.sampling.kv_slots import Network
from restem.harness.sampling.work_queue import Collector, Draws, Work, WorkQueue

__all__ = [
    "GREEDY_TOP_K",
    "PREFIX_BUCKET",
    "Batching",
    "Decoding",
    "Draws",
    "Work",
    "prompt_length",
    "sample",
    "shared_prefix",
]

PROMPT_BUCKET = 8
PREFIX_BUCKET = 64
REFILL_SHARE = 8  # a refill waits until this part of the slots is free


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batching:
    """The shapes that programs are compiled for, and the type that they compute in.

    Attributes:
        padded_length: Columns for each prompt, see `prompt_length`.
        context_length: Limit on prompt and new tokens together.
        slots: Sequences that each replica of the model decodes together.
        prefix_length: Number of tokens that all prompts begin with and that are computed once, see `shared_prefix`.
        compute: What the network computes in, see `kv_slots.Network`; tokens are chosen in float32.
    """

    padded_length: int
    context_length: int
    slots: int = 256
    prefix_length: int = 0
    compute: str = "float32"


def prompt_length(prompts: Sequence[Sequence[int]]) -> int:
    """The padded length that holds every prompt: one shape and one compilation for a whole run."""
    return -(-max(map(len, prompts)) // PROMPT_BUCKET) * PROMPT_BUCKET


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """The number of tokens that all prompts begin with, rounded down to whole buckets.

    At least one token of every prompt is left over.
    """
    common = min(common_prefix_length(prompts[0], prompt) for prompt in prompts)
    return min(common, min(map(len, prompts)) - 1) // PREFIX_BUCKET * PREFIX_BUCKET


def sample(
    model: nn.Transformer,
    params: Params,
    prompts: Sequence[Sequence[int]],
    keys: UInt32[np.ndarray, "B K 2"],
    decoding: Decoding,
    batching: Batching,
    *,
    mesh: Mesh | None = None,
    work: Work | None = None,
) -> Iterator[tuple[range, Draws]]:
    """Draws K samples of each of B prompts.

    Args:
        model: The network.
        params: Its parameters.
        prompts: Token ids.
        keys: Raw key data of every sample, see `sample_key`.
        decoding: How tokens are chosen and when a sample ends.
        batching: Shapes and type of the computation.
        mesh: The devices; None: the first one.
        work: Is increased by what the sampling cost.

    Yields:
        A range of indices into `prompts`, in their order, and the draws of these prompts.

    Raises:
        PromptTooLong: A prompt does not fit; prompts are never cut.
        NonFiniteLogits: The policy's logits are not finite.
    """
    _check_lengths(prompts, decoding, batching)
    if not prompts:
        return
    replicas = replica_meshes(mesh or make_mesh())
    job = Job(
        network=Network(model, batching.compute),
        prompts=prompts,
        keys=keys,
        decoding=decoding,
        padded_length=batching.padded_length,
        prefix_length=batching.prefix_length,
        slots=batching.slots,
        queue=WorkQueue(len(prompts), keys.shape[1], max(1, batching.slots // REFILL_SHARE)),
        collector=Collector(len(prompts), keys.shape[1], work or Work()),
    )
    share = -(-len(prompts) * keys.shape[1] // len(replicas))
    samplers = [DeviceSampler(job, _replicated(job.network, params, replica), replica, share) for replica in replicas]
    with ThreadPoolExecutor(len(samplers), "sampler") as pool:
        try:
            threads = [pool.submit(sampler.run) for sampler in samplers]
            yield from _in_order(job.collector, len(prompts), threads)
        finally:
            job.queue.close()


def _check_lengths(prompts: Sequence[Sequence[int]], decoding: Decoding, batching: Batching) -> None:
    limit = min(batching.padded_length, batching.context_length - decoding.max_new_tokens)
    for index, prompt in enumerate(prompts):
        if len(prompt) > limit:
            raise PromptTooLong(
                f"prompt {index} has {len(prompt)} tokens; with {decoding.max_new_tokens} new ones the limit is {limit}"
            )


def _replicated(network: Network, params: Params, replica: Mesh) -> Params:
    """The parameters on the devices of a replica, prepared for decoding."""
    return network.prepared(jax.device_put(params, shardings_of(replica, params, over_data=False)))


def _in_order(collector: Collector, prompts: int, threads: Sequence[Future[None]]) -> Iterator[tuple[range, Draws]]:
    """The draws of all prompts in their order, as soon as they are complete."""
    start = 0
    while start < prompts:
        ready = collector.take(start)
        if not ready:  # a thread has failed: its error is raised here
            for thread in threads:
                thread.result()
        draws = Draws(*map(np.stack, zip(*ready, strict=True)))
        if not np.isfinite(draws.logprobs).all():
            raise NonFiniteLogits("the policy's logits are not finite: its parameters are broken")
        yield range(start, start + len(ready)), draws
        start += len(ready)
