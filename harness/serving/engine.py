"""Decodes the prompts of several HTTP requests together.

Takes a policy and prompts with sample keys; gives a future for the responses to each prompt. Does not depend on HTTP.

Prompts that wait are decoded one batch at a time in one worker thread; a batch holds prompts that decode alike. A
prompt is computed once for all its choices, and what all prompts of a batch begin with, such as a judge's instructions,
once for the batch.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt32

from restem.harness.model.policy import Policy
from restem.harness.sampling.sampler import PREFIX_BUCKET, Batching, Decoding, sample, shared_prefix

_log = logging.getLogger(__name__)

BATCH_SIZES = (8, 64)
PROMPT_STEP = 32


class DecodingFailed(Exception):
    """A batch could not be decoded; the log says why."""


Choice: TypeAlias = tuple[str, str, int]  # text, finish reason, number of tokens drawn


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pending:
    """A prompt, a key for each of its choices, and the future that waits for them."""

    prompt: list[int]
    keys: UInt32[np.ndarray, "K 2"]
    decoding: Decoding
    choices: asyncio.Future[list[Choice]]

    @property
    def shape(self) -> tuple[Decoding, int, int]:
        """What the prompts of a batch have in common: decoding, padded length and number of choices."""
        return self.decoding, -(-len(self.prompt) // PROMPT_STEP) * PROMPT_STEP, len(self.keys)


class Engine:
    """Decodes pending prompts in batches of fixed shapes."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._pending: list[_Pending] = []
        self._arrived = asyncio.Event()

    def submit(
        self, prompt: list[int], keys: UInt32[np.ndarray, "K 2"], decoding: Decoding
    ) -> asyncio.Future[list[Choice]]:
        """Queues a prompt; the future gives a choice for each key, or raises DecodingFailed."""
        choices = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(prompt=prompt, keys=keys, decoding=decoding, choices=choices))
        self._arrived.set()
        return choices

    async def run(self) -> None:
        """Decodes what is submitted, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._pending:
                await asyncio.sleep(0)  # lets requests that have already arrived join the batch
                await self._decode_next(self._next_batch())

    async def _decode_next(self, batch: Sequence[_Pending]) -> None:
        try:
            results = await asyncio.to_thread(self._decode, batch)
        except Exception as error:  # it is logged, these requests fail with it, and the next batch is decoded
            _log.exception("decoding a batch of %d failed", len(batch))
            for pending in batch:
                if not pending.choices.done():
                    pending.choices.set_exception(DecodingFailed(f"decoding failed: {type(error).__name__}"))
            return
        for pending, choices in zip(batch, results, strict=True):
            if not pending.choices.done():  # the client may have gone
                pending.choices.set_result(choices)

    def _next_batch(self) -> list[_Pending]:
        shape = self._pending[0].shape
        batch = [pending for pending in self._pending if pending.shape == shape]
        batch = batch[: max(1, BATCH_SIZES[-1] // shape[2])]
        taken = set(map(id, batch))
        self._pending = [pending for pending in self._pending if id(pending) not in taken]
        return batch

    def _decode(self, batch: Sequence[_Pending]) -> list[list[Choice]]:
        tokenizer, results = self.policy.tokenizer, []
        decoding, padded_length, choices = batch[0].shape
        prompts = [pending.prompt for pending in batch]
        batching = Batching(
            padded_length=padded_length,
            context_length=self.policy.architecture.context_length,
            slots=next((size for size in BATCH_SIZES if len(batch) * choices <= size), BATCH_SIZES[-1]),
            prefix_length=compiled_prefix(prompts),
        )
        keys = np.stack([pending.keys for pending in batch])
        for _, draws in sample(self.policy.model, self.policy.params, prompts, keys, decoding, batching):
            for ids, lengths, stopped in zip(draws.ids, draws.lengths, draws.stopped, strict=True):
                texts = [tokenizer.decode(tokens[:length]) for tokens, length in zip(ids, lengths, strict=True)]
                reasons = ["stop" if stop else "length" for stop in stopped]
                results.append([*zip(texts, reasons, map(int, lengths), strict=True)])
        return results


def compiled_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """The length of the shared prefix to compute once, rounded down to a power of two times PREFIX_BUCKET.

    Few lengths are used, because each is compiled for. 0 for a single prompt.
    """
    buckets = shared_prefix(prompts) // PREFIX_BUCKET if len(prompts) > 1 else 0
    return PREFIX_BUCKET << (buckets.bit_length() - 1) if buckets else 0
