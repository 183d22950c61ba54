"""Draws samples from a checkpoint on the problems of a split, and stores them every few seconds.

Takes a store, a policy and problems; gives rows in run.db, and which problems have theirs as soon as they are there.
Problems that have samples already are not sampled again. It does not depend on verifiers (verify.py does), nor on what
draws the samples.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from restem.benchmarks.problem import Problem
from restem.harness.errors import EngineFailed
from restem.harness.outside.any_policy import AnyPolicy, AnyTokenizer
from restem.harness.progress import Advance
from restem.harness.sampling.engine import Response, Sampler, SamplingTask
from restem.harness.sampling.keys import sample_key
from restem.harness.settings import SamplingConfig
from restem.harness.store.records import Sample
from restem.harness.store.store import Store

STORE_BATCH = 512
STORE_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
    """Ids of problems whose samples are stored, and how many of these are new."""

    problems: Collection[str]
    new: int


def draw(
    store: Store,
    source: Callable[[], AnyPolicy],
    checkpoint: str,
    problems: Sequence[Problem],
    samples: int,
    config: SamplingConfig,
    seed: int,
    advance: Advance,
    sampler: Sampler,
    trained: AnyTokenizer | None = None,
) -> Iterator[Drawn]:
    """Stores `samples` responses to every problem.

    The key of a sample depends on (seed, checkpoint, problem, index) alone. The policy is asked for where samples are
    missing.

    Args:
        store: Of the run.
        source: Gives the policy.
        checkpoint: The id that its samples have.
        problems: Those of a split.
        samples: Of each problem.
        config: How they are drawn.
        seed: The suite's.
        advance: Counts samples.
        sampler: What draws them.
        trained: Of another policy than the run's: the tokenizer of the policy that trains on the samples. They keep
            their token ids where these mean the same to both.

    Yields:
        The problems whose samples are stored: those of before, then more of them as they are drawn.

    Raises:
        PromptTooLong: A prompt does not fit the policy's context.
        NonFiniteLogits: The policy is broken.
        EngineFailed: The engine gives no further sample; those that it gave are stored.
    """
    done = store.sampled_problems(checkpoint)
    missing = [index for index, problem in enumerate(problems) if problem.id not in done]
    advance((len(problems) - len(missing)) * samples, fresh=False)
    yield Drawn(problems=done, new=0)
    if not missing:
        return
    policy = source()
    task = SamplingTask(
        checkpoint=checkpoint,
        prompts=[policy.tokenizer.encode_prompt(problem.question) for problem in problems],
        missing=missing,
        keys=np.array([[sample_key(seed, checkpoint, problems[i].id, k) for k in range(samples)] for i in missing]),
        config=config,
        foreign=trained is not None,
    )
    ids_known = trained is None or trained.same_ids(policy.tokenizer)
    records: list[Sample] = []
    stored = time.monotonic()

    def keep() -> Drawn:
        nonlocal records, stored
        store.add_samples(records)
        advance(len(records))
        drawn = Drawn(problems={record.problem for record in records}, new=len(records))
        records, stored = [], time.monotonic()
        return drawn

    try:
        for position, responses in sampler.sample(policy, task):
            problem = problems[missing[position]].id
            for index, response in enumerate(responses):
                records.append(_record(policy.tokenizer, checkpoint, problem, index, response, ids_known=ids_known))
            if len(records) >= STORE_BATCH or time.monotonic() - stored > STORE_SECONDS:
                yield keep()
    except EngineFailed:
        keep()
        raise
    yield keep()


def _record(
    tokenizer: AnyTokenizer, checkpoint: str, problem: str, index: int, response: Response, *, ids_known: bool
) -> Sample:
    """The row of a response. Without ids its tokens are counted in its text."""
    text = response.text if response.ids is None else tokenizer.decode(response.ids)
    assert text is not None, "a response without ids has a text"
    return Sample(
        checkpoint=checkpoint,
        problem=problem,
        index=index,
        text=text,
        token_count=len(response.ids if response.ids is not None else tokenizer.encode_response(text)),
        mean_logprob=response.mean_logprob,
        finish_reason=response.finish_reason,
        token_ids=response.ids if ids_known else None,
    )
