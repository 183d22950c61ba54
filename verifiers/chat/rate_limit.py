"""A rate limit for all workers of one server: how many requests may be in flight, and from when.

Takes the result of each request; lets a worker send the next one when the limit allows it. It does not depend on the
requests.

The limit starts at its maximum. It is halved when the refusals (429, 503, no reply in time) exceed one eighth of the
limit, and grows by one after as many answers as the limit: additive increase, multiplicative decrease, as in TCP (Chiu
and Jain, 1989). A single 429 among many answers costs one wait and leaves the limit unchanged. A refusal of a request
that was sent before the last halving is not counted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque

REFUSED_SHARE = 8


class Pace:
    """The limit on requests in flight, shared by all workers.

    Args:
        most: Requests in flight at once, at most.

    Attributes:
        limit: How many may be in flight now.
        not_before: time.monotonic() before which nothing may be sent.
    """

    def __init__(self, most: int) -> None:
        self.most = self.limit = most
        self.not_before = 0.0
        self._in_flight = self._answered = self._refused = 0
        self._halved_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def restart(self) -> None:
        """Clears what was in flight; the limit stays."""
        self._in_flight = 0
        self._waiting.clear()

    async def enter(self) -> None:
        """Waits until one more request may be in flight, and counts it."""
        while True:
            await self.opened()
            if self._in_flight < self.limit:
                self._in_flight += 1
                return
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place

    async def opened(self) -> None:
        """Waits while all requests are held back, with jitter so that workers do not resume at once."""
        while (seconds := self.not_before - time.monotonic()) > 0:
            await asyncio.sleep(seconds + random.uniform(0, min(1.0, seconds / 10)))

    def leave(self) -> None:
        """The request is no longer in flight."""
        self._in_flight -= 1
        for _ in range(min(len(self._waiting), self.limit - self._in_flight)):
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)

    def answered(self) -> None:
        """A request was answered."""
        self._answered += 1
        if self._answered >= self.limit:
            self.limit = min(self.most, self.limit + 1)
            self._answered = self._refused = 0

    def refused(self, sent_at: float) -> None:
        """A request was refused because there are too many, or it was not answered in time."""
        if sent_at < self._halved_at:
            return
        self._refused += 1
        if self._refused * REFUSED_SHARE > self.limit:
            self.limit = max(1, self.limit // 2)
            self._halved_at = time.monotonic()
            self._answered = self._refused = 0

    def hold(self, seconds: float) -> None:
        """Holds all requests back for at least this many seconds."""
        self.not_before = max(self.not_before, time.monotonic() + seconds)
