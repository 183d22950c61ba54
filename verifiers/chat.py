"""The judge's client: asks chat-completion requests over the openai package and stores each reply before it counts.

Takes lists of messages; gives one reply per list, in order. Owns deadlines, retries and stored calls. Does not know
what is asked, what a reply says, or where calls are stored: it is handed a `CallStore`.

What may happen to a request, and what follows:

    usable reply                                    stored, then returned
    408, 409, 5xx, reset, deadline, unusable body   asked again after a jittered, growing wait; `max_attempts` in all
    429                                             every worker waits as long as the server asked, then asks again
    400, 413, 422                                   `Rejected`: the server will not take this one request; not stored
    quota used up, 401, 403, 404, any other status  `JudgeUnavailable`; what was answered stays stored

The network runs in a thread of its own and the store is called from the caller's thread alone: SQLite connections
belong to one thread, a slow disk does not hold up the network, and an interrupt still finds somebody to save replies.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import math
import os
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Protocol
from urllib.parse import urlsplit

import openai

from verifiers.chat_reply import ChatReply, Fault, Rejected, reply_in, reply_of_row, status_fault, total_seconds, usable
from verifiers.verdict import JudgeUnavailable, UnknownVerifier

type Messages = Sequence[Mapping[str, str]]
type Progress = Callable[[int, int], None]

OFFICIAL_URL = "https://api.openai.com/v1"
STORE_SECONDS = 0.2  # with the write itself, no reply waits longer than a quarter of a second for the disk
STORE_REPLIES = 64
MAX_BACKOFF_SECONDS = 30.0
ALL_REJECTED = 32  # so many rejected requests before the first answer: it is the set-up that is wrong, not the items


class CallStore(Protocol):
    """Where replies are kept: by the hash of the request."""

    def stored_call(self, request_sha256: str) -> dict[str, Any] | None: ...

    def store_calls(self, calls: Sequence[Mapping[str, Any]]) -> None:
        """Adds answered requests; they are safe when this returns."""
        ...


class ChatClient:
    """Asks one model at one address.

    Args:
        model: The model's name at the server.
        calls: Where replies are kept; None keeps nothing beyond one `ask`.
        verifier: The fingerprint written beside every stored call.
        base_url: The server; None takes `OPENAI_BASE_URL`, then OpenAI's own address.
        api_key_env: The environment variable that holds the key. Unset is an error unless a server was named.
        concurrency: Requests in flight at once.
        timeout_seconds: One deadline around a whole request, its body included.
        max_attempts: Tries per request, 429 not counted.
        max_wait_seconds: The longest that 429s may hold one request back, in all.
        backoff_seconds: The first wait between two tries; it doubles.

    Raises:
        JudgeUnavailable: No server was named and the key is not set.
        UnknownVerifier: An option has a value that cannot be meant.
    """

    def __init__(
        self,
        *,
        model: str,
        calls: CallStore | None = None,
        verifier: str = "",
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        timeout_seconds: float = 60.0,
        max_attempts: int = 6,
        temperature: float = 0.0,
        max_tokens: int = 16,
        max_wait_seconds: float = 600.0,
        backoff_seconds: float = 0.5,
    ) -> None:
        at_least(1, whole=True, concurrency=concurrency, max_attempts=max_attempts, max_tokens=max_tokens)
        at_least(0, temperature=temperature, max_wait_seconds=max_wait_seconds, backoff_seconds=backoff_seconds)
        at_least(0.001, timeout_seconds=timeout_seconds)
        self.model = model
        self.verifier = verifier
        self.base_url = server_address(base_url)
        self.endpoint = "loopback" if is_loopback(self.base_url) else self.base_url
        self.concurrency = concurrency
        self.timeout_seconds = timeout_seconds
        self.max_attempts = max_attempts
        self.max_wait_seconds = max_wait_seconds
        self.backoff_seconds = backoff_seconds
        self._parameters = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
        self._calls = calls
        self._key = _key(api_key_env, named=self.base_url != OFFICIAL_URL)
        self._secrets = _secrets(self._key)
        self.not_before = 0.0  # time.monotonic() before which no worker may send
        self.answered = self.rejected = 0

    def ask(self, requests: Sequence[Messages], progress: Progress | None = None) -> list[ChatReply | Rejected]:
        """One reply per request, in order; equal requests are asked once, stored ones not at all.

        Args:
            requests: The messages of each request.
            progress: Called with (answered, to be asked) whenever replies were stored.

        Raises:
            JudgeUnavailable: The server refuses the key, the quota is used up, or it cannot be reached.
        """
        digests: list[str] = []
        known: dict[str, ChatReply | Rejected] = {}
        unasked: dict[str, bytes] = {}
        for messages in requests:
            body = json.dumps({**self._parameters, "messages": messages}).encode()
            # Where it is asked belongs to the question: the same model name means another model elsewhere.
            digest = hashlib.sha256(f"{self.endpoint}\n".encode() + body).hexdigest()
            digests.append(digest)
            if digest in known or digest in unasked:
                continue
            stored = self._calls.stored_call(digest) if self._calls else None
            if stored is None:
                unasked[digest] = body
            else:
                known[digest] = reply_of_row(stored)
        if unasked:
            self._exchange(unasked, known, progress)
        return [known[digest] for digest in digests]

    def redacted(self, text: str) -> str:
        """The text without the key or anything that looks like one, in characters that every file can hold."""
        text = self._secrets.sub("[key]", text)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()

    def _exchange(
        self, unasked: Mapping[str, bytes], known: dict[str, ChatReply | Rejected], progress: Progress | None
    ) -> None:
        """Asks what is unasked and adds it to `known`, storing as it goes."""
        exchange = _Exchange(self, self._key, unasked)
        done = 0

        def collect() -> None:
            nonlocal done
            replies = exchange.take()
            self._store(replies, unasked)
            known.update(replies)
            done += len(replies)
            if replies and progress:
                progress(done, len(unasked))

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(asyncio.run, exchange.run())
            future.add_done_callback(lambda _: exchange.wake.set())
            try:
                while not future.done():
                    exchange.wake.wait(STORE_SECONDS)
                    exchange.wake.clear()
                    collect()
            finally:
                exchange.stop()
                wait([future])
                collect()
            future.result()

    def _store(self, replies: Mapping[str, ChatReply | Rejected], bodies: Mapping[str, bytes]) -> None:
        rows = [
            self._row(digest, bodies[digest], reply)
            for digest, reply in replies.items()
            if isinstance(reply, ChatReply)
        ]
        if rows and self._calls:
            self._calls.store_calls(rows)

    def _row(self, digest: str, body: bytes, reply: ChatReply) -> dict[str, Any]:
        return {
            "request_sha256": digest,
            "verifier": self.verifier,
            "request": self.redacted(body.decode()),
            # The table has one column for what was said; `finish_reason` tells a refusal from an answer.
            "reply": reply.text if reply.refusal is None else reply.refusal,
            "finish_reason": reply.finish_reason,
            "model": reply.model,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "attempts": json.dumps(reply.attempts),
            "seconds": reply.seconds,
            "time": time.time(),
        }


class _Exchange:
    """The network side of one `ask`: one event loop, one openai client, `concurrency` workers on one queue."""

    def __init__(self, chat: ChatClient, key: str, bodies: Mapping[str, bytes]) -> None:
        self.wake = threading.Event()
        self._chat = chat
        self._key = key
        self._queue: Iterator[tuple[str, bytes]] = iter(bodies.items())
        self._workers = min(chat.concurrency, len(bodies))
        self._replies: deque[tuple[str, ChatReply | Rejected]] = deque()
        self._stopped = False
        self._cancel: Callable[[], object] | None = None

    def take(self) -> dict[str, ChatReply | Rejected]:
        """The replies that came since the last call."""
        return dict(self._replies.popleft() for _ in range(len(self._replies)))

    def stop(self) -> None:
        """Ends the exchange from another thread; a finished one does not mind."""
        self._stopped = True
        if self._cancel is not None:
            self._cancel()

    async def run(self) -> None:
        """Asks everything in the queue.

        Raises:
            JudgeUnavailable: As in `ask`; all other workers are stopped first.
        """
        self._offer_cancel()
        unavailable: JudgeUnavailable | None = None
        async with _openai_client(self._chat.base_url, self._key) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._workers):
                        group.create_task(self._work(client))
            except* JudgeUnavailable as failures:
                unavailable = JudgeUnavailable(str(failures.exceptions[0]))
        if unavailable is not None:  # raised out here, it drags no error behind it that knows the request's headers
            raise unavailable

    def _offer_cancel(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        self._cancel = cancel
        if self._stopped:  # stop() came before there was anything to cancel
            task.cancel()

    async def _work(self, client: openai.AsyncOpenAI) -> None:
        for digest, body in self._queue:
            self._replies.append((digest, await self._answer(client, body)))
            if len(self._replies) >= STORE_REPLIES:
                self.wake.set()

    async def _answer(self, client: openai.AsyncOpenAI, body: bytes) -> ChatReply | Rejected:
        """The reply to one request, after as many tries as it is allowed."""
        chat = self._chat
        attempts: list[dict[str, Any]] = []
        faults, limits, waited = 0, 0, 0.0
        while True:
            await self._turn()
            started = time.monotonic()
            data = await self._try(client, body)
            attempts.append({"result": "reply", "seconds": round(time.monotonic() - started, 6)})
            if not isinstance(data, Fault):
                chat.answered += 1
                return reply_in(data, attempts, chat.redacted)
            attempts[-1]["result"] = data.result
            if data.rejected:
                return self._rejection(data, attempts)
            if data.fatal:
                raise JudgeUnavailable(f"judge {chat.model!r} at {chat.base_url}: {data.result}")
            if data.limited:
                limits += 1
                seconds = max(data.wait_seconds, self._backoff(limits))
                waited += seconds
                chat.not_before = max(chat.not_before, time.monotonic() + seconds)
            else:
                faults += 1
                seconds = self._backoff(faults)
            if faults >= chat.max_attempts or waited > chat.max_wait_seconds:
                raise JudgeUnavailable(_gave_up(chat, attempts, waited))
            if not data.limited:
                await asyncio.sleep(seconds)

    async def _turn(self) -> None:
        """Returns when no 429 holds this client back; waits a little unevenly, so that workers do not rush back."""
        while (seconds := self._chat.not_before - time.monotonic()) > 0:
            await asyncio.sleep(seconds + random.uniform(0, min(1.0, seconds / 10)))

    def _backoff(self, count: int) -> float:
        """Between half of and the whole of the first wait, doubled with every further one."""
        longest = min(MAX_BACKOFF_SECONDS, self._chat.backoff_seconds * 2.0 ** min(count - 1, 30))
        return longest * random.uniform(0.5, 1.0)

    def _rejection(self, fault: Fault, attempts: list[dict[str, Any]]) -> Rejected:
        chat = self._chat
        chat.rejected += 1
        if chat.rejected >= ALL_REJECTED and not chat.answered:
            raise JudgeUnavailable(
                f"judge {chat.model!r} at {chat.base_url}: rejected each of {chat.rejected} requests: {fault.result}"
            )
        return Rejected(reason=fault.result, seconds=total_seconds(attempts))

    async def _try(self, client: openai.AsyncOpenAI, body: bytes) -> dict[str, Any] | Fault:
        """The decoded body of a usable reply, or what went wrong.

        The client's untyped `post` sends the bytes that were hashed and leaves the body as plain JSON: about half the
        processor time of `chat.completions.create`, which models every field of a reply of which five are read.
        """
        try:
            async with asyncio.timeout(self._chat.timeout_seconds):
                data = await client.post("/chat/completions", cast_to=object, content=body)
        except TimeoutError:
            return Fault(result=f"no whole reply within {self._chat.timeout_seconds:g} s")
        except openai.APIStatusError as error:
            return status_fault(error, self._chat.redacted)
        except (openai.APIConnectionError, openai.APIResponseValidationError) as error:
            return Fault(result=f"{type(error).__name__} ({type(error.__cause__).__name__})")
        except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
            return Fault(result=f"unreadable body ({type(error).__name__})")
        return data if usable(data) else Fault(result="no usable choice in the reply")


def at_least(least: float, *, whole: bool = False, **options: float) -> None:
    """Checks numeric options.

    Raises:
        UnknownVerifier: One is not a finite (or not a whole) number, or is too small.
    """
    for name, value in options.items():
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < least:
            expected = f"a {'whole ' if whole else ''}number of at least {least:g}"
            raise UnknownVerifier(f"judge: option {name}: found {value!r}, expected {expected}")


def server_address(base_url: str | None) -> str:
    """The address that is asked, without a trailing slash.

    Raises:
        UnknownVerifier: It is no web address, or it holds credentials, which would be written into the run.
    """
    address = (base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL_URL).rstrip("/")
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise UnknownVerifier(f"judge: option base_url: found {address!r}, expected http(s)://host[:port]/path")
    if "@" in urlsplit(address).netloc:
        raise UnknownVerifier("judge: option base_url: holds credentials; name them by api_key_env instead")
    return address


def is_loopback(address: str) -> bool:
    """Whether the server runs on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(variable: str, *, named: bool) -> str:
    """The key; empty where a server that was named may do without one."""
    key = os.environ.get(variable, "").strip()
    if not key and not named:
        raise JudgeUnavailable(f"judge: no key: set the environment variable {variable}, or name a server by base_url")
    if not (key.isascii() and key.isprintable()):
        raise JudgeUnavailable(f"judge: the environment variable {variable} holds characters that no key has")
    return key


def _secrets(key: str) -> re.Pattern[str]:
    """What is never written. A key such as `none` or `1` is no secret, and its letters stand in honest replies."""
    looks_like_one = r"\bsk-[\w*-]{8,}"
    return re.compile(f"{re.escape(key)}|{looks_like_one}" if len(key) >= 8 else looks_like_one)


def _openai_client(base_url: str, key: str) -> openai.AsyncOpenAI:
    local = is_loopback(base_url)
    # No proxy of the environment stands between a machine and itself, and its certificates, which take 20 ms to load,
    # prove nothing. A redirect is not followed: key and questions go to the named server alone. The only deadline is
    # ours: the client's own is per read and never ends a slow drip.
    http_client = openai.DefaultAsyncHttpxClient(
        trust_env=not local, verify=not local, follow_redirects=False, timeout=None
    )
    return openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        timeout=None,
        http_client=http_client,
        _strict_response_validation=True,
    )


def _gave_up(chat: ChatClient, attempts: Sequence[Mapping[str, Any]], waited: float) -> str:
    return (
        f"judge {chat.model!r} at {chat.base_url}: gave up after {len(attempts)} attempts"
        f" and {waited:.0f} s of waiting on 429; the last one: {attempts[-1]['result']}"
    )
