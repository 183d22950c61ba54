"""Sends one HTTP request per call, many in parallel, and repeats those that failed.

Takes encoded requests; gives replies as they arrive. What may happen to a request, and what follows:

    usable reply                                    kept
    408, 409, 5xx, reset, deadline, unusable body   sent again after a jittered, growing wait; `max_attempts` in all
    429                                             every worker waits as long as the server asked, then sends again
    400 that names a parameter we can do without    sent again without it, and so are all others
    400, 413, 422                                   `Rejected`: the server will not take this one request; not stored
    quota used up, 401, 403, 404, any other status  `JudgeUnavailable`; stored replies stay
    a web page twice, before any answer             `JudgeUnavailable`: the address is not that of an API

Money: a try is on disk, at its highest cost, before it is sent. That entry is removed with the reply, or when the try
was surely not billed; otherwise it stays. However the process ends, what is stored is therefore at least what the
provider counts, and at most the requests in flight more.

A stop (a fatal answer, a used-up budget, an interrupt) sends nothing more and waits a few seconds for the replies in
flight, which are paid for. A second interrupt ends the wait.

The network runs in a thread of its own and `keep` is called from the caller's thread alone: SQLite connections belong
to one thread, and a slow disk does not delay replies that arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import aiohttp

from restem.verifiers import interruption
from restem.verifiers.chat.budget import NOTHING, Charge
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.one_try import open_session, try_once
from restem.verifiers.chat.rate_limit import Pace
from restem.verifiers.chat.reply import ChatReply, Fault, Rejected, total_seconds
from restem.verifiers.chat.transport import ALL_REJECTED, Keep
from restem.verifiers.verdict import JudgeUnavailable

MAX_BACKOFF_SECONDS = 30.0
BUDGET_SECONDS = 0.01
DRAIN_SECONDS = 5.0
GATHER_SECONDS = 0.001  # what arrives together is stored together: a transaction takes up to 1 ms of processor time

_log = logging.getLogger(__name__)


class LiveTransport:
    """Sends requests one by one, up to `concurrency` at once.

    Attributes:
        pace: How many requests may be in flight; a limit that was lowered for the server is kept between exchanges.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.pace = Pace(endpoint.options.concurrency)

    def exchange(self, bodies: Mapping[str, bytes], keep: Keep) -> None:
        """Sends all requests; calls `keep` as replies arrive, after errors and interrupts too.

        Raises:
            JudgeUnavailable: As `ChatClient.ask` documents.
        """
        ledger = _Ledger()
        network = _Network(self.endpoint, self.pace, bodies, ledger)
        pool = ThreadPoolExecutor(1)
        try:
            # An interrupt may come while the thread starts. Then the pool does not know the thread, and cannot join it.
            future = pool.submit(lambda: asyncio.run(network.run()))
            future.add_done_callback(lambda _: ledger.wake.set())
            try:
                ledger.store_until(future, keep)
            except (KeyboardInterrupt, SystemExit):
                network.stop()
                ledger.store_until(future, keep)
                raise
        finally:
            network.stop(at_once=True)
            pool.shutdown()
            network.ended.wait()
            ledger.store(keep)
        future.result()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Entry:
    """A change of what is sent and not answered, with the reply that brought it about.

    Attributes:
        number: Of the entry in its exchange.
        stored: Ends the wait of the worker that sends only after the entry is on disk.
    """

    number: int
    charge: Charge
    digest: str = ""
    reply: ChatReply | Rejected | None = None
    stored: asyncio.Future[None] | None = None


class _Ledger:
    """What the network has sent and received and the caller has not stored yet, in its order."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self._entries: deque[_Entry] = deque()
        self._numbers = itertools.count()
        self._done = (0, NOTHING)  # the number of the first entry that is not stored, and the sum of those before it

    # called from the network's thread

    def add(self, charge: Charge, **entry: Any) -> None:
        """Adds an entry."""
        self._entries.append(_Entry(number=next(self._numbers), charge=charge, **entry))
        self.wake.set()

    async def stored(self, charge: Charge) -> None:
        """Adds an entry; returns when it and all before it are on disk."""
        stored = asyncio.get_running_loop().create_future()
        self.add(charge, stored=stored)
        await stored

    # called from the caller's thread

    def store_until(self, future: Future[None], keep: Keep) -> None:
        """Stores what arrives until the network has ended."""
        while not future.done():
            interruption.check()
            if not self.wake.wait(interruption.WAIT_SECONDS):
                continue
            time.sleep(GATHER_SECONDS)
            self.wake.clear()
            self.store(keep)

    def store(self, keep: Keep) -> None:
        """Stores what has arrived. An interrupt at any point loses no entry and counts none twice."""
        first, total = self._done
        entries = [entry for entry in list(self._entries) if entry.number >= first]
        if not entries:
            return
        total = sum((entry.charge for entry in entries), total)
        keep({entry.digest: entry.reply for entry in entries if entry.reply is not None}, total)
        self._done = (entries[-1].number + 1, total)
        while self._entries and self._entries[0].number < self._done[0]:
            self._entries.popleft()
        waiting = [entry.stored for entry in entries if entry.stored is not None]
        if waiting and not (loop := waiting[0].get_loop()).is_closed():
            loop.call_soon_threadsafe(_end_waits, waiting)


def _end_waits(waiting: Sequence[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)


class _Network:
    """One event loop, one session, `concurrency` workers on one queue.

    Attributes:
        ended: Not set from the first entry in the ledger to the last one.
    """

    def __init__(self, endpoint: Endpoint, pace: Pace, bodies: Mapping[str, bytes], ledger: _Ledger) -> None:
        self._endpoint = endpoint
        self._options = endpoint.options
        self._pace = pace
        self._ledger = ledger
        self._url = f"{endpoint.base_url}/chat/completions"  # joined once for all requests
        self._queue: Iterator[tuple[str, bytes]] = iter(bodies.items())
        self._count = min(pace.most, len(bodies))
        self._in_flight: set[asyncio.Task[None]] = set()
        self._why = ""
        self._stopping = self._at_once = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ended = threading.Event()
        self.ended.set()

    def stop(self, *, at_once: bool = False) -> None:
        """Sends nothing more; `at_once` does not wait for what is in flight either. For another thread."""
        self._stopping, self._at_once = True, self._at_once or at_once
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Sends all requests in the queue.

        Raises:
            JudgeUnavailable: As in `ask`; the replies in flight were waited for.
        """
        self.ended.clear()
        try:
            await self._run()
        finally:
            self.ended.set()

    async def _run(self) -> None:
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._pace.restart()
        async with open_session(self._endpoint) as session:
            workers = [asyncio.create_task(self._work(session)) for _ in range(self._count)]
            for worker in workers:
                worker.add_done_callback(lambda _: self._changed.set())
            await self._until(lambda: self._stopping or all(worker.done() for worker in workers), None)
            for worker in workers:
                if worker not in self._in_flight:
                    worker.cancel()
            if self._in_flight and not self._at_once:
                _log.info("judge: waiting for %d replies, at most %g s", len(self._in_flight), DRAIN_SECONDS)
                await self._until(lambda: self._at_once or not self._in_flight, DRAIN_SECONDS)
            for worker in workers:
                worker.cancel()
            results = await asyncio.gather(*workers, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._why:
            raise JudgeUnavailable(self._why)

    async def _until(self, condition: Callable[[], bool], seconds: float | None) -> None:
        """Returns when the condition holds, or after the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._changed.wait()
                    self._changed.clear()

    async def _work(self, session: aiohttp.ClientSession) -> None:
        for digest, body in self._queue:
            try:
                await self._answer(session, digest, body)
            except JudgeUnavailable as error:
                self._why = self._why or str(error)
                self._stopping = True
            except BaseException:
                self._stopping = True
                raise
            if self._stopping:
                return

    async def _answer(self, session: aiohttp.ClientSession, digest: str, body: bytes) -> None:
        """Notes the reply to one request, which is tried at most `max_attempts` times; a stop ends the tries."""
        endpoint = self._endpoint
        attempts: list[dict[str, Any]] = []
        faults, limits, pages, waited = 0, 0, 0, 0.0
        while not self._stopping:
            sent = endpoint.wire(body)
            fault = await self._paced_try(session, digest, sent, attempts)
            if fault is None:
                return
            if fault.refused_parameter and f'"{fault.refused_parameter}":'.encode() in sent:
                endpoint.leave_out(fault.refused_parameter)
                continue
            if fault.rejected:
                self._ledger.add(NOTHING, digest=digest, reply=self._rejection(fault, attempts))
                return
            pages += fault.html
            if fault.fatal or (pages > 1 and not endpoint.answered):
                raise JudgeUnavailable(f"{endpoint}: {fault.result}{endpoint.advice(fault)}")
            if fault.limited:
                limits += 1
                # The server's waiting time is trusted once; after a second refusal the wait grows as for other faults.
                trusted = fault.wait_seconds > 0 and limits == 1
                seconds = max(fault.wait_seconds, 0.0 if trusted else self._backoff(limits))
                waited += seconds
                self._pace.hold(seconds)
            else:
                faults += 1
                seconds = self._backoff(faults)
            if faults >= self._options.max_attempts or waited > self._options.max_wait_seconds:
                raise JudgeUnavailable(_gave_up(endpoint, attempts, waited))
            if not fault.limited:
                await asyncio.sleep(seconds)

    async def _paced_try(
        self, session: aiohttp.ClientSession, digest: str, sent: bytes, attempts: list[dict[str, Any]]
    ) -> Fault | None:
        """The fault of one try, which is sent when rate limit and budget allow it.

        None where there is no fault: the reply was noted, or all is to stop and nothing was sent.
        """
        budget, most = self._endpoint.budget, self._endpoint.most(sent)
        reserved = maybe_billed = False
        fault = reply = None
        await self._pace.enter()
        try:
            while not budget.reserve(most):
                await asyncio.sleep(BUDGET_SECONDS)
            reserved = True
            await self._ledger.stored(most)
            await self._pace.opened()  # a 429 may have arrived meanwhile
            if not self._stopping:
                maybe_billed = True
                data = await self._try(session, sent, attempts)
                fault, reply = (data, None) if isinstance(data, Fault) else (None, self._reply(data, attempts, most))
                maybe_billed = fault is not None and fault.maybe_billed
        finally:
            self._pace.leave()
            if reserved:
                budget.settle(most, billed=maybe_billed)
                if not maybe_billed:
                    self._ledger.add(-most, digest=digest, reply=reply)
        return fault

    async def _try(
        self, session: aiohttp.ClientSession, sent: bytes, attempts: list[dict[str, Any]]
    ) -> dict[str, Any] | Fault:
        """The result of one try, which is added to `attempts`; until then it counts as in flight."""
        worker = asyncio.current_task()
        assert worker is not None
        sent_at = time.monotonic()
        self._in_flight.add(worker)
        try:
            data = await try_once(session, self._endpoint, self._url, sent)
        finally:
            self._in_flight.discard(worker)
            self._changed.set()
        attempts.append({"result": "reply", "seconds": round(time.monotonic() - sent_at, 6)})
        if not isinstance(data, Fault):
            self._pace.answered()
            return data
        attempts[-1]["result"] = data.result
        if data.maybe_billed:
            attempts[-1]["maybe_billed"] = True
        if data.overloaded:
            self._pace.refused(sent_at)
        return data

    def _reply(self, data: Mapping[str, Any], attempts: list[dict[str, Any]], most: Charge) -> ChatReply:
        reply = self._endpoint.reply_in(data, attempts, most)
        self._endpoint.budget.spend(reply.model, reply.prompt_tokens, reply.completion_tokens)
        return reply

    def _backoff(self, count: int) -> float:
        """Between half of and the whole of the first wait, doubled with every further one."""
        longest = min(MAX_BACKOFF_SECONDS, self._options.backoff_seconds * 2.0 ** min(count - 1, 30))
        return longest * random.uniform(0.5, 1.0)

    def _rejection(self, fault: Fault, attempts: list[dict[str, Any]]) -> Rejected:
        endpoint = self._endpoint
        endpoint.rejected += 1
        if endpoint.rejected >= ALL_REJECTED and not endpoint.answered:
            raise JudgeUnavailable(f"{endpoint}: rejected each of {endpoint.rejected} requests: {fault.result}")
        return Rejected(reason=f"request rejected: {fault.result}", seconds=total_seconds(attempts))


def _gave_up(endpoint: Endpoint, attempts: Sequence[Mapping[str, Any]], waited: float) -> str:
    return (
        f"{endpoint}: gave up after {len(attempts)} attempts"
        f" and {waited:.0f} s of waiting on 429; the last one: {attempts[-1]['result']}"
    )
