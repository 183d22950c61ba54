"""Sends requests as files by OpenAI's Batch API: half the price, replies within a day.

Takes encoded requests; gives replies once their batch has ended. Each sent batch is stored as an event (`judge_batch`)
before the command waits for it, and a batch carries a hash of its requests. A command that was stopped at any moment
therefore finds its batch when it is run again, and uploads nothing twice.

What follows from each line of a result file, and from each end of a batch:

    line with a usable reply                            kept
    line with 400, 413, 422                             `Rejected`, as in live.py;      a parameter that the model
                                                        refuses is left out, and the line is sent again
    expired, cancelled, 429, 5xx, unusable, no line     `JudgeUnavailable` at the end; the same command sends it again
    failed batch, refused key, quota used up            `JudgeUnavailable`; stored replies stay
    line with an unknown id, or one that was read       ignored
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import openai

from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.reply import ChatReply, Fault, Rejected, fault_of, reply_in, status_fault, usable
from restem.verifiers.chat.transport import ALL_REJECTED, CallStore, Keep, Replies
from restem.verifiers.verdict import JudgeUnavailable

# OpenAI's limits of one batch, https://platform.openai.com/docs/guides/batch
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
KEEP = 1_000
T = TypeVar("T")
EVENT = "judge_batch"
RUNNING = ("validating", "in_progress", "finalizing", "cancelling")

_log = logging.getLogger(__name__)


class BatchTransport:
    """Sends requests as files, waits for the batches to end, and reads the replies.

    Args:
        calls: Where the events about sent batches are stored; None stores none, so a later command cannot find them.
        verifier: The fingerprint of the judge, which the events hold.
    """

    def __init__(self, endpoint: Endpoint, *, calls: CallStore | None = None, verifier: str = "") -> None:
        self.endpoint = endpoint
        self.calls = calls
        self.verifier = verifier

    def exchange(self, bodies: Mapping[str, bytes], keep: Keep) -> None:
        """Sends all requests; calls `keep` with the replies of each batch that has ended.

        Raises:
            JudgeUnavailable: As `ChatClient.ask` documents, or some requests have no reply yet.
        """
        endpoint = self.endpoint
        http_client = openai.DefaultHttpxClient(
            trust_env=not endpoint.local, verify=not endpoint.local, follow_redirects=False
        )
        with openai.OpenAI(
            api_key=endpoint.key or "none",
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=endpoint.options.timeout_seconds,
            http_client=http_client,
        ) as client:
            _Batches(self, client, bodies, keep).run()


class _Batches:
    """The batches of one exchange."""

    def __init__(
        self, transport: BatchTransport, client: openai.OpenAI, bodies: Mapping[str, bytes], keep: Keep
    ) -> None:
        self._endpoint = transport.endpoint
        self._options = transport.endpoint.options
        self._calls, self._verifier = transport.calls, transport.verifier
        self._client = client
        self._unanswered = dict(bodies)
        self._keep = keep
        self._seen: set[str] = set()
        self._why: list[str] = []
        self._rejection = ""

    def run(self) -> None:
        """Reads the batches of an earlier command, then sends the rest; again if a parameter was refused."""
        self._collect(self._unread_batches())
        while self._unanswered:
            left_out = self._endpoint.left_out
            self._collect([self._send(chunk) for chunk in list(_chunks(self._endpoint, self._unanswered))])
            if self._endpoint.left_out == left_out:
                break
        if self._endpoint.rejected >= ALL_REJECTED and not self._endpoint.answered:
            raise JudgeUnavailable(
                f"{self._endpoint}: rejected each of {self._endpoint.rejected} requests: {self._rejection}"
            )
        if self._unanswered:
            why = "; ".join(dict.fromkeys(self._why[:3])) or "no line came back for them"
            raise JudgeUnavailable(
                f"{self._endpoint}: {len(self._unanswered)} requests of a batch have no reply ({why});"
                " the same command asks them again"
            )

    # Batches of earlier commands

    def _events(self) -> list[dict[str, Any]]:
        events = self._calls.logged(EVENT) if self._calls else []
        return [event for event in events if event["verifier"] == self._verifier]

    def _unread_batches(self) -> list[str]:
        """The ids of the batches that were sent and not read completely."""
        states = {event["batch"]: event["state"] for event in self._events()}
        return [batch for batch, state in states.items() if state == "sent"]

    def _log_event(self, batch: str, state: str, **detail: Any) -> None:
        if self._calls:
            self._calls.log(EVENT, batch=batch, state=state, verifier=self._verifier, **detail)

    # Sending

    def _send(self, chunk: Mapping[str, bytes]) -> str:
        """Sends a chunk of requests, stores the event, and gives the id of the batch."""
        tokens = [self._endpoint.most_tokens(body) for body in chunk.values()]
        prompt_tokens, completion_tokens = (sum(counts) for counts in zip(*tokens, strict=True))
        reserved = self._endpoint.budget.reserve(prompt_tokens, completion_tokens, len(chunk))
        assert reserved is not None, "a batch is settled at once, so nothing is in flight"
        self._endpoint.budget.settle(reserved, len(chunk))
        token = hashlib.sha256("\n".join(sorted(chunk)).encode()).hexdigest()[:32]
        batch = self._find(token)
        if batch is None:
            lines = b"".join(_line(self._endpoint, digest, body) for digest, body in chunk.items())
            uploaded = self._steady(lambda: self._client.files.create(file=("restem.jsonl", lines), purpose="batch"))
            batch = self._steady(lambda: self._create(uploaded.id, token)).id
        self._log_event(batch, "sent", requests=len(chunk))
        _log.info("judge batch %s: %d requests sent", batch, len(chunk))
        return batch

    def _create(self, file: str, token: str) -> Any:
        """A new batch, or the existing one if an earlier try made it and its answer was lost: each batch is billed."""
        if (existing := self._find(token)) is not None:
            return self._client.batches.retrieve(existing)
        return self._client.batches.create(
            input_file_id=file,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"restem": token},
        )

    def _find(self, token: str) -> str | None:
        """The id of the server's batch that carries this hash and was not read yet: its creation was not answered."""
        read = {event["batch"] for event in self._events() if event["state"] == "read"}
        try:
            newest = self._client.batches.list(limit=100).data
        except (openai.OpenAIError, ValueError, AttributeError):
            return None  # this server does not list batches
        for batch in newest or []:
            if (getattr(batch, "metadata", None) or {}).get("restem") == token and batch.id not in read:
                return batch.id
        return None

    # Waiting and reading

    def _collect(self, batches: Sequence[str]) -> None:
        """Waits until the batches have ended, and reads each when it ends."""
        running = dict.fromkeys(batches, "")
        while running:
            for id in list(running):
                batch = self._steady(lambda id=id: self._client.batches.retrieve(id))
                status = str(getattr(batch, "status", ""))
                counts = getattr(batch, "request_counts", None)
                line = f"{status}, {getattr(counts, 'completed', 0)} of {getattr(counts, 'total', 0)} answered"
                if line != running[id]:
                    running[id] = line
                    _log.info("judge batch %s: %s", id, line)
                if status not in RUNNING:
                    del running[id]
                    self._read(batch, status)
            if running:
                time.sleep(self._options.poll_seconds)

    def _read(self, batch: Any, status: str) -> None:
        """Keeps the replies of an ended batch to our requests."""
        unknown_ids = 0
        for file in (getattr(batch, "output_file_id", None), getattr(batch, "error_file_id", None)):
            if not file:
                continue
            content = self._steady(lambda file=file: self._client.files.content(file), data=True).content
            lines = content.split(b"\n")
            for start in range(0, len(lines), KEEP):
                unknown_ids += self._keep_lines(batch.id, lines[start : start + KEEP])
        if status != "completed":
            errors = getattr(getattr(batch, "errors", None), "data", None) or []
            messages = [repr(self._endpoint.redacted(str(getattr(error, "message", "")))[:200]) for error in errors[:2]]
            self._why.append(" ".join([f"the batch {batch.id} is {status}", *messages]))
        if not unknown_ids:  # else the batch may hold replies that a later call of the same judge needs
            self._log_event(batch.id, "read", status=status)

    def _keep_lines(self, batch: str, lines: Sequence[bytes]) -> int:
        """Keeps the replies in some lines; gives the number of lines whose id is of no request of this exchange."""
        replies: Replies = {}
        unknown_ids = 0
        for line in lines:
            digest, content = _parsed(line)
            if digest in self._seen or digest in replies:
                continue
            if digest not in self._unanswered:
                unknown_ids += bool(digest)
                continue
            reply = self._reply(content, self._unanswered[digest], batch)
            if reply is not None:
                replies[digest] = reply
        for digest in replies:
            del self._unanswered[digest]
        self._seen |= replies.keys()
        self._keep(replies)
        return unknown_ids

    def _reply(self, content: Mapping[str, Any], body: bytes, batch: str) -> ChatReply | Rejected | None:
        """The reply in the content of a line; None where the request has to be sent again."""
        endpoint = self._endpoint
        match content:
            case {"response": {"status_code": int(status), "body": data}}:
                pass
            case _:
                error = content.get("error")
                code = error.get("code") if isinstance(error, dict) else "no response in its line"
                self._why.append(endpoint.redacted(str(code))[:80])
                return None
        if status == 200 and usable(data):
            endpoint.answered += 1
            attempt: dict[str, Any] = {"result": "reply", "seconds": 0.0, "batch": batch}
            reply = reply_in(
                data, [attempt | ({"left_out": endpoint.left_out} if endpoint.left_out else {})], endpoint.redacted
            )
            endpoint.budget.spend(reply.model, reply.prompt_tokens, reply.completion_tokens)
            return reply
        error = data.get("error") if isinstance(data, dict) else None
        fault = fault_of(status, error if isinstance(error, dict) else {}, endpoint.redacted)
        if fault.refused_parameter and f'"{fault.refused_parameter}":'.encode() in body:
            endpoint.leave_out(fault.refused_parameter)
        elif fault.rejected:
            endpoint.rejected += 1
            self._rejection = fault.result
            return Rejected(reason=f"request rejected: {fault.result}", seconds=0.0)
        self._why.append(fault.result if status != 200 else "no usable choice in the reply")
        return None

    def _steady(self, send: Callable[[], T], *, data: bool = False) -> T:
        """The server's answer to `send`, tried at most `max_attempts` times.

        Raises:
            JudgeUnavailable: The server refuses, or no answer held an id (or, for a file, its bytes).
        """
        fault = unusable = Fault(result="no usable answer about files or batches")
        for attempt in range(self._options.max_attempts):
            fault = unusable
            try:
                answer = send()
                if data or isinstance(getattr(answer, "id", None), str):
                    return answer
            except openai.APIStatusError as error:
                fault = status_fault(error, self._endpoint.redacted)
            except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError) as error:
                fault = Fault(result=f"no answer about files or batches ({type(error).__name__})")
            if fault.fatal or fault.rejected:
                break
            if attempt + 1 < self._options.max_attempts:
                longest = self._options.backoff_seconds * 2.0**attempt
                time.sleep(
                    min(self._options.max_wait_seconds, max(fault.wait_seconds, longest * random.uniform(0.5, 1)))
                )
        # Raised outside of `except`, so that it has no cause: those errors hold the request's headers and the key.
        raise JudgeUnavailable(f"{self._endpoint}: {fault.result}{self._endpoint.advice(fault)}")


def _chunks(endpoint: Endpoint, bodies: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """The requests, in chunks within the limits of one batch."""
    chunk: dict[str, bytes] = {}
    size = 0
    for digest, body in bodies.items():
        length = len(_line(endpoint, digest, body))
        if chunk and (len(chunk) >= MAX_REQUESTS or size + length > MAX_BYTES):
            yield chunk
            chunk, size = {}, 0
        chunk[digest] = body
        size += length
    if chunk:
        yield chunk


def _line(endpoint: Endpoint, digest: str, body: bytes) -> bytes:
    head = json.dumps({"custom_id": digest, "method": "POST", "url": "/v1/chat/completions"})
    return head[:-1].encode() + b', "body": ' + endpoint.wire(body) + b"}\n"


def _parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    """The id and the content of a result line; an empty id where it is not such a line."""
    try:
        content = json.loads(line) if line.strip() else None
    except (ValueError, RecursionError):
        return "", {}
    match content:
        case {"custom_id": str(digest)}:
            return digest, content
    return "", {}
