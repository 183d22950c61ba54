"""Draws samples from a checkpoint on the problems of a split, and stores them every few seconds.

Takes a store, a policy and problems; gives rows in run.db and their number. Problems that have samples already are not
sampled again. It does not depend on verifiers (verify.py does).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np

from restem.benchmarks.problem import Problem
from restem.harness.distributed.hosts import Hosts
from restem.harness.model.policy import Policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.progress import Advance
from restem.harness.sampling.sampler import Batching, Decoding, Draws, prompt_length, sample_key, shared_prefix
from restem.harness.settings import SamplingConfig
from restem.harness.store.records import Sample
from restem.harness.store.store import Store

STORE_BATCH = 512
STORE_SECONDS = 5.0


def draw(
    store: Store,
    source: Callable[[], Policy],
    checkpoint: str,
    problems: Sequence[Problem],
    samples: int,
    config: SamplingConfig,
    seed: int,
    advance: Advance,
    hosts: Hosts,
    trained: Tokenizer | None = None,
) -> int:
    """Stores `samples` responses to every problem, and gives the number of new ones.

    A sample depends on (seed, checkpoint, problem, index) alone. The policy is asked for where samples are missing.

    Args:
        store: Of the run.
        source: Gives the policy.
        checkpoint: The id that its samples have.
        problems: Those of a split.
        samples: Of each problem.
        config: How they are drawn.
        seed: The suite's.
        advance: Counts samples.
        hosts: The devices.
        trained: Of another policy than the run's: the tokenizer of the policy that trains on the samples. They are
            drawn on this host, and keep their token ids where these mean the same to both.

    Raises:
        PromptTooLong: A prompt does not fit the policy's context.
        NonFiniteLogits: The policy is broken.
    """
    done = store.sampled_problems(checkpoint)
    missing = [index for index, problem in enumerate(problems) if problem.id not in done]
    advance((len(problems) - len(missing)) * samples, fresh=False)
    if not missing:
        return 0
    policy = source()
    prompts = [policy.tokenizer.encode_prompt(problem.question) for problem in problems]
    decoding = Decoding(
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        max_new_tokens=config.max_new_tokens,
        stop_ids=policy.tokenizer.stop_ids,
    )
    records: list[Sample] = []
    stored = time.monotonic()
    # The shapes are those of the whole split, so that a resumed run computes its samples as an undisturbed one does.
    batching = Batching(
        padded_length=prompt_length(prompts),
        context_length=policy.architecture.context_length,
        slots=config.rows,
        prefix_length=shared_prefix(prompts),
        compute=config.compute_dtype,
    )
    sample = hosts.sample if trained is None else hosts.sample_alone
    ids_known = trained is None or trained.same_ids(policy.tokenizer)
    for part, draws in sample(
        policy,
        [prompts[index] for index in missing],
        np.array([[sample_key(seed, checkpoint, problems[i].id, k) for k in range(samples)] for i in missing]),
        decoding,
        batching,
    ):
        for index, position in enumerate(part):
            drawn = _records(policy, checkpoint, problems[missing[position]].id, draws, index)
            records += drawn if ids_known else [dataclasses.replace(record, token_ids=None) for record in drawn]
        if len(records) >= STORE_BATCH or time.monotonic() - stored > STORE_SECONDS:
            store.add_samples(records)
            advance(len(records))
            records, stored = [], time.monotonic()
    store.add_samples(records)
    advance(len(records))
    return len(missing) * samples


def _records(policy: Policy, checkpoint: str, problem: str, draws: Draws, index: int) -> list[Sample]:
    """The samples of one problem, whose position in `draws` is `index`."""
    records: list[Sample] = []
    for k in range(draws.ids.shape[1]):
        length = int(draws.lengths[index, k])
        ids = tuple(draws.ids[index, k, :length].tolist())
        records.append(
            Sample(
                checkpoint=checkpoint,
                problem=problem,
                index=k,
                text=policy.tokenizer.decode(ids),
                token_count=length,
                mean_logprob=float(draws.logprobs[index, k] / length),
                finish_reason="stop" if draws.stopped[index, k] else "length",
                token_ids=ids,
            )
        )
    return records
