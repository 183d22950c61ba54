"""Hooks that bound what the openai package reads of an answer, whatever its status.

Takes the answers of that package's HTTP client before their bodies are read; replaces each body by one that ends with
an error beyond the limit. The connection is then closed. Importing it loads that client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2

from restem.verifiers.bodies import Limited


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, body: Limited) -> None:
        self._stream, self._body = stream, body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            for data in self._body.decoded(part):
                yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, body: Limited) -> None:
        self._stream, self._body = stream, body

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            yield from self._body.decoded(part)

    def close(self) -> None:
        self._stream.close()


async def limit_body_async(response: httpx2.Response, *, limit: int) -> None:
    """Bounds the body of an asynchronous client's answer."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _AsyncBody(response.stream, _limited(response, limit))


def limit_body(response: httpx2.Response, *, limit: int) -> None:
    """Bounds the body of a synchronous client's answer."""
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Body(response.stream, _limited(response, limit))


def _limited(response: httpx2.Response, limit: int) -> Limited:
    """The reader of the body. The header is removed, so that the client does not decompress again."""
    body = Limited(response.headers.get("content-encoding"), limit)
    response.headers.pop("content-encoding", None)
    return body
