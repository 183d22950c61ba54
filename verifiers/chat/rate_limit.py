"""How many requests may be in flight, and from when: what a server's refusals ask of all workers together.

Takes the result of each request; lets the next one start when it may. It does not depend on the requests.

The limit starts at the most that is allowed. It is halved when refusals (429, 503, no reply in time) are more than one
in eight of what the present limit lets out at once, and grows by one with each limit's worth of answers: additive
increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989). A stray 429 among many answers costs one wait and no
speed; a refusal of a request that was sent before the last halving is no news.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque

REFUSED_SHARE = 8


class Pace:
    """The gate that every try of a request goes through.

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
        """Forgets what was in flight; what was learnt about the server stays."""
        self._in_flight = 0
        self._waiting.clear()

    async def enter(self) -> float:
        """Returns the moment when the request may be sent; waits for it, unevenly, so that workers do not rush back."""
        while True:
            now = time.monotonic()
            if (seconds := self.not_before - now) > 0:
                await asyncio.sleep(seconds + random.uniform(0, min(1.0, seconds / 10)))
            elif self._in_flight >= self.limit:
                place = asyncio.get_running_loop().create_future()
                self._waiting.append(place)
                await place
            else:
                self._in_flight += 1
                return now

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
        """A request was refused for there being too many, or not answered in time."""
        if sent_at < self._halved_at:
            return
        self._refused += 1
        if self._refused * REFUSED_SHARE > self.limit:
            self.limit = max(1, self.limit // 2)
            self._halved_at = time.monotonic()
            self._answered = self._refused = 0

    def hold(self, seconds: float) -> None:
        """Nothing is sent before so many seconds have passed."""
        self.not_before = max(self.not_before, time.monotonic() + seconds)
