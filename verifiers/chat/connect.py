"""Puts a client together: the endpoint, the call store and the transport that the options ask for.

The one place that knows both transports. They are imported when they are needed, because the openai package takes half
a second.
"""

from __future__ import annotations

from restem.verifiers.chat.client import ChatClient
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.transport import CallStore, Transport


def connect(endpoint: Endpoint, *, calls: CallStore | None = None, verifier: str = "") -> ChatClient:
    """A client of the endpoint, with the transport that its options ask for: none, batches, or one by one."""
    return ChatClient(endpoint, _transport(endpoint, calls, verifier), calls=calls, verifier=verifier)


def _transport(endpoint: Endpoint, calls: CallStore | None, verifier: str) -> Transport | None:
    if endpoint.options.offline:
        return None
    if endpoint.options.batch:
        from restem.verifiers.chat.batch import BatchTransport

        return BatchTransport(endpoint, calls=calls, verifier=verifier)
    from restem.verifiers.chat.live import LiveTransport

    return LiveTransport(endpoint)
