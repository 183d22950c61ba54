"""Prompt ids -> sampled ids. Knows nothing of text, problems or rewards.

Continuous batching: every unique prompt is computed once and its keys and values are repeated for its samples; when
enough rows have stopped, their slots are refilled from the queue; when the queue is empty, the rows left over move
together into fewer slots. All shapes come from a small fixed set, so nothing is compiled twice.

Random numbers belong to a row and a step, never to a batch: row keys come from the caller, and step t of a row uses
`fold_in(row key, t)`. A sample is the same whatever it is drawn with and in whichever order (see `slots`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int, UInt32

from harness.decoding import GREEDY_TOP_K, Decoding
from harness.errors import NonFiniteLogits, PromptTooLong
from harness.gemma_modules import nn
from harness.mesh import DATA, make_mesh, split
from harness.policy import Params
from harness.slots import compact, decode, empty, prefix_cache, refill

__all__ = ["GREEDY_TOP_K", "Decoding", "Draws", "Work", "prompt_length", "row_key", "sample", "shared_prefix"]

PROMPT_BUCKET = 16
PREFIX_BUCKET = 64
NEW_BUCKET = 8
REFILL_SHARE = 8
FEWEST_ROWS = 128


class Draws(NamedTuple):
    """Sampled rows of `prompts x samples`.

    Attributes:
        ids: Tokens drawn, the stop token included, padded with 0.
        lengths: Tokens drawn per row.
        logprobs: Sum of the drawn tokens' log-probabilities under the sampling distribution, in nats.
        stopped: Whether a stop token ended the row; otherwise the limit did.
    """

    ids: Int[np.ndarray, "B K N"]
    lengths: Int[np.ndarray, "B K"]
    logprobs: Float[np.ndarray, "B K"]
    stopped: Bool[np.ndarray, "B K"]


@dataclasses.dataclass
class Work:
    """What the sampling cost: row-steps decoded, and how many of them drew a token that was asked for."""

    row_steps: int = 0
    useful: int = 0


def row_key(seed: int, *names: object) -> UInt32[np.ndarray, "2"]:
    """Raw key data of one row, from the run's seed and the row's own names (checkpoint, problem, index)."""
    digest = hashlib.sha256("\n".join(str(name) for name in (seed, *names)).encode()).digest()
    return np.frombuffer(digest[:8], np.uint32)


def prompt_length(prompts: Sequence[Sequence[int]]) -> int:
    """The padded length that holds every prompt: one shape, one compilation, for a whole run."""
    return -(-max(map(len, prompts)) // PROMPT_BUCKET) * PROMPT_BUCKET


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with, in whole buckets, at least one token of each left over; 0 where few."""
    same = min(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompts[0], p, strict=False))) for p in prompts
    )
    return min(same, min(map(len, prompts)) - 1) // PREFIX_BUCKET * PREFIX_BUCKET


def sample(
    model: nn.Transformer,
    params: Params,
    prompts: Sequence[Sequence[int]],
    keys: UInt32[np.ndarray, "B K 2"],
    decoding: Decoding,
    *,
    padded_length: int,
    context_length: int,
    rows: int = 128,
    prefix_length: int = 0,
    mesh: Mesh | None = None,
    work: Work | None = None,
) -> Iterator[tuple[range, Draws]]:
    """Draws K samples of every prompt.

    Args:
        model: The network.
        params: Its parameters.
        prompts: B lists of ids.
        keys: Raw key data of every row; see `row_key`.
        decoding: How tokens are chosen and when a row ends.
        padded_length: See `prompt_length`.
        context_length: Prompt and new tokens together may not exceed it.
        rows: Rows decoded together, on each device along the mesh's `data`.
        prefix_length: So many tokens all prompts begin with; they are computed once. See `shared_prefix`.
        mesh: The devices; None: the first one.
        work: Counts what the sampling cost.

    Yields:
        A range in `prompts`, in their order, and its draws.

    Raises:
        PromptTooLong: A prompt does not fit; none is ever cut.
        NonFiniteLogits: The policy computes no numbers.
    """
    for index, prompt in enumerate(prompts):
        if len(prompt) > padded_length or len(prompt) + decoding.max_new_tokens > context_length:
            raise PromptTooLong(
                f"prompt {index} has {len(prompt)} tokens; with {decoding.max_new_tokens} new ones the limit is "
                f"{min(padded_length, context_length - decoding.max_new_tokens)}"
            )
    if not prompts:
        return
    mesh = mesh or make_mesh()
    batch = _Batch(
        model=model,
        params=jax.device_put(params, split(mesh, params, over_data=False)),
        prompts=prompts,
        keys=keys,
        decoding=decoding,
        padded_length=padded_length,
        rows=rows,
        prefix_length=prefix_length,
        mesh=mesh,
        work=work or Work(),
    )
    given = 0
    while given < len(prompts):
        batch.advance()
        if ready := batch.take(given):
            draws = Draws(*map(np.stack, zip(*ready, strict=True)))
            if not np.isfinite(draws.logprobs).all():
                raise NonFiniteLogits("the policy's logits are not finite: its parameters are broken")
            yield range(given, given + len(ready)), draws
            given += len(ready)


class _Unit(NamedTuple):
    """Samples of one prompt that enter together, from index `first` on."""

    prompt: int
    first: int
    samples: int


@dataclasses.dataclass(kw_only=True)
class _Batch:
    """Rows under way, the queue of those to come, and what has been drawn. The fields are the arguments of `sample`."""

    model: nn.Transformer
    params: Params
    prompts: Sequence[Sequence[int]]
    keys: UInt32[np.ndarray, "B K 2"]
    decoding: Decoding
    padded_length: int
    rows: int
    prefix_length: int
    mesh: Mesh
    work: Work

    def __post_init__(self) -> None:
        samples, devices = self.keys.shape[1], self.mesh.shape[DATA]
        share = -(-len(self.prompts) * samples // devices)
        # A part of the slots waits to be refilled together; all of them where rows end after a few tokens anyway.
        # How many prompts there are does not matter: another shape has other last bits.
        most = self.rows if self.decoding.max_new_tokens <= NEW_BUCKET else max(1, self.rows // REFILL_SHARE)
        # Units of one size, so that a refill has one shape: K = 50 samples enter as 2 x 25 where 32 may enter at once.
        self._unit = -(-samples // -(-samples // most))
        self._group = most // self._unit
        self._queue = deque(
            _Unit(prompt, first, min(self._unit, samples - first))
            for prompt in range(len(self.prompts))
            for first in range(0, samples, self._unit)
        )
        fewest = max(share, self._unit * self._group)
        self._size = min((size for size in _sizes(self.rows) if size >= fewest), default=self.rows)
        longest = -(-self.decoding.max_new_tokens // NEW_BUCKET) * NEW_BUCKET
        self._slots = empty(self.model, self.mesh, self._size, self.padded_length + longest, longest)
        # For every device and slot the row in it: prompt and sample.
        self._places: list[list[tuple[int, int] | None]] = [[None] * self._size for _ in range(devices)]
        prefix = np.array([self.prompts[0][: self.prefix_length]], np.int32)
        self._prefix = prefix_cache(self.model, self.params, prefix) if self.prefix_length else None
        self._drawn: dict[int, Draws] = {}
        self._left = [samples] * len(self.prompts)

    def take(self, start: int) -> list[Draws]:
        """The draws of prompt `start` and those after it, as far as they are complete; they are forgotten here."""
        ready: list[Draws] = []
        while start < len(self._left) and self._left[start] == 0:
            ready.append(self._drawn.pop(start))
            start += 1
        return ready

    def advance(self) -> None:
        """Refills free slots, decodes until each device has enough of them for its next refill, and collects."""
        while self._queue and any(places.count(None) >= self._next_rows() for places in self._places):
            self._refill()
        if not self._queue:
            self._shrink()
        enough = self._next_rows() if self._queue else self._size - self._smaller()
        wanted = np.full(len(self._places), enough, np.int32)
        self._slots, steps = decode(self.model, self.mesh, self.decoding, self.params, self._slots, wanted)
        self._collect(steps)

    def _next_rows(self) -> int:
        """Rows of a device's next refill."""
        return sum(unit.samples for unit in islice(self._queue, self._group))

    def _refill(self) -> None:
        shape = (len(self._places), self._group)
        prompts = np.zeros((*shape, self.padded_length - self.prefix_length), np.int32)
        lengths = np.full(shape, self.prefix_length + 1, np.int32)
        chosen = np.full((*shape, self._unit), self._size, np.int32)
        keys = np.zeros((*shape, self._unit, 2), np.uint32)
        for device, places in enumerate(self._places):
            free = deque(slot for slot, row in enumerate(places) if row is None)
            for g in range(self._group):
                if not self._queue or self._queue[0].samples > len(free):
                    break
                unit = self._queue.popleft()
                rest = self.prompts[unit.prompt][self.prefix_length :]
                prompts[device, g, : len(rest)], lengths[device, g] = rest, self.prefix_length + len(rest)
                keys[device, g, : unit.samples] = self.keys[unit.prompt, unit.first : unit.first + unit.samples]
                for k in range(unit.samples):
                    chosen[device, g, k] = slot = free.popleft()
                    places[slot] = (unit.prompt, unit.first + k)
        inputs = (field.reshape(-1, *field.shape[2:]) for field in (prompts, lengths, chosen, keys))
        self._slots = refill(self.model, self.mesh, self.params, self._slots, self._prefix, *inputs)

    def _smaller(self) -> int:
        """The next smaller number of slots; 0 where there is none."""
        return max((size for size in _sizes(self.rows) if size < self._size), default=0)

    def _shrink(self) -> None:
        """Moves the rows left over into fewer slots, as soon as they fit."""
        fullest = max(self._size - places.count(None) for places in self._places)
        while (smaller := self._smaller()) >= max(1, fullest):
            kept = [sorted(range(self._size), key=lambda slot: places[slot] is None) for places in self._places]
            self._size = smaller
            kept = [slots[:smaller] for slots in kept]
            self._slots = compact(self.mesh, self._slots, np.concatenate(kept))
            self._places = [[p[slot] for slot in slots] for p, slots in zip(self._places, kept, strict=True)]

    def _collect(self, steps: jax.Array) -> None:
        slots = self._slots
        ids = slots.ids[:, : self.decoding.max_new_tokens]
        fields: list[np.ndarray]
        steps_taken, done, *fields = jax.device_get(
            (steps, slots.done, ids, slots.length, slots.logprob, slots.stopped)
        )
        self.work.row_steps += int(steps_taken.sum()) * self._size
        for device, places in enumerate(self._places):
            for slot, row in enumerate(places):
                at = device * self._size + slot
                if row is None or not done[at]:
                    continue
                prompt, index = row
                if prompt not in self._drawn:
                    shape = (self.keys.shape[1],)
                    self._drawn[prompt] = Draws(*(np.zeros(shape + field.shape[1:], field.dtype) for field in fields))
                for whole, field in zip(self._drawn[prompt], fields, strict=True):
                    whole[index] = field[at]
                self.work.useful += int(fields[1][at])
                self._left[prompt] -= 1
                places[slot] = None


def _sizes(rows: int) -> list[int]:
    """The numbers of slots there may be, the largest first.

    Not below 128 of them: with fewer rows XLA takes other matrix kernels, whose last bits differ.
    """
    sizes = [rows]
    while sizes[-1] % 2 == 0 and sizes[-1] // 2 >= FEWEST_ROWS:
        sizes.append(sizes[-1] // 2)
    return sizes
