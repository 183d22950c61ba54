"""Continuous batching on the devices of one replica of the model.

Takes a job that all devices share, and one replica's parameters; hands finished samples to the job's collector. Does
not depend on text, problems or rewards.

Each prompt is computed once, and its keys and values are copied to the slots of all its samples. When enough sequences
have ended, their slots are refilled from the queue. When the queue is empty, the remaining sequences move together into
fewer slots. A step attends to all columns of the cache, so the cache has only as many as the longest sequence needs
now. All shapes come from a small fixed set, so that nothing is compiled twice.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, UInt32

from restem.harness.model.policy import Params
from restem.harness.sampling.decoding import Decoding
from restem.harness.sampling.kv_slots import (
    Network,
    Refill,
    compact,
    decode,
    empty,
    prefix_cache,
    refill,
    with_columns,
)
from restem.harness.sampling.work_queue import Collector, Draws, Finished, Unit, WorkQueue

NEW_BUCKET = 8
MIN_SLOTS = 128
COLUMN_BUCKET = 16
COLUMN_SHARES = (0.5, 0.75)  # of the longest sequence's columns: the caches that are compiled for besides the whole one
_TRACING = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What all devices draw from and add to; see `sampler.sample`."""

    network: Network
    prompts: Sequence[Sequence[int]]
    keys: UInt32[np.ndarray, "B K 2"]
    decoding: Decoding
    padded_length: int
    prefix_length: int
    slots: int
    queue: WorkQueue
    collector: Collector


class DeviceSampler:
    """The slots of one replica, and the loop that fills, decodes and empties them.

    Args:
        job: What to draw.
        params: Parameters as `Network.prepared` gives them, on the devices of `mesh`.
        mesh: The devices of the replica.
        share: How many samples this replica would draw if they were shared out evenly.
    """

    def __init__(self, job: Job, params: Params, mesh: Mesh, share: int) -> None:
        self._job, self._params, self._mesh = job, params, mesh
        self._share = share
        self._traced: set[tuple[Any, int, int]] = set()  # functions, and for how many slots and columns

    def run(self) -> None:
        """Draws until the queue is empty and no slot is in use."""
        queue = self._job.queue
        try:
            self._begin()
            while not queue.closed and (queue or self._in_use()):
                self._advance()
        except BaseException:
            queue.close()
            self._job.collector.fail()
            raise

    def _begin(self) -> None:
        job = self._job
        fewest = max(self._share, job.queue.unit * job.queue.group)
        self._size = min((size for size in _sizes(job.slots) if size >= fewest), default=job.slots)
        longest = -(-job.decoding.max_new_tokens // NEW_BUCKET) * NEW_BUCKET
        self._stages = cache_stages(job.padded_length, longest, self._size)
        self._columns = self._stages[0]
        self._slots = self._call(empty, job.network, self._mesh, self._size, self._columns, longest)
        self._samples: list[tuple[int, int] | None] = [None] * self._size  # in each slot: prompt and sample index
        prefix = np.array([job.prompts[0][: job.prefix_length]], np.int32)
        self._prefix = self._call(prefix_cache, job.network, self._params, prefix) if job.prefix_length else None

    def _call(self, function: Any, *arguments: Any) -> Any:
        """Calls a jitted function. One thread at a time traces it; threads still compile and run side by side.

        Two threads that traced flax modules at once have crashed the interpreter (CPython 3.12.1, flax 0.12).
        """
        shape = function, self._size, self._columns
        if shape not in self._traced:
            with _TRACING:
                function.trace(*arguments)
            self._traced.add(shape)
        return function(*arguments)

    def _in_use(self) -> int:
        return self._size - self._samples.count(None)

    def _advance(self) -> None:
        """Refills free slots, decodes until enough are free for the next refill, and collects finished samples."""
        job = self._job
        while units := job.queue.take(self._samples.count(None)):
            entering = self._refill_of(units)
            self._slots = self._call(refill, job.network, self._mesh, self._params, self._slots, self._prefix, entering)
        if not job.queue:
            self._shrink()
            enough = self._size - self._next_smaller()
        else:
            enough = min(self._size, job.queue.unit * job.queue.group)
        arguments = (job.network, self._mesh, job.decoding, self._params, self._slots, np.int32(enough))
        self._slots, steps = self._call(decode, *arguments)
        self._collect(steps)

    def _refill_of(self, units: Sequence[Unit]) -> Refill:
        """The arrays of a refill, in the shape that every refill has; assigns a free slot to each sample."""
        job = self._job
        group, most = job.queue.group, job.queue.unit
        prompts = np.zeros((group, job.padded_length - job.prefix_length), np.int32)
        lengths = np.full(group, job.prefix_length + 1, np.int32)
        slots = np.full((group, most), self._size, np.int32)
        keys = np.zeros((group, most, 2), np.uint32)
        free = (slot for slot, sample in enumerate(self._samples) if sample is None)
        for g, unit in enumerate(units):
            rest = job.prompts[unit.prompt][job.prefix_length :]
            prompts[g, : len(rest)], lengths[g] = rest, job.prefix_length + len(rest)
            keys[g, : unit.samples] = job.keys[unit.prompt, unit.first : unit.first + unit.samples]
            for k in range(unit.samples):
                slots[g, k] = slot = next(free)
                self._samples[slot] = (unit.prompt, unit.first + k)
        return Refill(prompts, lengths, slots, keys)

    def _next_smaller(self) -> int:
        """The next smaller number of slots; 0 where there is none."""
        return max((size for size in _sizes(self._job.slots) if size < self._size), default=0)

    def _shrink(self) -> None:
        """Moves the sequences into fewer slots, while they fit."""
        while (smaller := self._next_smaller()) >= max(1, self._in_use()):
            kept = sorted(range(self._size), key=lambda slot: self._samples[slot] is None)[:smaller]
            self._size = smaller
            self._slots = self._call(compact, self._mesh, self._slots, np.array(kept))
            self._samples = [self._samples[slot] for slot in kept]

    def _collect(self, steps: Int[Array, ""]) -> None:
        slots = self._slots
        ids = slots.ids[:, : self._job.decoding.max_new_tokens]
        drawn = ids, slots.length, slots.logprob, slots.stopped
        count, done, start, *fields = jax.device_get((steps, slots.done, slots.start, *drawn))
        finished: list[Finished] = []
        for slot, sample in enumerate(self._samples):
            if sample is not None and done[slot]:
                finished.append(Finished(*sample, Draws(*(field[slot] for field in fields))))
                self._samples[slot] = None
        self._job.collector.add(int(count) * self._size, finished)
        self._resize(int(np.max(start + fields[1], initial=0, where=~done)))

    def _resize(self, last: int) -> None:
        """Gives the cache the fewest columns with room for prompts and for the next tokens of the longest sequence.

        Args:
            last: The column of its last token.
        """
        columns = next(columns for columns in self._stages if columns > last)
        if columns != self._columns:
            self._slots = self._call(with_columns, self._mesh, self._slots, columns)
            self._columns = columns


def cache_stages(padded_length: int, longest: int, slots: int) -> list[int]:
    """The numbers of columns that are compiled for, the smallest first; each has room for a prompt and some tokens.

    With fewer than MIN_SLOTS slots it is the whole cache alone: there the last bits of float32 logits depend on the
    number of columns (seen on CPUs with 16 and 32 slots; not with 64 and more, nor on another type).
    """
    whole = padded_length + longest
    if slots < MIN_SLOTS:
        return [whole]
    shares = (COLUMN_BUCKET * round(share * whole / COLUMN_BUCKET) for share in COLUMN_SHARES)
    return [*(columns for columns in shares if padded_length + NEW_BUCKET <= columns < whole), whole]


def _sizes(slots: int) -> list[int]:
    """The numbers of slots that are compiled for, the largest first.

    None is below 128: for smaller batches XLA takes other matrix kernels, whose last bits differ.
    """
    sizes = [slots]
    while sizes[-1] % 2 == 0 and sizes[-1] // 2 >= MIN_SLOTS:
        sizes.append(sizes[-1] // 2)
    return sizes
