"""JSON lines: one object a line, and errors that name place, field, what was expected and what was found.

Takes a file or one line of it, and the class of the errors that the caller raises; gives `JsonLine` records. Blank
lines, Windows line ends, a byte-order mark, a missing last newline and gzip are accepted. Depends on nothing of ours,
so that every package can read its rows with it.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"  # the first bytes of a gzip file (RFC 1952)
MAX_DEPTH = 100  # of objects and lists within one another; Python's own functions fail at some hundreds
MAX_DIGITS = 4000  # of a whole number that becomes an int; Python converts at most 4,300
Failure = Callable[[str], Exception]


class BadLine(ValueError):
    """A line or one of its fields is not what was expected; the message names place and field."""


class NumberAsWritten(float):
    """A number of a JSON text with a fraction or an exponent, or a very long one; as text it is what was written.

    A reference `7.50` is the text `7.50`, and `1e400` is no infinity. Everywhere else this is a float.
    """

    text: str

    def __new__(cls, text: str) -> NumberAsWritten:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True, kw_only=True)
class JsonLine:
    """One object of a file.

    Attributes:
        place: File and line number, `rows.jsonl:3`.
        raw: The line as it stands in the file, without its newline (a carriage return stays).
        fields: The object.
        error: Class of the errors about this line.
    """

    place: str
    raw: bytes
    fields: dict[str, Any]
    error: Failure = BadLine

    def text(self, field: str) -> str:
        """The text of a field that must be there."""
        value = self.fields.get(field)
        if not isinstance(value, str):
            raise self.unexpected(field, "a text")
        return value

    def optional_text(self, field: str) -> str | None:
        """The text of a field that may be absent or null."""
        value = self.fields.get(field)
        if not isinstance(value, str | None):
            raise self.unexpected(field, "a text or null")
        return value

    def identifier(self, field: str) -> str | int:
        """The text or whole number of a field that must be there."""
        value = self.fields.get(field)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.unexpected(field, "a text or a number")
        return value

    def optional_identifier(self, field: str) -> str | int | None:
        """The text or whole number of a field that may be absent or null."""
        return None if self.fields.get(field) is None else self.identifier(field)

    def answers(self, field: str) -> tuple[str, ...]:
        """The accepted answers of a field, each once: a text, a number, or a list of them; empty where it is null."""
        value = self.fields.get(field)
        answers = value if isinstance(value, list) else [] if value is None else [value]
        if not all(_is_answer(answer) for answer in answers):
            raise self.unexpected(field, "a text, a number, a list of them, or null")
        return tuple(dict.fromkeys(map(str, answers)))

    def json_object(self, field: str) -> dict[str, Any]:
        """The JSON object of a field; empty where it is absent or null."""
        value = self.fields.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.unexpected(field, "an object or null")
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise self.unexpected(field, "an object of finite numbers") from None
        return value

    def unexpected(self, field: str, expected: str, width: int = 40) -> Exception:
        """The error for a field's value, to be raised by the caller; the value is cut to `width` characters."""
        return self.error(f"{self.place}: {field}: expected {expected}, found {repr(self.fields.get(field))[:width]}")


def _is_answer(value: Any) -> bool:
    if isinstance(value, float):
        return isinstance(value, NumberAsWritten) or math.isfinite(value)
    return isinstance(value, str | int) and not isinstance(value, bool)


def read_json_lines(path: Path, error: Failure = BadLine) -> Iterator[JsonLine]:
    """The objects of a file, in its order.

    Raises:
        error: The file cannot be read, or a line is not a JSON object; the message names it.
    """
    for place, line in read_lines(path, error):
        yield parse_json_line(line, place, error)


def read_lines(path: Path, error: Failure = BadLine) -> Iterator[tuple[str, bytes]]:
    """The place and bytes of each line of a file that is not blank."""
    yield from split_lines(read_data(path, error), path.name)


def read_data(path: Path, error: Failure = BadLine) -> bytes:
    """The bytes of a file, decompressed where they are gzip, without a byte-order mark.

    Raises:
        error: The file cannot be read or decompressed.
    """
    try:
        data = path.read_bytes()
        if data.startswith(GZIP):
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise error(f"{path.name}: a damaged gzip file") from None
    except OSError as failure:
        raise error(f"{path}: {failure.strerror}") from None
    return data.removeprefix(BYTE_ORDER_MARK)


def split_lines(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """The place, `name:3`, and the bytes of each line that is not blank."""
    # Bytes, not text lines: a text may hold U+2028, at which str.splitlines would split.
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield f"{name}:{number}", line


def parse_json_line(line: bytes, place: str, error: Failure = BadLine) -> JsonLine:
    """The object of one line.

    Raises:
        error: The line is not a JSON object, or one that is not accepted; the message names `place`.
    """
    try:
        # Half of a surrogate pair, which a model can write, is kept as it is.
        fields = DECODER.decode(line.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as failure:
        raise error(f"{place}: not UTF-8 at byte {failure.start}") from None
    except NotAccepted as failure:
        raise error(f"{place}: {failure}") from None
    except ValueError:
        raise error(f"{place}: not JSON") from None
    return json_object_at(fields, place, line, error)


def json_object_at(fields: Any, place: str, raw: bytes = b"", error: Failure = BadLine) -> JsonLine:
    """The record of a decoded value.

    Raises:
        error: It is not an object.
    """
    if not isinstance(fields, dict):
        kind = "number" if isinstance(fields, float) else type(fields).__name__
        raise error(f"{place}: expected a JSON object, found {kind}")
    return JsonLine(place=place, raw=raw, fields=fields, error=error)


class NotAccepted(ValueError):
    """JSON with the same field twice, of which none is known to count, or with lists in lists over MAX_DEPTH deep."""


class _Decoder(json.JSONDecoder):
    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        try:
            value, end = super().raw_decode(s, idx)
        except RecursionError:
            raise NotAccepted(_TOO_DEEP) from None
        if s.count("[", idx, end) + s.count("{", idx, end) > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
            raise NotAccepted(_TOO_DEEP)
        return value, end


_TOO_DEEP = f"expected at most {MAX_DEPTH} lists and objects within one another, found more"


def _is_deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise NotAccepted(f"field {repeated!r:.40} stands twice")
    return fields


def _whole_number(text: str) -> int | NumberAsWritten:
    return int(text) if len(text) <= MAX_DIGITS else NumberAsWritten(text)


DECODER = _Decoder(object_pairs_hook=_without_repeats, parse_float=NumberAsWritten, parse_int=_whole_number)
"""Decodes as `json.loads` does, but keeps numbers as they are written and raises for what is `NotAccepted`."""
