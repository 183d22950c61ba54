"""What answers at an address: the engine, its version and the model's name.

Takes a server; gives what it says of itself, by the routes that vLLM, SGLang, llama.cpp and `restem serve` have.
"""

from __future__ import annotations

import contextlib
import dataclasses

from restem.harness.engines.server import Busy, Gone, Server
from restem.harness.errors import EngineFailed

VERSION_ROUTES = ("/version", "/server_info", "/get_server_info", "/props")
_VERSION_KEYS = ("version", "build_info")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """What a server says of itself.

    Attributes:
        engine: Its name, as `owned_by` of its model has it.
        version: Its version; None: it does not say.
        model: The model's name in requests.
    """

    engine: str
    version: str | None
    model: str


def served_by(server: Server, model: str | None) -> Served:
    """What a server says of itself.

    Args:
        server: The server.
        model: The name that requests call the model by; None: the first one that the server lists.

    Raises:
        EngineFailed: It lists no model, or not the one that is named.
    """
    reply = server.get("models")
    listed = reply.get("data") if isinstance(reply, dict) else None
    cards = [card for card in listed or [] if isinstance(card, dict) and isinstance(card.get("id"), str)]
    named = [card for card in cards if model in (None, card["id"])]
    if not named:
        names = ", ".join(card["id"] for card in cards) or "none"
        raise EngineFailed(f"engine.model: found {model!r}, expected a model that {server} lists: {names}")
    owner = named[0].get("owned_by")
    return Served(
        engine=owner if isinstance(owner, str) and owner else "unknown",
        version=_version(server),
        model=named[0]["id"],
    )


def _version(server: Server) -> str | None:
    for route in VERSION_ROUTES:
        with contextlib.suppress(EngineFailed, Busy, Gone):
            reply = server.get(route)
            for key in _VERSION_KEYS:
                if isinstance(reply, dict) and isinstance(reply.get(key), str):
                    return reply[key]
    return None
