"""Sends one request once.

Takes an encoded request; gives the decoded body of a usable reply, or a `Fault` that says what has to follow and
whether the provider may bill the try. Does not depend on when requests are sent, or on how often.

Surely not billed: a connection that was not made (refused, no such host, no TLS) and a status that says that nothing
was done (3xx, 4xx, 501, 503, 529). Every other try that gave no usable reply may be billed: the request was sent.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any, cast

import aiohttp
import openai

from restem.verifiers.bodies import IDENTITY, UnboundedBody
from restem.verifiers.chat.body_limit import limit_body_async
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.reply import Fault, is_html, status_fault, usable

# Of the deadline, so that a server that takes no connection is told from one that does not answer.
CONNECT_SHARE = 0.9
# Headers in which the openai package describes this machine. The server does not need them, and they take a tenth of a
# request's processor time.
TELEMETRY_HEADERS = (
    *("X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime"),
    *("X-Stainless-Runtime-Version", "X-Stainless-Async"),
)
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


def openai_client(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """A client of the endpoint."""
    local = endpoint.local
    # aiohttp's transport takes 0.6 of the processor time of the default one. A loopback server needs no proxy and no
    # certificates, which take 20 ms to load. Redirects are not followed: key and questions go to no other server.
    # The only deadline is that of `try_once`: the client's own is per read and does not end a reply that arrives
    # slowly.
    http_client = openai.DefaultAioHttpClient(
        trust_env=not local,
        verify=not local,
        follow_redirects=False,
        timeout=None,
        event_hooks={"response": [functools.partial(limit_body_async, limit=endpoint.most_bytes)]},
    )
    return openai.AsyncOpenAI(
        api_key=endpoint.key or "none",
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=openai.Timeout(None, connect=CONNECT_SHARE * endpoint.options.timeout_seconds),
        http_client=http_client,
        default_headers={**dict.fromkeys(TELEMETRY_HEADERS, cast(str, openai.Omit())), **IDENTITY},
        _strict_response_validation=True,
    )


async def try_once(client: openai.AsyncOpenAI, endpoint: Endpoint, url: str, body: bytes) -> dict[str, Any] | Fault:
    """The decoded body of a usable reply, or the fault.

    The client's untyped `post` sends the bytes that were hashed and leaves the body as plain JSON: about half the
    processor time of `chat.completions.create`, which validates every field of a reply; five of them are used.
    """
    seconds = endpoint.options.timeout_seconds
    try:
        async with asyncio.timeout(seconds):
            data = await client.post(url, cast_to=object, content=body)
    except TimeoutError:
        return Fault(result=f"no whole reply within {seconds:g} s", overloaded=True, maybe_billed=True)
    except openai.APIStatusError as error:
        return status_fault(error, endpoint.redacted)
    # `type(error)` alone would mislead: the package reports a closed connection as a timeout. aiohttp's own errors
    # come through unchanged where a reply is not HTTP.
    except (openai.APIConnectionError, aiohttp.ClientError, UnboundedBody) as error:
        return _connection_fault(error)
    except openai.APIResponseValidationError as error:
        html = isinstance(error.body, str) and is_html(error.body)
        causes = f"{type(error).__name__} ({type([*_causes(error)][-1]).__name__})"
        return Fault(result=causes, html=html, maybe_billed=True)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
        return Fault(result=f"unreadable body ({type(error).__name__})", maybe_billed=True)
    return data if usable(data) else Fault(result="no usable choice in the reply", maybe_billed=True)


def _connection_fault(error: Exception) -> Fault:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, UnboundedBody):
            return Fault(result=f"the reply's body is not read: {cause}", maybe_billed=True)
    sent = not any(isinstance(cause, _NOT_CONNECTED) for cause in causes)
    return Fault(result=f"APIConnectionError ({type(causes[-1]).__name__})", maybe_billed=sent)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from, the first cause last."""
    while error is not None:
        yield error
        error = error.__cause__
