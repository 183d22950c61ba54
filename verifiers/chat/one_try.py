"""Sends one request once.

Takes an encoded request; gives the decoded body of a usable reply, or a `Fault` that says what has to follow and
whether the provider may bill the try. Does not depend on when requests are sent, or on how often.

Surely not billed: a connection that was not made (refused, no such host, no TLS) and a status that says that nothing
was done (3xx, 4xx, 501, 503, 529). Every other try that gave no usable reply may be billed: the request was sent.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from restem.verifiers.bodies import Limited, UnboundedBody
from restem.verifiers.chat.connection import certificates_for, headers_for, proxy_for
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.reply import Fault, is_html, refused, usable

# Of the deadline, so that a server that takes no connection is told from one that does not answer.
CONNECT_SHARE = 0.9
KEEP_SECONDS = 5.0  # that an unused connection stays open: servers close it after that time themselves
_NOT_CONNECTED = (
    *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError),
    aiohttp.InvalidURL,
)


def open_session(endpoint: Endpoint) -> aiohttp.ClientSession:
    """A session of the running event loop that sends each request exactly once, and decompresses nothing.

    aiohttp takes a fifth of the processor time of the openai package, whose layers check and wrap each request and each
    reply several times.

    Raises:
        JudgeUnavailable: The environment names a proxy that cannot be used.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS, ssl=certificates_for(endpoint)),
        headers=headers_for(endpoint),
        proxy=proxy_for(endpoint),
        timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SHARE * endpoint.options.timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def try_once(session: aiohttp.ClientSession, endpoint: Endpoint, url: str, body: bytes) -> dict[str, Any] | Fault:
    """The decoded body of a usable reply, or the fault."""
    seconds = endpoint.options.timeout_seconds
    try:
        # The only deadline of the whole: aiohttp rounds its own up to whole seconds. Redirects are not followed: key
        # and questions go to no other server.
        async with asyncio.timeout(seconds), session.post(url, data=body, allow_redirects=False) as response:
            text = await _body(response, endpoint.most_bytes)
    except _NOT_CONNECTED as error:  # before TimeoutError, which one of them is too
        return Fault(result=f"no connection ({type(error).__name__})")
    except TimeoutError:
        return Fault(result=f"no whole reply within {seconds:g} s", overloaded=True, maybe_billed=True)
    except UnboundedBody as error:
        return Fault(result=f"the reply's body is not read: {error}", maybe_billed=True)
    except aiohttp.ClientError as error:
        return Fault(result=f"connection lost ({type(error).__name__})", maybe_billed=True)
    if not 200 <= response.status < 300:
        return refused(response.status, response.headers, text, endpoint.redacted)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
        return Fault(result=f"unreadable body ({type(error).__name__})", html=is_html(text), maybe_billed=True)
    return data if usable(data) else Fault(result="no usable choice in the reply", maybe_billed=True)


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body, decompressed where the server compressed it all the same."""
    body, parts = Limited(response.headers.get("content-encoding"), limit), []
    while part := await response.content.readany():
        parts.extend(body.decoded(part))
    return b"".join(parts)
