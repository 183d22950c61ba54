"""Reads the body of a server's answer up to a limit, also where it is compressed.

Takes parts of a body as they arrive; gives them decoded, and raises before more than the limit is held in memory: an
endless body, or a small one that grows when it is decompressed. Does not depend on who reads, or with which client.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MAX_BODY = 4_000_000  # bytes; a reply of 30,000 tokens, its reasoning among them, has some 200,000
IDENTITY = {"Accept-Encoding": "identity"}
_STEP = 1 << 16


class UnboundedBody(Exception):
    """A body is longer than the limit, or in an encoding that was not asked for and has no limit here."""


class Limited:
    """The decoded parts of one body.

    Args:
        encoding: The answer's `content-encoding`; None is none.
        limit: Most bytes, after decompression.

    Raises:
        UnboundedBody: The encoding is neither gzip nor deflate.
    """

    def __init__(self, encoding: str | None, limit: int = MAX_BODY) -> None:
        self._read, self._limit = 0, limit
        name = (encoding or "identity").strip().lower()
        if name not in ("identity", "gzip", "x-gzip", "deflate"):
            raise UnboundedBody("its encoding was not asked for")
        # 32 added to the size of the window: gzip or zlib, by the header of the data.
        self._inflate = None if name == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)

    def decoded(self, part: bytes) -> Iterator[bytes]:
        """The decoded bytes of a part.

        Raises:
            UnboundedBody: They exceed the limit, or are not in the encoding.
        """
        if self._inflate is None:
            yield self._counted(part)
            return
        while part and not self._inflate.eof:
            try:
                data = self._inflate.decompress(part, _STEP)
            except zlib.error:
                raise UnboundedBody("it is not in the encoding that its header names") from None
            yield self._counted(data)
            part = self._inflate.unconsumed_tail

    def _counted(self, data: bytes) -> bytes:
        self._read += len(data)
        if self._read > self._limit:
            raise UnboundedBody(f"it has more than {self._limit} bytes")
        return data
