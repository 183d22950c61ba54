"""Sends chat-completion requests, and stores each reply before it is used.

Takes requests; gives one reply per request, in order. It does not depend on how requests are sent, which a `Transport`
does (live.py: one by one, at once; batch.py: as files, within a day), on where calls are stored, which a `CallStore`
does, or on what the requests and replies mean.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from restem.verifiers.chat.budget import NOTHING, Charge
from restem.verifiers.chat.endpoint import ChatRequest, Endpoint
from restem.verifiers.chat.reply import ChatReply, Rejected, reply_of_row
from restem.verifiers.chat.sent import unanswered_calls, unanswered_in_batches
from restem.verifiers.chat.transport import CallStore, Progress, Replies, Transport

NOT_STORED = "not stored: the judge is offline"


class ChatClient:
    """A client of one endpoint.

    Args:
        endpoint: The model and its address.
        transport: How requests are sent; None sends nothing, so that only stored replies are given.
        calls: Where replies are stored; None stores none.
        verifier: The fingerprint that is stored with every call.
    """

    def __init__(
        self, endpoint: Endpoint, transport: Transport | None, *, calls: CallStore | None = None, verifier: str = ""
    ) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.calls = calls
        self.verifier = verifier
        self._rejected: Replies = {}  # not stored; a second try would be rejected as well

    def ask(self, requests: Sequence[ChatRequest], progress: Progress | None = None) -> list[ChatReply | Rejected]:
        """One reply per request, in order; equal requests are sent once, stored ones not at all.

        Args:
            requests: The requests.
            progress: Called with (answered, to be sent) whenever replies were stored.

        Raises:
            JudgeUnavailable: The server refuses the key, the quota or budget is used up, or it cannot be reached.
        """
        digests: list[str] = []
        bodies: dict[str, bytes] = {}
        for request in requests:
            body = self.endpoint.body(request)
            digests.append(self.endpoint.digest(body))
            bodies[digests[-1]] = body
        known: Replies = {digest: self._rejected[digest] for digest in bodies.keys() & self._rejected.keys()}
        if self.calls:
            stored = self.calls.stored_calls(digest for digest in bodies if digest not in known)
            known |= {digest: reply_of_row(row) for digest, row in stored.items()}
        unsent = {digest: body for digest, body in bodies.items() if digest not in known}
        if unsent:
            self._exchange(unsent, known, progress)
        return [known[digest] for digest in digests]

    def _exchange(self, unsent: Mapping[str, bytes], known: Replies, progress: Progress | None) -> None:
        """Sends the requests, stores the replies as they arrive, and adds them to `known`."""
        if self.transport is None:
            known |= {digest: Rejected(reason=NOT_STORED, seconds=0.0) for digest in unsent}
            return
        unanswered = unanswered_calls(self.calls, self.verifier) if self.calls else NOTHING
        if self.endpoint.budget.limited and self.calls:
            batches = unanswered_in_batches(self.calls, self.verifier)
            self.endpoint.budget.restart(self.calls.spent(self.verifier), unanswered + batches)
        done = 0

        def keep(replies: Replies, change: Charge) -> None:
            nonlocal done
            self._store(replies, unsent, unanswered + change)
            known.update(replies)
            self._rejected |= {digest: reply for digest, reply in replies.items() if isinstance(reply, Rejected)}
            done += len(replies)
            if replies and progress:
                progress(done, len(unsent))

        self.transport.exchange(unsent, keep)

    def _store(self, replies: Replies, bodies: Mapping[str, bytes], unanswered: Charge) -> None:
        rows = [
            self._row(digest, bodies[digest], reply)
            for digest, reply in replies.items()
            if isinstance(reply, ChatReply)
        ]
        if self.calls:
            self.calls.store_calls(rows, unanswered=(self.verifier, dataclasses.asdict(unanswered)))

    def _row(self, digest: str, body: bytes, reply: ChatReply) -> dict[str, Any]:
        return {
            "request_sha256": digest,
            "verifier": self.verifier,
            "request": self.endpoint.redacted(body.decode()),
            # The table has one column for the reply's text; `finish_reason` distinguishes a refusal from an answer.
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
