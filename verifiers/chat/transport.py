"""Types and protocols that the client and both transports share; no code that sends.

It imports neither the client nor a transport, so that each of them can be read, tested and replaced alone, and it
loads no HTTP client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from restem.verifiers.chat.budget import Charge
from restem.verifiers.chat.reply import ChatReply, Rejected

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (answered, to be sent)."""
Replies: TypeAlias = dict[str, ChatReply | Rejected]
"""Hash of a request -> its reply."""
Keep: TypeAlias = Callable[[Replies, Charge], None]
"""Stores replies, and the change of what was sent and has no reply; both are safe when it returns."""

ALL_REJECTED = 32  # rejected requests before the first answer: then the set-up is wrong, not the items


class CallStore(Protocol):
    """A store of replies by the hash of the request."""

    def stored_calls(self, request_sha256s: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Hash of a request -> its stored reply, of those that were ever answered."""
        ...

    def store_calls(
        self, calls: Sequence[Mapping[str, Any]], *, unanswered: tuple[str, Mapping[str, int]] | None = None
    ) -> None:
        """Adds answered requests; they are safe when this returns.

        Args:
            calls: The rows.
            unanswered: A verifier, and what `unanswered` gives for it from now on; stored together with the rows.
        """
        ...

    def spent(self, verifier: str) -> Sequence[tuple[str, int, int, int]]:
        """Model that answered, calls, prompt tokens and completion tokens of a verifier's stored calls."""
        ...

    def unanswered(self, verifier: str) -> Mapping[str, int]:
        """The numbers that `store_calls` stored last for a verifier; empty where there are none."""
        ...

    def log(self, kind: str, **detail: Any) -> None:
        """Adds an event."""
        ...

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """The details of all events of a kind, in their order."""
        ...


class Transport(Protocol):
    """A way to send requests to one endpoint."""

    def exchange(self, bodies: Mapping[str, bytes], keep: Keep) -> None:
        """Sends all requests and calls `keep` with the replies, in the caller's thread, as they arrive.

        Args:
            bodies: Hash of a request -> its body.

        Raises:
            JudgeUnavailable: Some request has no reply; earlier replies were passed to `keep`.
        """
        ...
