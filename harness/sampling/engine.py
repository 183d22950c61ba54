"""What draws samples: one protocol, behind which our own sampler or another engine stands.

Takes a policy, and prompts as token ids with a key for every sample; gives responses, prompt by prompt, in any order.
It does not say how they are drawn. harness/distributed/own_sampler.py draws on the devices of this run, and
harness/engines/ asks a server.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt32

    from restem.harness.outside.any_policy import AnyPolicy
    from restem.harness.settings import SamplingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Response:
    """One sample as it was drawn.

    Attributes:
        ids: The drawn tokens, the stop token included; None: the engine gives the text alone.
        text: The text, where there are no ids.
        mean_logprob: Mean log-probability of the tokens under the distribution that they were drawn from, in nats;
            None: the engine does not give it.
        finish_reason: `stop` (end of turn or of sequence) or `length` (cut at the limit).
    """

    ids: tuple[int, ...] | None
    text: str | None = None
    mean_logprob: float | None
    finish_reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingTask:
    """What is to be drawn from one checkpoint.

    Attributes:
        checkpoint: The checkpoint's id.
        prompts: Token ids of every prompt of the split, those that have samples already among them.
        missing: The positions of the prompts that samples are drawn for.
        keys: Raw key data of every sample of these prompts.
        config: How tokens are chosen.
        foreign: Whether the policy is not the run's, so that other hosts do not have it.
    """

    checkpoint: str
    prompts: Sequence[Sequence[int]]
    missing: Sequence[int]
    keys: UInt32[np.ndarray, "M K 2"]
    config: SamplingConfig
    foreign: bool = False


class Sampler(Protocol):
    """Draws samples of a run's checkpoints."""

    def sample(self, policy: AnyPolicy, task: SamplingTask) -> Iterator[tuple[int, Sequence[Response]]]:
        """Yields an index into `task.missing` and the responses to that prompt, as many as it has keys.

        Raises:
            PromptTooLong: A prompt does not fit the policy's context.
            EngineFailed: No server is left that draws.
        """
        ...

    def rest(self) -> None:
        """Frees what it can begin anew, as training needs the devices."""
        ...
