"""Our own sampler as the engine of a run: it draws on the devices of all hosts.

Takes hosts, a policy and a task; gives responses. Does not depend on problems, verifiers or run.db.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from restem.harness.distributed.hosts import Hosts
from restem.harness.model.policy import Policy
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.sampling.engine import Response, SamplingTask
from restem.harness.sampling.sampler import Batching, Decoding, Draws, prompt_length, shared_prefix


class OwnSampler:
    """Draws with JAX; a sample is the same whatever is drawn with it."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def sample(self, policy: AnyPolicy, task: SamplingTask) -> Iterator[tuple[int, Sequence[Response]]]:
        """Yields an index into `task.missing` and the responses to that prompt.

        Raises:
            PromptTooLong: A prompt does not fit the policy's context.
            NonFiniteLogits: The policy is broken.
        """
        assert isinstance(policy, Policy), "an outside policy is drawn from by servers"
        config = task.config
        decoding = Decoding(
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            max_new_tokens=config.max_new_tokens,
            stop_ids=policy.tokenizer.stop_ids,
        )
        # The shapes are those of the whole split, so that a resumed run computes its samples as an undisturbed one.
        batching = Batching(
            padded_length=prompt_length(task.prompts),
            context_length=policy.architecture.context_length,
            slots=config.rows,
            prefix_length=shared_prefix(task.prompts),
            compute=config.compute_dtype,
        )
        prompts = [task.prompts[index] for index in task.missing]
        # The other hosts do not have a policy that is not the run's.
        sample = self._hosts.sample_alone if task.foreign else self._hosts.sample
        for part, draws in sample(policy, prompts, task.keys, decoding, batching):
            for index, position in enumerate(part):
                yield position, _responses(draws, index)

    def rest(self) -> None:
        """It holds nothing between two tasks."""


def _responses(draws: Draws, index: int) -> list[Response]:
    """The responses to the prompt that stands at this index of `draws`."""
    responses: list[Response] = []
    for ids, length, logprob, stopped in zip(*(leaf[index] for leaf in draws), strict=True):
        responses.append(
            Response(
                ids=tuple(ids[:length].tolist()),
                mean_logprob=float(logprob / length),
                finish_reason="stop" if stopped else "length",
            )
        )
    return responses
