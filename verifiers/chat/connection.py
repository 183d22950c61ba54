"""How a server is reached: the headers of a request, the certificates that are taken, the proxy on the way.

Takes an endpoint and the environment; gives what an HTTP client needs. What the openai package reads from the
environment is read here in the same way, because most requests are sent without it. Sends nothing.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from urllib.parse import urlsplit

from restem.verifiers.bodies import IDENTITY
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.verdict import JudgeUnavailable

_FROM_ENVIRONMENT = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}


def headers_for(endpoint: Endpoint) -> dict[str, str]:
    """The headers, names in small letters. None of them describes this machine."""
    named = {"Authorization": f"Bearer {endpoint.key or 'none'}", "User-Agent": "restem", **IDENTITY}
    named |= dict.fromkeys(("Accept", "Content-Type"), "application/json")
    named |= {name: os.environ[key].strip() for key, name in _FROM_ENVIRONMENT.items() if os.environ.get(key)}
    headers = {name.lower(): value for name, value in named.items()}
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


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
