"""Builds a client from an endpoint, a call store and the transport that the options name.

Takes an endpoint; gives a `ChatClient`. It is the only file that imports both transports, and it imports them when they
are needed, because their HTTP clients take up to a second to load.
"""

from __future__ import annotations

from restem.verifiers.chat.client import ChatClient
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.transport import CallStore, Transport


def connect(endpoint: Endpoint, *, calls: CallStore | None = None, verifier: str = "") -> ChatClient:
    """A client of the endpoint, with the transport that its options name: none, batches, or one by one."""
    return ChatClient(endpoint, _transport(endpoint, calls, verifier), calls=calls, verifier=verifier)


def _transport(endpoint: Endpoint, calls: CallStore | None, verifier: str) -> Transport | None:
    if endpoint.options.offline:
        return None
    if endpoint.options.batch:
        from restem.verifiers.chat.batch import BatchTransport

        return BatchTransport(endpoint, calls=calls, verifier=verifier)
    from restem.verifiers.chat.live import LiveTransport

    return LiveTransport(endpoint)
