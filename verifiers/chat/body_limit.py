"""A hook that bounds what an httpx2 client reads of an answer, whatever its status.

Takes the answers of the client, such as the openai package's, before their bodies are read; replaces each body by one
that ends with an error beyond the limit. The connection is then closed. Importing it loads that client.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx2

from restem.verifiers.bodies import Limited


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, body: Limited) -> None:
        self._stream, self._body = stream, body

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            yield from self._body.decoded(part)

    def close(self) -> None:
        self._stream.close()


def limit_body(response: httpx2.Response, *, limit: int) -> None:
    """Bounds the body of an answer. The header is removed, so that the client does not decompress again."""
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Body(response.stream, Limited(response.headers.get("content-encoding"), limit))
    response.headers.pop("content-encoding", None)
