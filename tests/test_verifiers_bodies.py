"""Bodies without an end, and small ones that grow: what is read of them is bounded."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.bodies import Limited, UnboundedBody


@given(st.binary(max_size=5000), st.sampled_from(["identity", "gzip", "deflate", None]), st.integers(1, 700))
def test_a_body_within_the_limit_is_read_whatever_its_parts(data: bytes, encoding: str | None, size: int) -> None:
    sent = {"gzip": gzip.compress, "deflate": zlib.compress}.get(str(encoding), bytes)(data)
    body = Limited(encoding, limit=5000)
    parts = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert b"".join(piece for part in parts for piece in body.decoded(part)) == data


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_no_more_than_the_limit_is_given(encoding: str) -> None:
    sent = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)(b" " * 2_000_000)
    parts = [sent[start : start + 1000] for start in range(0, len(sent), 1000)]
    body, pieces = Limited(encoding, limit=100_000), list[bytes]()
    with pytest.raises(UnboundedBody, match="more than 100000 bytes"):
        pieces.extend(itertools.chain.from_iterable(map(body.decoded, parts)))
    assert sum(map(len, pieces)) <= 100_000


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(UnboundedBody):
        Limited(encoding)


def test_what_is_not_in_its_encoding_is_an_error_of_its_own() -> None:
    with pytest.raises(UnboundedBody):
        list(Limited("gzip").decoded(b'{"choices": []}'))
