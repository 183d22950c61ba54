"""Sends one HTTP request per call, many in parallel, and repeats those that failed.

Takes encoded requests; gives replies as they arrive. What may happen to a request, and what follows:

    usable reply                                    kept
    408, 409, 5xx, reset, deadline, unusable body   sent again after a jittered, growing wait; `max_attempts` in all
    429                                             every worker waits as long as the server asked, then sends again
    400 that names a parameter we can do without    sent again without it, and so are all others
    400, 413, 422                                   `Rejected`: the server will not take this one request; not stored
    quota used up, 401, 403, 404, any other status  `JudgeUnavailable`; stored replies stay
    a web page twice, before any answer             `JudgeUnavailable`: the address is not that of an API

The network runs in a thread of its own and `keep` is called from the caller's thread alone: SQLite connections belong
to one thread, a slow disk does not delay the network, and after an interrupt the caller still stores the last replies.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, cast

import aiohttp
import openai

from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.rate_limit import Pace
from restem.verifiers.chat.reply import (
    ChatReply,
    Fault,
    Rejected,
    is_html,
    reply_in,
    status_fault,
    total_seconds,
    usable,
)
from restem.verifiers.chat.transport import ALL_REJECTED, Keep, Replies
from restem.verifiers.verdict import JudgeUnavailable

STORE_SECONDS = 0.2  # with the write itself, no reply waits longer than a quarter of a second for the disk
STORE_REPLIES = 64
MAX_BACKOFF_SECONDS = 30.0
BUDGET_SECONDS = 0.01
# Headers in which the openai package describes this machine. The server does not need them, and they take a tenth of a
# request's processor time.
TELEMETRY_HEADERS = (
    *("X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime"),
    *("X-Stainless-Runtime-Version", "X-Stainless-Async"),
)


class LiveTransport:
    """Sends requests one by one, up to `concurrency` at once.

    Attributes:
        pace: How many requests may be in flight; a limit that was lowered for the server is kept between exchanges.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.pace = Pace(endpoint.options.concurrency)

    def exchange(self, bodies: Mapping[str, bytes], keep: Keep) -> None:
        """Sends all requests; calls `keep` several times a second and at the end, after errors too.

        Raises:
            JudgeUnavailable: As `ChatClient.ask` documents.
        """
        network = _Network(self.endpoint, self.pace, bodies)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(asyncio.run, network.run())
            future.add_done_callback(lambda _: network.wake.set())
            try:
                while not future.done():
                    network.wake.wait(STORE_SECONDS)
                    network.wake.clear()
                    keep(network.take())
            finally:
                network.stop()
                wait([future])
                keep(network.take())
            future.result()


class _Network:
    """One event loop, one openai client, `concurrency` workers on one queue."""

    def __init__(self, endpoint: Endpoint, pace: Pace, bodies: Mapping[str, bytes]) -> None:
        self.wake = threading.Event()
        self._endpoint = endpoint
        self._options = endpoint.options
        self._pace = pace
        self._url = f"{endpoint.base_url}/chat/completions"  # joined once for all requests
        self._queue: Iterator[tuple[str, bytes]] = iter(bodies.items())
        self._workers = min(pace.most, len(bodies))
        self._replies: deque[tuple[str, ChatReply | Rejected]] = deque()
        self._stopped = False
        self._cancel: Callable[[], object] | None = None

    def take(self) -> Replies:
        """The replies that arrived since the last call."""
        return dict(self._replies.popleft() for _ in range(len(self._replies)))

    def stop(self) -> None:
        """Ends the exchange from another thread; does nothing where it has ended."""
        self._stopped = True
        if self._cancel is not None:
            self._cancel()

    async def run(self) -> None:
        """Sends all requests in the queue.

        Raises:
            JudgeUnavailable: As in `ask`; all other workers are stopped first.
        """
        self._set_cancel()
        self._pace.restart()
        unavailable: JudgeUnavailable | None = None
        async with _openai_client(self._endpoint) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._workers):
                        group.create_task(self._work(client))
            except* JudgeUnavailable as failures:
                unavailable = JudgeUnavailable(str(failures.exceptions[0]))
        if unavailable is not None:  # raised outside of `except`, so that it has no cause that holds the headers
            raise unavailable

    def _set_cancel(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        self._cancel = cancel
        if self._stopped:  # stop() was called before there was a task to cancel
            task.cancel()

    async def _work(self, client: openai.AsyncOpenAI) -> None:
        for digest, body in self._queue:
            reserved = await self._reserve(body)
            reply = await self._answer(client, body)
            self._endpoint.budget.settle(reserved)
            if isinstance(reply, ChatReply):
                self._endpoint.budget.spend(reply.model, reply.prompt_tokens, reply.completion_tokens)
            self._replies.append((digest, reply))
            if len(self._replies) >= STORE_REPLIES:
                self.wake.set()

    async def _reserve(self, body: bytes) -> float:
        """Reserves the highest cost of the request; waits while requests in flight may release a part of theirs."""
        endpoint = self._endpoint
        while (reserved := endpoint.budget.reserve(*endpoint.most_tokens(body))) is None:
            await asyncio.sleep(BUDGET_SECONDS)
        return reserved

    async def _answer(self, client: openai.AsyncOpenAI, body: bytes) -> ChatReply | Rejected:
        """The reply to one request, tried at most `max_attempts` times."""
        endpoint = self._endpoint
        attempts: list[dict[str, Any]] = []
        faults, limits, pages, waited = 0, 0, 0, 0.0
        while True:
            sent = endpoint.wire(body)
            data = await self._paced_try(client, sent, attempts)
            if not isinstance(data, Fault):
                endpoint.answered += 1
                return reply_in(data, attempts, endpoint.redacted)
            if data.refused_parameter and f'"{data.refused_parameter}":'.encode() in sent:
                endpoint.leave_out(data.refused_parameter)
                continue
            if data.rejected:
                return self._rejection(data, attempts)
            pages += data.html
            if data.fatal or (pages > 1 and not endpoint.answered):
                raise JudgeUnavailable(f"{endpoint}: {data.result}{endpoint.advice(data)}")
            if data.limited:
                limits += 1
                # The server's waiting time is trusted once; after a second refusal the wait grows as for other faults.
                trusted = data.wait_seconds > 0 and limits == 1
                seconds = max(data.wait_seconds, 0.0 if trusted else self._backoff(limits))
                waited += seconds
                self._pace.hold(seconds)
            else:
                faults += 1
                seconds = self._backoff(faults)
            if faults >= self._options.max_attempts or waited > self._options.max_wait_seconds:
                raise JudgeUnavailable(_gave_up(endpoint, attempts, waited))
            if not data.limited:
                await asyncio.sleep(seconds)

    async def _paced_try(
        self, client: openai.AsyncOpenAI, body: bytes, attempts: list[dict[str, Any]]
    ) -> dict[str, Any] | Fault:
        """The result of one try, sent when the rate limit allows it; adds the try to `attempts`."""
        pace = self._pace
        sent_at = await pace.enter()
        try:
            data = await self._try(client, body)
        finally:
            pace.leave()
        result = data.result if isinstance(data, Fault) else "reply"
        attempts.append({"result": result, "seconds": round(time.monotonic() - sent_at, 6)})
        if not isinstance(data, Fault):
            pace.answered()
            if self._endpoint.left_out:
                attempts[-1]["left_out"] = self._endpoint.left_out
        elif data.overloaded:
            pace.refused(sent_at)
        return data

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

    async def _try(self, client: openai.AsyncOpenAI, body: bytes) -> dict[str, Any] | Fault:
        """The decoded body of a usable reply, or the fault.

        The client's untyped `post` sends the bytes that were hashed and leaves the body as plain JSON: about half the
        processor time of `chat.completions.create`, which validates every field of a reply; five of them are used.
        """
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                data = await client.post(self._url, cast_to=object, content=body)
        except TimeoutError:
            return Fault(result=f"no whole reply within {self._options.timeout_seconds:g} s", overloaded=True)
        except openai.APIStatusError as error:
            return status_fault(error, self._endpoint.redacted)
        # `type(error)` alone would mislead: the package reports a closed connection as a timeout. aiohttp's own errors
        # come through unchanged where a reply is not HTTP.
        except (openai.APIConnectionError, aiohttp.ClientError) as error:
            return Fault(result=f"APIConnectionError ({type(_root(error)).__name__})")
        except openai.APIResponseValidationError as error:
            html = isinstance(error.body, str) and is_html(error.body)
            return Fault(result=f"{type(error).__name__} ({type(_root(error)).__name__})", html=html)
        except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
            return Fault(result=f"unreadable body ({type(error).__name__})")
        return data if usable(data) else Fault(result="no usable choice in the reply")


def _root(error: BaseException) -> BaseException:
    """The first cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _openai_client(endpoint: Endpoint) -> openai.AsyncOpenAI:
    local = endpoint.local
    # aiohttp's transport takes 0.6 of the processor time of the default one. A loopback server needs no proxy and no
    # certificates, which take 20 ms to load. Redirects are not followed: key and questions go to no other server.
    # The only deadline is that of `_try`: the client's own is per read and does not end a reply that arrives slowly.
    http_client = openai.DefaultAioHttpClient(
        trust_env=not local, verify=not local, follow_redirects=False, timeout=None
    )
    return openai.AsyncOpenAI(
        api_key=endpoint.key or "none",
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=None,
        http_client=http_client,
        default_headers=dict.fromkeys(TELEMETRY_HEADERS, cast(str, openai.Omit())),
        _strict_response_validation=True,
    )


def _gave_up(endpoint: Endpoint, attempts: Sequence[Mapping[str, Any]], waited: float) -> str:
    return (
        f"{endpoint}: gave up after {len(attempts)} attempts"
        f" and {waited:.0f} s of waiting on 429; the last one: {attempts[-1]['result']}"
    )
