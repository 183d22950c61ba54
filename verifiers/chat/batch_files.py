"""The files of a batch: requests, one a line, and replies, one a line in any order.

Takes encoded requests and parts of a file; gives chunks of requests that one batch takes, their lines, and the lines of
a file with their ids. It sends nothing. A file of replies is not trusted: a line that cannot be read has no id.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx2

from restem.verifiers.bodies import MAX_BODY
from restem.verifiers.chat.body_limit import limit_body
from restem.verifiers.chat.endpoint import Endpoint

# OpenAI's limits of one batch, https://platform.openai.com/docs/guides/batch
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
MAX_FILE = 2_000_000_000  # bytes of a file of replies; 50,000 of them have some 50,000,000


@dataclasses.dataclass(kw_only=True)
class Read:
    """What the lines of a batch's files say: hashes of requests.

    Attributes:
        lines: Of all lines.
        unknown: Of those that are no requests of this exchange, and have no stored reply.
        maybe_billed: Of those that have no usable reply and may have been billed.
    """

    lines: set[str] = dataclasses.field(default_factory=set)
    unknown: set[str] = dataclasses.field(default_factory=set)
    maybe_billed: set[str] = dataclasses.field(default_factory=set)


def limit(response: httpx2.Response) -> None:
    """Bounds the body of an answer: a file is read in parts, everything else is held in memory."""
    is_file = response.request.url.path.endswith("/content") and response.is_success
    limit_body(response, limit=MAX_FILE if is_file else MAX_BODY)


def lines(parts: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """The lines of a file; one that is longer is left out."""
    begun, too_long = b"", False
    for part in parts:
        first, *others = part.split(b"\n")
        for number, piece in enumerate((first, *others)):
            if number:  # a line break came before this piece
                if not too_long:
                    yield begun
                begun, too_long = b"", False
            begun += piece
            if len(begun) > longest:
                begun, too_long = b"", True
    if not too_long:
        yield begun


def chunks(endpoint: Endpoint, bodies: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """The requests, in chunks within the limits of one batch."""
    chunk: dict[str, bytes] = {}
    size = 0
    for digest, body in bodies.items():
        length = len(line(endpoint, digest, body))
        if chunk and (len(chunk) >= MAX_REQUESTS or size + length > MAX_BYTES):
            yield chunk
            chunk, size = {}, 0
        chunk[digest] = body
        size += length
    if chunk:
        yield chunk


def line(endpoint: Endpoint, digest: str, body: bytes) -> bytes:
    """The line of a request, with its hash as its id."""
    head = json.dumps({"custom_id": digest, "method": "POST", "url": "/v1/chat/completions"})
    return head[:-1].encode() + b', "body": ' + endpoint.wire(body) + b"}\n"


def parsed(text: bytes) -> tuple[str, dict[str, Any]]:
    """The id and the content of a result line; an empty id where it is not such a line."""
    try:
        content = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        return "", {}
    match content:
        case {"custom_id": str(digest)}:
            return digest, content
    return "", {}
