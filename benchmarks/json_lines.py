"""JSON lines: one object a line, and errors that name place, field, what was expected and what was found.

Takes a file or one line of it, and the class of the errors that the caller raises; gives `JsonLine` records. Blank
lines, Windows line ends, a byte-order mark and a missing last newline are accepted. Depends on nothing of ours, so that
every package can read its rows with it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Failure = Callable[[str], Exception]


class BadLine(ValueError):
    """A line or one of its fields is not what was expected; the message names place and field."""


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
        return math.isfinite(value)
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
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise error(f"{path}: {failure.strerror}") from None
    # Bytes, not text lines: a text may hold U+2028, at which str.splitlines would split.
    for number, line in enumerate(data.removeprefix(BYTE_ORDER_MARK).split(b"\n"), 1):
        if line.strip():
            yield f"{path.name}:{number}", line


def parse_json_line(line: bytes, place: str, error: Failure = BadLine) -> JsonLine:
    """The object of one line.

    Raises:
        error: The line is not a JSON object; the message names `place`.
    """
    try:
        # Half of a surrogate pair, which a model can write, is kept as it is.
        fields = json.loads(line.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as failure:
        raise error(f"{place}: not UTF-8 at byte {failure.start}") from None
    except (ValueError, RecursionError):
        raise error(f"{place}: not JSON") from None
    if not isinstance(fields, dict):
        raise error(f"{place}: expected a JSON object, found {type(fields).__name__}")
    return JsonLine(place=place, raw=line, fields=fields, error=error)
