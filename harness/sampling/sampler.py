"""Prompt ids -> sampled ids. Knows nothing of text, problems or rewards.

Continuous batching: every unique prompt is computed once and its keys and values are repeated for its samples; when
enough rows have stopped, their slots are refilled from the queue; when the queue is empty, the rows left over move
together into fewer slots. All shapes come from a small fixed set, so nothing is compiled twice.

The devices along a mesh's `data` draw from one queue, each with slots and a thread of its own: none waits for another.

Random numbers belong to a row and a step, never to a batch: row keys come from the caller, and step t of a row uses
`fold_in(row key, t)`. A sample is the same whatever it is drawn with, in whichever order and on whichever device (see
`slots`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int, UInt32

from restem.harness.errors import NonFiniteLogits, PromptTooLong
from restem.harness.model.gemma import nn
from restem.harness.model.mesh import make_mesh, replica_meshes, shardings_of
from restem.harness.model.policy import Params
from restem.harness.sampling.decoding import GREEDY_TOP_K, Decoding
from restem.harness.sampling.kv_slots import Network, compact, decode, empty, prefix_cache, refill

__all__ = ["GREEDY_TOP_K", "Decoding", "Draws", "Work", "prompt_length", "row_key", "sample", "shared_prefix"]

PROMPT_BUCKET = 8
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
    rows: int = 256,
    prefix_length: int = 0,
    compute: str = "float32",
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
        compute: What the network computes in, see `kv_slots.Network`; what follows from logits is in float32.
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
    devices = replica_meshes(mesh or make_mesh())
    queue = _Queue(len(prompts), keys.shape[1], max(1, rows // REFILL_SHARE))
    share = -(-len(prompts) * keys.shape[1] // len(devices))
    drawn = _Drawn(len(prompts), keys.shape[1], work or Work())
    network = Network(model, compute)
    batches = [
        _Batch(
            network=network,
            params=network.prepared(jax.device_put(params, shardings_of(device, params, over_data=False))),
            prompts=prompts,
            keys=keys,
            decoding=decoding,
            padded_length=padded_length,
            rows=rows,
            share=share,
            prefix_length=prefix_length,
            mesh=device,
            queue=queue,
            drawn=drawn,
        )
        for device in devices
    ]
    with ThreadPoolExecutor(len(batches), "sampler") as pool:
        try:
            working = [pool.submit(batch.run) for batch in batches]
            given = 0
            while given < len(prompts):
                ready = drawn.take(given)
                if not ready:  # the threads have ended, one of them with an error
                    for thread in working:
                        thread.result()
                draws = Draws(*map(np.stack, zip(*ready, strict=True)))
                if not np.isfinite(draws.logprobs).all():
                    raise NonFiniteLogits("the policy's logits are not finite: its parameters are broken")
                yield range(given, given + len(ready)), draws
                given += len(ready)
        finally:
            queue.close()


class _Unit(NamedTuple):
    """Samples of one prompt that enter together, from index `first` on."""

    prompt: int
    first: int
    samples: int


class _Queue:
    """The samples to come, which all devices draw from.

    So many slots of a device as `together` wait to be refilled at once, however many prompts there are: another shape
    has other last bits.

    Attributes:
        unit: Samples of a prompt that enter together: as many in each, so that a refill has one shape. K = 50 samples
            enter as 2 x 25 where 32 slots are refilled together.
        group: Units of one refill.
    """

    def __init__(self, prompts: int, samples: int, together: int) -> None:
        self.unit = -(-samples // -(-samples // together))
        self.group = together // self.unit
        self._units = deque(
            _Unit(prompt, first, min(self.unit, samples - first))
            for prompt in range(prompts)
            for first in range(0, samples, self.unit)
        )
        self._lock = threading.Lock()
        self.closed = False

    def __len__(self) -> int:
        """Units left."""
        return len(self._units)

    def take(self, free: int) -> list[_Unit]:
        """The next group, where so many slots hold it; else nothing."""
        with self._lock:
            units = [self._units[i] for i in range(min(self.group, len(self._units)))]
            if sum(unit.samples for unit in units) > free:
                return []
            for _ in units:
                self._units.popleft()
            return units

    def close(self) -> None:
        """Nothing more is wanted, not even of the rows under way."""
        self.closed = True


class _Drawn:
    """What the devices have drawn, until it is taken; and what that cost."""

    def __init__(self, prompts: int, samples: int, work: Work) -> None:
        self.work = work
        self._samples = samples
        self._left = [samples] * prompts
        self._rows: dict[int, Draws] = {}
        self._changed = threading.Condition()
        self._failed = False

    def add(self, steps: int, rows: Sequence[tuple[int, int, Draws]]) -> None:
        """Rows that have ended (prompt, index, and its fields alone), and the row-steps decoded since the last call."""
        with self._changed:
            self.work.row_steps += steps
            for prompt, index, row in rows:
                if prompt not in self._rows:
                    self._rows[prompt] = Draws(*(np.zeros((self._samples, *field.shape), field.dtype) for field in row))
                for whole, field in zip(self._rows[prompt], row, strict=True):
                    whole[index] = field
                self.work.useful += int(row.lengths)
                self._left[prompt] -= 1
            self._changed.notify()

    def fail(self) -> None:
        """Some rows will never be added."""
        with self._changed:
            self._failed = True
            self._changed.notify()

    def take(self, start: int) -> list[Draws]:
        """The draws of prompt `start` and those after it that are complete, as soon as there are any.

        They are forgotten here. None at all: a device has failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failed or self._left[start] == 0)
            ready: list[Draws] = []
            while start < len(self._left) and self._left[start] == 0:
                ready.append(self._rows.pop(start))
                start += 1
            return ready


@dataclasses.dataclass(kw_only=True)
class _Batch:
    """The rows under way on one device, or on one row of a mesh. Most fields are the arguments of `sample`."""

    network: Network
    params: Params
    prompts: Sequence[Sequence[int]]
    keys: UInt32[np.ndarray, "B K 2"]
    decoding: Decoding
    padded_length: int
    rows: int
    share: int  # of all samples, where they are shared out evenly
    prefix_length: int
    mesh: Mesh
    queue: _Queue
    drawn: _Drawn

    def run(self) -> None:
        """Draws until the queue is empty and no row is under way."""
        try:
            self._begin()
            while not self.queue.closed and (self.queue or self._under_way()):
                self._advance()
        except BaseException:
            self.queue.close()
            self.drawn.fail()
            raise

    def _begin(self) -> None:
        fewest = max(self.share, self.queue.unit * self.queue.group)
        self._size = min((size for size in _sizes(self.rows) if size >= fewest), default=self.rows)
        longest = -(-self.decoding.max_new_tokens // NEW_BUCKET) * NEW_BUCKET
        self._slots = empty(self.network, self.mesh, self._size, self.padded_length + longest, longest)
        self._places: list[tuple[int, int] | None] = [None] * self._size  # the row in each slot: prompt and sample
        prefix = np.array([self.prompts[0][: self.prefix_length]], np.int32)
        self._prefix = prefix_cache(self.network, self.params, prefix) if self.prefix_length else None

    def _under_way(self) -> int:
        return self._size - self._places.count(None)

    def _advance(self) -> None:
        """Refills free slots, decodes until there are enough of them for the next refill, and collects."""
        while units := self.queue.take(self._places.count(None)):
            self._refill(units)
        if not self.queue:
            self._shrink()
        enough = min(self._size, self.queue.unit * self.queue.group) if self.queue else self._size - self._smaller()
        self._slots, steps = decode(self.network, self.mesh, self.decoding, self.params, self._slots, np.int32(enough))
        self._collect(steps)

    def _refill(self, units: Sequence[_Unit]) -> None:
        group, most = self.queue.group, self.queue.unit
        prompts = np.zeros((group, self.padded_length - self.prefix_length), np.int32)
        lengths = np.full(group, self.prefix_length + 1, np.int32)
        chosen = np.full((group, most), self._size, np.int32)
        keys = np.zeros((group, most, 2), np.uint32)
        free = (slot for slot, row in enumerate(self._places) if row is None)
        for g, unit in enumerate(units):
            rest = self.prompts[unit.prompt][self.prefix_length :]
            prompts[g, : len(rest)], lengths[g] = rest, self.prefix_length + len(rest)
            keys[g, : unit.samples] = self.keys[unit.prompt, unit.first : unit.first + unit.samples]
            for k in range(unit.samples):
                chosen[g, k] = slot = next(free)
                self._places[slot] = (unit.prompt, unit.first + k)
        inputs = (prompts, lengths, chosen, keys)
        self._slots = refill(self.network, self.mesh, self.params, self._slots, self._prefix, *inputs)

    def _smaller(self) -> int:
        """The next smaller number of slots; 0 where there is none."""
        return max((size for size in _sizes(self.rows) if size < self._size), default=0)

    def _shrink(self) -> None:
        """Moves the rows left over into fewer slots, as soon as they fit."""
        while (smaller := self._smaller()) >= max(1, self._under_way()):
            kept = sorted(range(self._size), key=lambda slot: self._places[slot] is None)[:smaller]
            self._size = smaller
            self._slots = compact(self.mesh, self._slots, np.array(kept))
            self._places = [self._places[slot] for slot in kept]

    def _collect(self, steps: jax.Array) -> None:
        slots = self._slots
        ids = slots.ids[:, : self.decoding.max_new_tokens]
        taken, done, *fields = jax.device_get((steps, slots.done, ids, slots.length, slots.logprob, slots.stopped))
        ended = [(slot, row) for slot, row in enumerate(self._places) if row is not None and done[slot]]
        rows = [(*row, Draws(*(field[slot] for field in fields))) for slot, row in ended]
        for slot, _ in ended:
            self._places[slot] = None
        self.drawn.add(int(taken) * self._size, rows)


def _sizes(rows: int) -> list[int]:
    """The numbers of slots there may be, the largest first.

    Not below 128 of them: with fewer rows XLA takes other matrix kernels, whose last bits differ.
    """
    sizes = [rows]
    while sizes[-1] % 2 == 0 and sizes[-1] // 2 >= FEWEST_ROWS:
        sizes.append(sizes[-1] // 2)
    return sizes
