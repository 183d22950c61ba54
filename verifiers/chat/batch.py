"""Sends requests as files by OpenAI's Batch API: half the price, replies within a day.

Takes encoded requests; gives replies once their batch has ended. Events (`judge_batch`, see sent.py) are stored before
a batch is created and when its id is known, and a batch carries a hash of its requests. A command that was stopped at
any moment therefore finds its batch when it is run again, and sends nothing twice. Of a server that does not list its
batches this holds only where the id was stored: a batch whose id was lost counts against the budget, and its requests
are sent again.

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
import itertools
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias, TypeVar

import httpx2
import openai

from restem.verifiers import interruption
from restem.verifiers.bodies import IDENTITY, UnboundedBody
from restem.verifiers.chat import batch_files as files
from restem.verifiers.chat.budget import NOTHING, Charge
from restem.verifiers.chat.connection import certificates_for, proxy_for
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.reply import ChatReply, Fault, Rejected, fault_of, refused, usable
from restem.verifiers.chat.sent import EVENT, batches, charge_of
from restem.verifiers.chat.transport import ALL_REJECTED, CallStore, Keep, Replies
from restem.verifiers.verdict import JudgeUnavailable

MOST_LISTED = 1_000
NOT_THERE = (403, 404, 405, 501)
KEEP = 1_000
T = TypeVar("T")
Batch: TypeAlias = dict[str, Any]  # what the events about it say
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
            trust_env=False,
            verify=certificates_for(endpoint),
            proxy=proxy_for(endpoint),
            follow_redirects=False,
            event_hooks={"response": [files.limit]},
        )
        with openai.OpenAI(
            api_key=endpoint.key or "none",
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=endpoint.options.timeout_seconds,
            http_client=http_client,
            default_headers=IDENTITY,
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
            self._send_all()
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

    def _unread_batches(self) -> list[Batch]:
        """The batches that were sent and not read completely."""
        unread: list[Batch] = []
        for batch in batches(self._calls, self._verifier):
            if batch["state"] == "creating":  # the process ended before it knew the id
                batch = self._looked_up(batch)
            if batch["state"] == "sent":
                self._endpoint.budget.reopen(charge_of(batch))
                unread.append(batch)
        return unread

    def _looked_up(self, batch: Batch) -> Batch:
        """A batch whose creation was begun, with what the server's list says of it."""
        id, listed = self._find(batch["token"])
        if id is not None:
            return self._log_event(batch, state="sent", batch=id)
        if listed:
            self._endpoint.budget.reopen(charge_of(batch))
            self._endpoint.budget.settle(charge_of(batch), billed=False)
            return self._log_event(batch, state="absent", charge=asdict(NOTHING))
        _log.warning(
            "%s: a batch of %d requests may exist whose id was lost, and the server does not list its batches: they"
            " count as spent, and are sent again",
            self._endpoint,
            batch["requests"],
        )
        return self._log_event(batch, state="lost")

    def _log_event(self, batch: Batch, /, **changes: Any) -> Batch:
        """Stores an event about a batch; gives the batch with the changes."""
        batch = {**batch, **changes, "verifier": self._verifier}
        if self._calls:
            self._calls.log(EVENT, **batch)
        return batch

    # Sending

    def _send_all(self) -> None:
        """Sends what has no reply, in as many batches as it takes, and reads them."""
        sent: list[Batch] = []
        for chunk in list(files.chunks(self._endpoint, self._unanswered)):
            charges = [self._endpoint.most(body) for body in chunk.values()]
            charge = sum(charges, NOTHING)
            if not self._endpoint.budget.reserve(charge):  # it fits, or is refused, when those before it are read
                self._collect(sent)
                sent = []
                self._endpoint.budget.reserve(charge)
            most = Charge(
                calls=1,
                prompt_tokens=max(each.prompt_tokens for each in charges),
                completion_tokens=max(each.completion_tokens for each in charges),
            )
            sent.append(self._send(chunk, charge, most))
        self._collect(sent)

    def _send(self, chunk: Mapping[str, bytes], charge: Charge, most: Charge) -> Batch:
        """Sends a chunk of requests; gives the batch, which is stored."""
        token = hashlib.sha256("\n".join(sorted(chunk)).encode()).hexdigest()[:32]
        batch: Batch = {"token": token, "requests": len(chunk), "charge": asdict(charge), "most": asdict(most)}
        id, _ = self._find(token)
        if id is None:
            lines = b"".join(files.line(self._endpoint, *request) for request in chunk.items())
            uploaded = self._steady(lambda: self._client.files.create(file=("restem.jsonl", lines), purpose="batch"))
            batch = self._log_event(batch, state="creating")
            self._created = False
            id = self._steady(lambda: self._create(uploaded.id, token)).id
        _log.info("judge batch %s: %d requests sent", id, len(chunk))
        return self._log_event(batch, state="sent", batch=id)

    def _create(self, file: str, token: str) -> Any:
        """A new batch, or the existing one if an earlier try made it and its answer was lost: each batch is billed."""
        existing, listed = self._find(token)
        if existing is not None:
            return self._client.batches.retrieve(existing)
        if self._created and not listed:
            raise JudgeUnavailable(
                f"{self._endpoint}: a batch may have been created without an answer, and the server does not list its"
                " batches: look there before the same command sends its requests again"
            )
        self._created = True
        return self._client.batches.create(
            input_file_id=file,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"restem": token},
        )

    def _find(self, token: str) -> tuple[str | None, bool]:
        """The id of the server's batch with this token that is not known here, and whether the server lists batches."""
        known = {batch.get("batch") for batch in batches(self._calls, self._verifier)}
        listed = self._steady(self._list, data=True)
        for batch in listed or []:
            if (getattr(batch, "metadata", None) or {}).get("restem") == token and batch.id not in known:
                return batch.id, True
        return None, listed is not None

    def _list(self) -> list[Any] | None:
        """The newest batches at the server; None where what it answers is no list."""
        try:
            return list(itertools.islice(self._client.batches.list(limit=100), MOST_LISTED))
        except openai.APIStatusError as error:
            if error.status_code not in NOT_THERE:
                raise
        except (AttributeError, TypeError):
            pass
        return None

    # Waiting and reading

    def _collect(self, sent: Sequence[Batch]) -> None:
        """Waits until the batches have ended, and reads each when it ends."""
        running = {batch["batch"]: batch for batch in sent}
        shown = dict.fromkeys(running, "")
        while running:
            for id in list(running):
                batch = self._steady(lambda id=id: self._client.batches.retrieve(id))
                status = str(getattr(batch, "status", ""))
                counts = getattr(batch, "request_counts", None)
                line = f"{status}, {getattr(counts, 'completed', 0)} of {getattr(counts, 'total', 0)} answered"
                if line != shown[id]:
                    shown[id] = line
                    _log.info("judge batch %s: %s", id, line)
                if status not in RUNNING:
                    self._read(running.pop(id), batch, status)
            if running:
                interruption.sleep(self._options.poll_seconds)

    def _read(self, sent: Batch, batch: Any, status: str) -> None:
        """Keeps the replies of an ended batch to our requests."""
        read = files.Read()
        for file in (getattr(batch, "output_file_id", None), getattr(batch, "error_file_id", None)):
            if file:
                self._steady(lambda file=file: self._read_file(file, batch.id, read), data=True)
        if status != "completed":
            errors = getattr(getattr(batch, "errors", None), "data", None) or []
            messages = [repr(self._endpoint.redacted(str(getattr(error, "message", "")))[:200]) for error in errors[:2]]
            self._why.append(" ".join([f"the batch {batch.id} is {status}", *messages]))
        if read.unknown:  # the batch may hold replies that a later call of the same judge needs
            return
        charge = charge_of(sent)
        # A request without a line was not answered, except where the whole batch is said to be.
        missing = sent.get("requests", 0) - len(read.lines) if status == "completed" else 0
        left = Charge(**sent.get("most", {})) * (max(0, missing) + len(read.maybe_billed))
        self._endpoint.budget.settle(charge - left, billed=False)
        self._endpoint.budget.settle(left, billed=True)
        self._log_event(sent, state="read", status=status, charge=asdict(left))

    def _read_file(self, file: str, batch: str, read: files.Read) -> None:
        """Keeps the replies in a file, which is not held in memory: it may be large."""
        with self._client.files.with_streaming_response.content(file) as response:
            lines = files.lines(response.iter_bytes(), self._endpoint.most_bytes)
            while some := list(itertools.islice(lines, KEEP)):
                self._keep_lines(batch, some, read)

    def _keep_lines(self, batch: str, lines: Sequence[bytes], read: files.Read) -> None:
        """Keeps the replies in some lines."""
        replies: Replies = {}
        for line in lines:
            digest, content = files.parsed(line)
            if not digest or digest in self._seen or digest in replies:
                continue
            read.lines.add(digest)
            if digest in self._unanswered:
                reply = self._reply(content, digest, batch, read)
                if reply is not None:
                    replies[digest] = reply
            elif not (self._calls and self._calls.stored_calls([digest])):
                read.unknown.add(digest)
        self._keep(replies, NOTHING)
        for digest in replies:
            del self._unanswered[digest]
        self._seen |= replies.keys()

    def _reply(
        self, content: Mapping[str, Any], digest: str, batch: str, read: files.Read
    ) -> ChatReply | Rejected | None:
        """The reply in the content of a line; None where the request has to be sent again."""
        endpoint, body = self._endpoint, self._unanswered[digest]
        match content:
            case {"response": {"status_code": int(status), "body": data}}:
                pass
            case _:
                error = content.get("error")
                code = error.get("code") if isinstance(error, dict) else "no response in its line"
                self._why.append(endpoint.redacted(str(code))[:80])
                return None
        if status == 200 and usable(data):
            attempt: dict[str, Any] = {"result": "reply", "seconds": 0.0, "batch": batch}
            reply = endpoint.reply_in(data, [attempt], endpoint.most(body))
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
        elif status == 200 or fault.maybe_billed:
            read.maybe_billed.add(digest)
        self._why.append(fault.result if status != 200 else "no usable choice in the reply")
        return None

    def _steady(self, send: Callable[[], T], *, data: bool = False) -> T:
        """The server's answer to `send`, tried at most `max_attempts` times.

        Args:
            send: Sends a request.
            data: Whether any answer will do; else it must have an id.

        Raises:
            JudgeUnavailable: The server refuses, or no answer held an id.
        """
        fault = unusable = Fault(result="no usable answer about files or batches")
        for attempt in range(self._options.max_attempts):
            fault = unusable
            try:
                answer = send()
                if data or isinstance(getattr(answer, "id", None), str):
                    return answer
            except openai.APIStatusError as error:
                answer = error.response
                fault = refused(answer.status_code, answer.headers, answer.content, self._endpoint.redacted)
            except (openai.OpenAIError, httpx2.HTTPError, UnboundedBody, ValueError) as error:
                fault = Fault(result=f"no answer about files or batches ({type(error).__name__})")
            if fault.fatal or fault.rejected:
                break
            if attempt + 1 < self._options.max_attempts:
                longest = self._options.backoff_seconds * 2.0**attempt
                interruption.sleep(
                    min(self._options.max_wait_seconds, max(fault.wait_seconds, longest * random.uniform(0.5, 1)))
                )
        # Raised outside of `except`, so that it has no cause: those errors hold the request's headers and the key.
        raise JudgeUnavailable(f"{self._endpoint}: {fault.result}{self._endpoint.advice(fault)}")
