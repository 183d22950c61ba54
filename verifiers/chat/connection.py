"""How a server is reached: the headers of a request, the certificates that are taken, the proxy on the way.

Takes an endpoint and the environment; gives what an HTTP client needs. What the openai package reads from the
environment is read here in the same way, because most requests are sent without it. Sends nothing.
"""

from __future__ import annotations

import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from restem.verifiers.bodies import IDENTITY
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.verdict import JudgeUnavailable

_FROM_ENVIRONMENT = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
_CUSTOM = "OPENAI_CUSTOM_HEADERS"
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)  # RFC 9110, section 5.1


def headers_for(endpoint: Endpoint) -> dict[str, str]:
    """The headers, names in small letters. None of them describes this machine.

    Raises:
        JudgeUnavailable: The environment names a header that cannot be sent.
    """
    named = {"Authorization": f"Bearer {endpoint.key or 'none'}", "User-Agent": "restem", **IDENTITY}
    named |= dict.fromkeys(("Accept", "Content-Type"), "application/json")
    headers = {name.lower(): value for name, value in named.items()}
    for variable, name, value in _set_by_the_user():
        if not (_NAME.fullmatch(name) and value.isascii() and value.isprintable()):  # it may be a secret: not shown
            raise JudgeUnavailable(f"{endpoint}: the environment variable {variable} holds what no header can hold")
        headers[name.lower()] = value
    return headers


def _set_by_the_user() -> Iterator[tuple[str, str, str]]:
    """The headers that the environment names: the variable, the header's name and its value."""
    for variable, name in _FROM_ENVIRONMENT.items():
        if value := os.environ.get(variable):
            yield variable, name, value.strip()
    for line in os.environ.get(_CUSTOM, "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield _CUSTOM, name.strip(), value.strip()


def certificates_for(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """What a server's certificate is checked with; False for a server on this machine, whose is not checked."""
    if endpoint.local or not endpoint.base_url.startswith("https:"):
        return not endpoint.local  # loading them takes 20 ms
    import httpx2  # finds the certificates of the system, and those that SSL_CERT_FILE and SSL_CERT_DIR name

    return httpx2.create_ssl_context()


def proxy_for(endpoint: Endpoint) -> str | None:
    """The address of the proxy that the environment names for the server; none before a server on this machine.

    Raises:
        JudgeUnavailable: The proxy cannot be used.
    """
    server = urlsplit(endpoint.base_url)
    if endpoint.local or urllib.request.proxy_bypass(server.netloc):
        return None
    proxies = urllib.request.getproxies()
    named = proxies.get(server.scheme) or proxies.get("all")
    if not named:
        return None
    address = named if "://" in named else f"http://{named}"
    if not _is_usable(address):  # it may hold a password, so it is not shown
        raise JudgeUnavailable(
            f"{endpoint}: the proxy in {server.scheme.upper()}_PROXY or ALL_PROXY is not of the form"
            " http://HOST:PORT: correct it, or name the server in NO_PROXY"
        )
    return address


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
