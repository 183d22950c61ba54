"""Files of rollouts, whatever their container: their rows as objects with places.

Takes a path; gives the kind of its container, its first object, and its rows. JSON lines, one JSON value, CSV, Parquet
and Inspect's `.eval` are told apart by their content, all but the last two also in gzip. A pickle is never opened: it
can run any code. Does not depend on formats.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from restem.benchmarks.file_formats import csv_rows, decoded, list_rows, parquet_rows
from restem.benchmarks.json_lines import (
    BYTE_ORDER_MARK,
    DECODER,
    GZIP,
    BadLine,
    JsonLine,
    NotAccepted,
    json_object_at,
    parse_json_line,
    read_data,
)
from restem.harness.errors import ConfigError
from restem.harness.imports.rollout import Refused

JSON_LINES, JSON, JSON_LIST, CSV, PARQUET, EVAL = "JSON lines", "JSON", "JSON list", "CSV", "Parquet", "Inspect .eval"
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".eval")
PICKLES = (".pt", ".pth", ".pkl", ".pickle")
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")  # PROTO, the first opcode of every pickle since protocol 2
_HEAD_BYTES = 1 << 16
_INSTEAD = (
    "a pickle can run any code when it is opened, so it is never read. Wrap the reward function with "
    'restem.verifiers.adapters.recorded(function, "rows.jsonl"), which writes JSON lines, or write the rows as JSON '
    "lines or Parquet in the program that holds them"
)


class Source:
    """One file of rollouts.

    Args:
        path: The file.
        start: Bytes of a file of JSON lines that have been read before.

    Raises:
        ConfigError: The file cannot be read, is empty, is a pickle, or is in no container that is known.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        self.name = path.name
        self.start = start
        self.consumed = start
        self._hash, self._hashed = hashlib.sha256(), 0
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self._start = file.read(_HEAD_BYTES)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        self.is_gzip = self._start.startswith(GZIP)
        if self.is_gzip:
            self._start = self._bytes[:_HEAD_BYTES]
        self._start = self._start.removeprefix(BYTE_ORDER_MARK)
        self.kind = self._kind()

    @property
    def grows(self) -> bool:
        """Whether rows that are added at the end can be read without those before them."""
        return self.kind == JSON_LINES and not self.is_gzip

    @property
    def key(self) -> str:
        """A name for the file that stays as it grows: made from its own name, its folder's name and how it begins."""
        lines = {JSON_LINES: 1, CSV: 2}.get(self.kind)
        begin = self._start[:1000] if self.kind in (JSON, JSON_LIST) else self._start
        if lines is not None:
            begin = b"\n".join(self._start.split(b"\n", lines)[:lines])
        named = f"{self.path.absolute().parent.name}/{self.name}".encode("utf-8", "surrogateescape")
        return hashlib.sha256(named + b"\n" + begin).hexdigest()[:12]

    def digest(self, size: int) -> str:
        """The SHA-256 of the first `size` bytes; a larger size than the last one reads only what lies between."""
        if size < self._hashed:
            self._hash, self._hashed = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            file.seek(self._hashed)
            while self._hashed < size and (block := file.read(min(size - self._hashed, 1 << 20))):
                self._hash.update(block)
                self._hashed += len(block)
        return self._hash.hexdigest()

    @functools.cached_property
    def head(self) -> Mapping[str, Any]:
        """The first object; an empty one where there is none, or where it is too large to be looked at."""
        if self.kind == EVAL:
            return {}
        for row in self._rows_from(0):
            if isinstance(row, JsonLine):
                return row.fields
        return {}

    def rows(self) -> Iterator[JsonLine | Refused]:
        """The rows, in their order; a damaged line is refused and the next one is read.

        Where the file grows, a last line without a newline that is no whole object yet is left for the next reading.
        """
        self.consumed = self.start
        yield from self._rows_from(self.start)
        if not self.grows:
            self.consumed = self.size

    def _rows_from(self, start: int) -> Iterator[JsonLine | Refused]:
        if self.grows:
            with self.path.open("rb") as file:
                yield from self._lines(file, start)
        elif self.kind == JSON_LINES:
            yield from self._lines(io.BytesIO(self._bytes), 0)
        else:
            try:
                yield from self._whole()
            except ValueError as error:
                raise ConfigError(str(error)) from None

    def _lines(self, file: BinaryIO, start: int) -> Iterator[JsonLine | Refused]:
        number = 0
        while file.tell() < start and file.readline():
            number += 1
        for line in file:
            number += 1
            place = f"{self.name}:{number}"
            if not line.strip():
                self.consumed += len(line)
                continue
            try:
                row: JsonLine | Refused = parse_json_line(line.removeprefix(BYTE_ORDER_MARK), place, BadLine)
            except BadLine as error:
                if not line.endswith(b"\n"):
                    return
                row = Refused(place=place, reason=without_value(error, place))
            self.consumed += len(line)
            yield row

    def _whole(self) -> Iterator[JsonLine | Refused]:
        if self.kind == PARQUET:
            yield from parquet_rows(self._bytes, self.name, BadLine)
        elif self.kind == CSV:
            yield from csv_rows(decoded(self._bytes, self.name), self.name, BadLine)
        elif self.kind == JSON_LIST:
            yield from list_rows(decoded(self._bytes, self.name), self.name, BadLine)
        else:
            place = f"{self.name}:1"
            try:
                value = DECODER.decode(decoded(self._bytes, self.name))
            except NotAccepted as error:
                raise ValueError(f"{place}: {error}") from None
            except json.JSONDecodeError as error:
                line = getattr(error, "lineno", 1)
                raise ValueError(f"{self.name}:{line}: not JSON") from None
            yield json_object_at(value, place, error=BadLine)

    @property
    def _bytes(self) -> bytes:
        return read_data(self.path, ConfigError)

    def _kind(self) -> str:
        start, suffixes = self._start.lstrip(), [suffix.lower() for suffix in self.path.suffixes]
        if not start:
            raise ConfigError(f"{self.path}: the file is empty")
        if self._start.startswith(_PARQUET):
            return PARQUET
        if self._start.startswith(_ZIP) and ".eval" in suffixes:
            return EVAL
        if _PICKLE.match(self._start) or self._start.startswith(_ZIP):
            raise ConfigError(f"{self.path}: {_INSTEAD}")
        if start.startswith(b"["):
            return JSON_LIST
        if start.startswith(b"{"):
            return JSON_LINES if self._begins_with_an_object() else JSON
        if b"\0" in start or not {".csv", ".tsv"} & set(suffixes):
            expected = "JSON lines, JSON, CSV (.csv, .tsv), Parquet or an Inspect log (.eval)"
            raise ConfigError(f"{self.path}: expected {expected}, found {bytes(start[:20])!r}")
        return CSV

    def _begins_with_an_object(self) -> bool:
        """Whether the first line is a whole object, or too long to be seen whole."""
        first, newline, _ = self._start.lstrip().partition(b"\n")
        if not newline and len(self._start) >= _HEAD_BYTES:
            return True
        try:
            parse_json_line(first, self.name)
        except BadLine:
            return False
        return True


def without_value(error: Exception, place: str) -> str:
    """What is wrong with a row, without its place and the value that it has: equal faults have equal reasons."""
    return str(error).removeprefix(f"{place}: ").partition(", found ")[0]
