"""What the threads of several devices share while they sample: the samples still to draw, and those that are drawn.

Takes numbers of prompts and samples, then finished samples; gives units of work, then the draws of complete prompts in
the order of the prompts. Does not depend on networks or devices.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Draws(NamedTuple):
    """The samples of prompts: B prompts, K samples of each, N tokens of each at most.

    Attributes:
        ids: Tokens drawn, the stop token included, padded with 0.
        lengths: Number of tokens drawn.
        logprobs: Sum of the drawn tokens' log-probabilities under the sampling distribution, in nats.
        stopped: Whether a stop token ended the sample; otherwise the limit did.
    """

    ids: Int[np.ndarray, "*B K N"]
    lengths: Int[np.ndarray, "*B K"]
    logprobs: Float[np.ndarray, "*B K"]
    stopped: Bool[np.ndarray, "*B K"]


@dataclasses.dataclass
class Work:
    """What sampling cost: decoding steps times slots, and how many of them drew a token of a sample."""

    slot_steps: int = 0
    useful: int = 0


class Unit(NamedTuple):
    """Samples of one prompt that enter slots together, from index `first` on."""

    prompt: int
    first: int
    samples: int


class Finished(NamedTuple):
    """A sample that has ended; the fields of `draw` have neither prompt nor sample axis."""

    prompt: int
    sample: int
    draw: Draws


class WorkQueue:
    """The units that no device has taken yet.

    Args:
        prompts: Number of prompts.
        samples: Samples of each.
        together: Slots of a device that are refilled at once. A device waits until so many are free, however few
            prompts there are: another batch shape would change the last bits of the results.

    Attributes:
        unit: Samples in a unit, nearly equal in all, so that a refill has one shape. K = 50 samples enter as 2 x 25
            where 32 slots are refilled together.
        group: Units in a refill.
        closed: Whether the caller wants no more samples, not even those that are being drawn.
    """

    def __init__(self, prompts: int, samples: int, together: int) -> None:
        self.unit = -(-samples // -(-samples // together))
        self.group = together // self.unit
        self.closed = False
        self._units = deque(
            Unit(prompt, first, min(self.unit, samples - first))
            for prompt in range(prompts)
            for first in range(0, samples, self.unit)
        )
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Units left."""
        return len(self._units)

    def take(self, free: int) -> list[Unit]:
        """The next group of units if this many slots hold it, else an empty list."""
        with self._lock:
            units = [self._units[i] for i in range(min(self.group, len(self._units)))]
            if sum(unit.samples for unit in units) > free:
                return []
            for _ in units:
                self._units.popleft()
            return units

    def close(self) -> None:
        """Makes all devices stop."""
        self.closed = True


class Collector:
    """Finished samples, until the caller takes them; and what drawing them cost."""

    def __init__(self, prompts: int, samples: int, work: Work) -> None:
        self.work = work
        self._samples = samples
        self._missing = [samples] * prompts
        self._draws: dict[int, Draws] = {}
        self._changed = threading.Condition()
        self._failed = False

    def add(self, slot_steps: int, finished: Sequence[Finished]) -> None:
        """Adds samples that have ended, and the work of the device since its last call."""
        with self._changed:
            self.work.slot_steps += slot_steps
            for prompt, sample, draw in finished:
                if prompt not in self._draws:
                    self._draws[prompt] = Draws(
                        *(np.zeros((self._samples, *field.shape), field.dtype) for field in draw)
                    )
                for whole, field in zip(self._draws[prompt], draw, strict=True):
                    whole[sample] = field
                self.work.useful += int(draw.lengths)
                self._missing[prompt] -= 1
            self._changed.notify()

    def fail(self) -> None:
        """Records that a device has failed, so that some samples will never be added."""
        with self._changed:
            self._failed = True
            self._changed.notify()

    def take(self, start: int) -> list[Draws]:
        """Waits for prompt `start`, then removes and gives its draws and those of the complete prompts after it.

        An empty list: a device has failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failed or self._missing[start] == 0)
            ready: list[Draws] = []
            while start < len(self._missing) and self._missing[start] == 0:
                ready.append(self._draws.pop(start))
                start += 1
            return ready
