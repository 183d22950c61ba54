"""One server with OpenAI's routes: sends JSON, reads JSON, and sorts what goes wrong.

Takes an address; gives decoded bodies, or an error that says what can be done next. Does not know what is asked for.

    no connection, or one that broke   `Gone`: the process may be another one now, with other weights
    408, 429, 5xx, deadline, no JSON   `Busy`: the same request may succeed later
    any other status                   `EngineFailed`: the server will never answer this request
"""

from __future__ import annotations

import ipaddress
import json
import os
from typing import Any
from urllib.parse import urlsplit

import httpx2

from restem.harness.errors import ConfigError, EngineFailed
from restem.harness.settings import EngineConfig
from restem.verifiers.keys import without_keys

CONNECT_SECONDS = 10.0
# Servers close a connection that was idle for 5 s; one that is closed while a request is sent looks like a lost server.
IDLE_SECONDS = 2.0
LONGEST_MESSAGE = 300


class Gone(Exception):
    """The server cannot be reached, or broke the connection off."""


class Busy(Exception):
    """The server did not answer this request; it may answer it later."""


class Server:
    """A server.

    Args:
        base_url: Its address, with the path of its OpenAI routes.
        config: Limits, and where its key is.

    Raises:
        ConfigError: The variable for the key is not set.
    """

    def __init__(self, base_url: str, config: EngineConfig) -> None:
        self.base_url = base_url.rstrip("/")
        local = _is_loopback(self.base_url)
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(config.timeout_seconds, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=IDLE_SECONDS),
            headers=_key_header(config.api_key_env),
            trust_env=not local,  # a loopback server needs neither a proxy nor certificates
            verify=not local,
        )
        self._seconds = config.timeout_seconds

    def __str__(self) -> str:
        return self.base_url

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def get(self, route: str) -> Any:
        """The JSON at a route below the address; a route that begins with `/` is one of the whole server."""
        return self._ask("GET", route, None)

    def post(self, route: str, body: dict[str, Any]) -> Any:
        """The JSON in answer to a body; None where the answer is empty."""
        return self._ask("POST", route, body)

    def _ask(self, method: str, route: str, body: dict[str, Any] | None) -> Any:
        root = self.base_url.removesuffix("/v1") if route.startswith("/") else f"{self.base_url}/"
        try:
            reply = self._client.request(method, root + route, json=body)
        except httpx2.ReadTimeout:
            raise Busy(f"no answer within {self._seconds:g} s") from None
        except httpx2.TransportError as error:
            raise Gone(f"{type(error).__name__}: {str(error)[:LONGEST_MESSAGE]}") from None
        if reply.status_code in (408, 429) or reply.status_code >= 500:
            raise Busy(_said(reply))
        if reply.status_code >= 400:
            raise EngineFailed(f"engine at {self}: {route} is refused: {_said(reply)}")
        if not reply.content:
            return None
        try:
            return json.loads(reply.content)
        except (ValueError, RecursionError):
            raise Busy(f"{route}: the answer is not JSON") from None


def _said(reply: httpx2.Response) -> str:
    """Status and message of a refusal."""
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        body = reply.text
    while isinstance(body, dict):
        body = body.get("error") or body.get("message") or body.get("detail") or ""
    return f"{reply.status_code} {without_keys(str(body))[:LONGEST_MESSAGE]!r}"


def _key_header(variable: str | None) -> dict[str, str]:
    if variable is None:
        return {}
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"engine.api_key_env: the environment variable {variable} is not set; set it, or remove this")
    return {"Authorization": f"Bearer {key}"}


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
