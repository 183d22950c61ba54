"""The judge's client: asks chat-completion requests over the openai package and stores each reply before it counts.

Takes requests; gives one reply per request, in order. Owns what is sent, what is stored and what is kept secret. Does
not know what is asked, what a reply says, or where calls are stored: it is handed a `CallStore`. How requests travel
stands in chat_live.py (one by one, at once) and chat_batch.py (as files, within a day).

A request is stored under the hash of what was meant, not of what one model made of it: a model that refuses
`max_tokens`, `temperature` or `seed` is sent the request without it from then on, and its replies are still found.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from restem.verifiers.chat import batch as chat_batch
from restem.verifiers.chat import live
from restem.verifiers.chat.budget import Budget, Prices
from restem.verifiers.chat.rate_limit import Pace
from restem.verifiers.chat.reply import ChatReply, Rejected, reply_of_row
from restem.verifiers.options import LOOKS_LIKE_A_KEY, at_least, names_a_variable, no_secret, true_or_false
from restem.verifiers.verdict import JudgeUnavailable, UnknownVerifier

Messages: TypeAlias = Sequence[Mapping[str, str]]
Progress: TypeAlias = Callable[[int, int], None]
Replies: TypeAlias = dict[str, ChatReply | Rejected]

_log = logging.getLogger(__name__)

OFFICIAL_URL = "https://api.openai.com/v1"
TOP_LOGPROBS = 20  # the most that OpenAI gives
# A model that insists on `max_completion_tokens` counts its hidden reasoning in: so much is let in for it.
REASONING_TOKENS = 2_048
NOT_STORED = "not stored: the judge is offline"


class CallStore(Protocol):
    """Where replies are kept: by the hash of the request."""

    def stored_call(self, request_sha256: str) -> dict[str, Any] | None: ...

    def store_calls(self, calls: Sequence[Mapping[str, Any]]) -> None:
        """Adds answered requests; they are safe when this returns."""
        ...

    def spent(self, verifier: str) -> Sequence[tuple[str, int, int, int]]:
        """Model that answered, calls, prompt tokens and completion tokens of a verifier's stored calls."""
        ...

    def log(self, kind: str, **detail: Any) -> None:
        """Adds an event."""
        ...

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """The details of all events of a kind, in their order."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """One request.

    Attributes:
        messages: What is said.
        max_tokens: The longest reply; None takes the client's.
        seed: Tells equal requests apart that are to be answered more than once; None sends none.
    """

    messages: Messages
    max_tokens: int | None = None
    seed: int | None = None


class ChatClient:
    """Asks one model at one address.

    Args:
        model: The model's name at the server.
        calls: Where replies are kept; None keeps nothing beyond one `ask`.
        verifier: The fingerprint written beside every stored call.
        budget: What may be spent; None is no limit.
        base_url: The server; None takes `OPENAI_BASE_URL`, then OpenAI's own address.
        api_key_env: The environment variable that holds the key. Unset is an error unless a server was named.
        concurrency: Requests in flight at once, at most; fewer where the server refuses.
        timeout_seconds: One deadline around a whole request, its body included.
        max_attempts: Tries per request, 429 not counted.
        max_tokens: The longest reply.
        logprobs: Whether to ask for log-probabilities.
        max_wait_seconds: The longest that 429s may hold one request back, in all.
        backoff_seconds: The first wait between two tries; it doubles.
        offline: Whether to send nothing: stored replies, and `Rejected` for the rest. Needs no key.
        batch: Whether to send requests by OpenAI's Batch API: half the price, within a day.
        poll_seconds: The wait between two looks at a batch.

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
        budget: Budget | None = None,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        timeout_seconds: float = 60.0,
        max_attempts: int = 6,
        temperature: float = 0.0,
        max_tokens: int = 16,
        logprobs: bool = False,
        max_wait_seconds: float = 600.0,
        backoff_seconds: float = 0.5,
        offline: bool = False,
        batch: bool = False,
        poll_seconds: float = 15.0,
    ) -> None:
        at_least(1, whole=True, concurrency=concurrency, max_attempts=max_attempts, max_tokens=max_tokens)
        at_least(0, temperature=temperature, max_wait_seconds=max_wait_seconds, backoff_seconds=backoff_seconds)
        at_least(0.001, timeout_seconds=timeout_seconds, poll_seconds=poll_seconds)
        true_or_false(offline=offline, batch=batch)
        no_secret(model=model, base_url=base_url)
        names_a_variable(api_key_env=api_key_env)
        self.model = model
        self.verifier = verifier
        self.base_url = server_address(base_url)
        self.endpoint = "loopback" if is_loopback(self.base_url) else self.base_url
        self.temperature, self.max_tokens = temperature, max_tokens
        self.timeout_seconds = timeout_seconds
        self.max_attempts = max_attempts
        self.max_wait_seconds = max_wait_seconds
        self.backoff_seconds = backoff_seconds
        self.poll_seconds = poll_seconds
        self.pace = Pace(concurrency)
        self.budget = budget or Budget(Prices({}, model))
        self.calls = calls
        self.answered = self.rejected = 0
        self._parameters: dict[str, Any] = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
        if logprobs:
            self._parameters |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        self._offline, self._batch = offline, batch
        self._refused: set[str] = set()
        self._rejected: Replies = {}  # asked once, not stored: another try would be refused as well
        self._key = "" if offline else _key(api_key_env, named=self.base_url != OFFICIAL_URL)
        self._secrets = _secrets(self._key)

    def ask(self, requests: Sequence[ChatRequest], progress: Progress | None = None) -> list[ChatReply | Rejected]:
        """One reply per request, in order; equal requests are asked once, stored ones not at all.

        Args:
            requests: What is asked.
            progress: Called with (answered, to be asked) whenever replies were stored.

        Raises:
            JudgeUnavailable: The server refuses the key, the quota or budget is used up, or it cannot be reached.
        """
        digests: list[str] = []
        known: Replies = {}
        unasked: dict[str, bytes] = {}
        for request in requests:
            body = self._body(request)
            # Where it is asked belongs to the question: the same model name means another model elsewhere.
            digest = hashlib.sha256(f"{self.endpoint}\n".encode() + body).hexdigest()
            digests.append(digest)
            if digest in known or digest in unasked:
                continue
            stored = self.calls.stored_call(digest) if self.calls else None
            if digest in self._rejected:
                known[digest] = self._rejected[digest]
            elif stored is None:
                unasked[digest] = body
            else:
                known[digest] = reply_of_row(stored)
        if unasked:
            self._exchange(unasked, known, progress)
        return [known[digest] for digest in digests]

    def _body(self, request: ChatRequest) -> bytes:
        """What is meant; `wire` says what is sent."""
        parameters = dict(self._parameters)
        if request.max_tokens is not None:
            parameters["max_tokens"] = request.max_tokens
        if request.seed is not None:
            parameters["seed"] = request.seed
        return json.dumps({**parameters, "messages": request.messages}).encode()

    def _exchange(self, unasked: Mapping[str, bytes], known: Replies, progress: Progress | None) -> None:
        """Asks what is unasked and adds it to `known`, storing as it goes."""
        if self._offline:
            known |= {digest: Rejected(reason=NOT_STORED, seconds=0.0) for digest in unasked}
            return
        if self.budget.limited and self.calls:
            self.budget.restart(self.calls.spent(self.verifier))
        exchange = chat_batch.exchange if self._batch else live.exchange
        done = 0

        def keep(replies: Replies) -> None:
            nonlocal done
            self._store(replies, unasked)
            known.update(replies)
            self._rejected |= {digest: reply for digest, reply in replies.items() if isinstance(reply, Rejected)}
            done += len(replies)
            if replies and progress:
                progress(done, len(unasked))

        exchange(self, self._key, unasked, keep)

    # what is sent

    def wire(self, body: bytes) -> bytes:
        """The request as this server takes it."""
        if not self._refused:
            return body
        request = json.loads(body)
        for parameter in self._refused & request.keys():
            value = request.pop(parameter)
            if parameter == "max_tokens":  # more for a second try that was cut off too
                request["max_completion_tokens"] = value + REASONING_TOKENS * max(1, value // self.max_tokens)
        return json.dumps(request).encode()

    def leave_out(self, parameter: str) -> None:
        """From now on no request holds this parameter; `max_tokens` is called `max_completion_tokens` instead."""
        if parameter not in self._refused:
            self._refused.add(parameter)
            instead = "sent as max_completion_tokens" if parameter == "max_tokens" else "left out"
            _log.warning("judge %r takes no %s: %s from now on", self.model, parameter, instead)

    def most_tokens(self, body: bytes) -> tuple[int, int]:
        """The most prompt and completion tokens that a request can cost: a token is at least one byte of it."""
        request = json.loads(self.wire(body)) if self.budget.limited else {}
        return len(body), request.get("max_completion_tokens") or request.get("max_tokens") or 0

    @property
    def left_out(self) -> list[str]:
        """The parameters that this server refused."""
        return sorted(self._refused)

    # what is stored

    def redacted(self, text: str) -> str:
        """The text without the key or anything that looks like one, in characters that every file can hold."""
        text = self._secrets.sub("[key]", text)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()

    def _store(self, replies: Replies, bodies: Mapping[str, bytes]) -> None:
        rows = [
            self._row(digest, bodies[digest], reply)
            for digest, reply in replies.items()
            if isinstance(reply, ChatReply)
        ]
        if rows and self.calls:
            self.calls.store_calls(rows)

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
            "logprob_1": reply.logprob_1,
            "logprob_0": reply.logprob_0,
        }


def server_address(base_url: str | None) -> str:
    """The address that is asked, without a trailing slash.

    Raises:
        UnknownVerifier: It is no web address, or it holds credentials, or a query, which may be one: they would be
            written into the run. No message repeats them.
    """
    address = (base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL_URL).rstrip("/")
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise UnknownVerifier("judge: option base_url: no web address; expected http(s)://host[:port]/path")
    if "@" in urlsplit(address).netloc or {"?", "#"} & set(address):
        raise UnknownVerifier(
            "judge: option base_url: holds credentials or a query; expected http(s)://host[:port]/path, and the key in"
            " the variable named by api_key_env"
        )
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
    return re.compile(f"{re.escape(key)}|{LOOKS_LIKE_A_KEY}" if len(key) >= 8 else LOOKS_LIKE_A_KEY)
