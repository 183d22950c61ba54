"""The formats of problem files: their rows as objects with places, whatever the format.

Takes a path; gives a `JsonLine` a row, or an error that names file and line. Two-line files, JSON lines, a JSON list,
CSV (comma, semicolon or tab) with a header, and Parquet are read, all of them with gzip too. The format is recognised
by the content, and by the file's name where the content leaves it open. Does not depend on what the columns mean,
except that a header is known by a column for questions.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from restem.benchmarks.json_lines import (
    DECODER,
    Failure,
    JsonLine,
    NotAccepted,
    NumberAsWritten,
    json_object_at,
    parse_json_line,
    read_data,
    split_lines,
)

TWO_LINES, JSON_LINES, JSON_LIST, CSV, PARQUET = "two lines", "JSON lines", "JSON list", "CSV", "Parquet"
_PARQUET_MARK = b"PAR1"  # the first bytes of a Parquet file
_SUFFIXES = {".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".csv": CSV, ".tsv": CSV, ".parquet": PARQUET}
_SPACE = re.compile(r"[ \t\r\n]*")


def read_file(path: Path, questions: Sequence[str]) -> tuple[str, list[JsonLine]]:
    """The format of a file and its rows.

    Args:
        path: The file.
        questions: Names of columns by which the header of a CSV file is known, whatever the name of the file.

    Raises:
        ValueError: Naming the file and the line.
    """
    data = read_data(path, ValueError)
    form = _format(path, data, questions)
    if form == PARQUET:
        return form, list(parquet_rows(data, path.name))
    if form == CSV:
        return form, list(csv_rows(decoded(data, path.name), path.name))
    if form == JSON_LIST:
        return form, list(list_rows(decoded(data, path.name), path.name))
    lines = list(split_lines(data, path.name))
    if form == JSON_LINES:
        return form, [parse_json_line(line, place, ValueError) for place, line in lines]
    return form, list(_two_line_rows(lines))


def _format(path: Path, data: bytes, questions: Sequence[str]) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    start = data.lstrip()[:4096]
    if data.startswith(_PARQUET_MARK) or suffix == ".parquet":
        return PARQUET
    if start.startswith(b"{"):
        return JSON_LINES
    if start.startswith(b"[") and (suffix in (".json", ".jsonl", ".ndjson") or re.match(rb"\[\s*[{\]]", start)):
        return JSON_LIST
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    header = start.partition(b"\n")[0].decode("utf-8", "replace").strip()
    cells = [cell.strip().strip('"') for cell in header.split(_delimiter(header))]
    return CSV if len(cells) > 1 and any(name in cells for name in questions) else TWO_LINES


def decoded(data: bytes, name: str) -> str:
    """The text of a file.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        # Half of a surrogate pair is left to the reader of the field, who can name it.
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start) - 1
        raise ValueError(f"{name}:{line}: not UTF-8 at byte {column}") from None


def _two_line_rows(lines: Sequence[tuple[str, bytes]]) -> Iterator[JsonLine]:
    if len(lines) % 2:
        raise ValueError(f"{lines[-1][0]}: a question without an answer (odd number of lines)")
    texts = [(place, _text(line, place).strip()) for place, line in lines]
    for (place, question), (_, answer) in zip(texts[::2], texts[1::2], strict=True):
        yield JsonLine(place=place, raw=b"", fields={"question": question, "answer": answer}, error=ValueError)


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: not UTF-8 at byte {error.start}") from None


def list_rows(text: str, name: str, error: Failure = ValueError) -> Iterator[JsonLine]:
    """The objects of one JSON list; the place of each is the line on which it begins."""
    position, line = _skip(text, text.index("[") + 1), 1
    counted = 0
    after = "["
    while text[position : position + 1] != "]" or after == ",":
        line += text.count("\n", counted, position)
        counted, place = position, f"{name}:{line}"
        try:
            value, position = DECODER.raw_decode(text, position)
        except NotAccepted as failure:
            raise ValueError(f"{place}: {failure}") from None
        except ValueError as failure:
            line += text.count("\n", counted, getattr(failure, "pos", counted))
            raise ValueError(f"{name}:{line}: not JSON") from None
        yield json_object_at(value, place, error=error)
        position = _skip(text, position)
        after = text[position : position + 1]
        if after not in (",", "]"):
            line += text.count("\n", counted, position)
            raise ValueError(f"{name}:{line}: not JSON: expected a comma, or the end of the list")
        position = _skip(text, position + 1) if after == "," else position
    if rest := text[position + 1 :].strip():
        line += text.count("\n", counted, text.index(rest, position + 1))
        raise ValueError(f"{name}:{line}: not JSON: {rest!r:.40} stands behind the list")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return position if match is None else match.end()


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def csv_rows(text: str, name: str, error: Failure = ValueError) -> Iterator[JsonLine]:
    """The rows below the header; an empty cell is null, and a row of empty cells is left out as a blank line is."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(text.lstrip().partition("\n")[0]), strict=True
    )
    header: list[str] | None = None
    while True:
        place = f"{name}:{reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as failure:
            raise ValueError(f"{place}: not CSV: {failure}") from None
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_names(header, place)
            continue
        if len(cells) != len(header):
            raise ValueError(f"{place}: expected {len(header)} cells as in the header, found {len(cells)}")
        fields = {column: cell if cell.strip() else None for column, cell in zip(header, cells, strict=True)}
        yield JsonLine(place=place, raw=b"", fields=fields, error=error)


def _check_names(names: Iterable[str], place: str) -> None:
    names = list(names)
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{place}: column {repeated[0]!r:.40} stands twice")


def parquet_rows(data: bytes, name: str, error: Failure = ValueError) -> Iterator[JsonLine]:
    """The rows of a Parquet file; places count them from 1."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            f'{name}: a Parquet file is read with pyarrow: pip install "restem-harness[parquet]"'
        ) from None
    try:
        table = parquet.read_table(pyarrow.BufferReader(data))
        _check_names(table.column_names, name)
        short = {field.name for field in table.schema if field.type in (pyarrow.float16(), pyarrow.float32())}
        rows = table.to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as failure:
        raise ValueError(f"{name}: not a Parquet file that can be read: {str(failure).splitlines()[0]:.100}") from None
    for number, row in enumerate(rows, 1):
        fields = {column: _plain(value, column in short) for column, value in row.items()}
        yield JsonLine(place=f"{name}, row {number}", raw=b"", fields=fields, error=error)


def _plain(value: Any, is_short: bool) -> Any:
    """A cell as JSON has it: a whole number without a fraction, other numbers with the fewest digits that keep them."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        if value.is_integer() and abs(value) < 1e15:
            return int(value)  # pandas keeps whole numbers as floats in a column with gaps
        if is_short:
            import numpy as np

            return NumberAsWritten(str(np.float32(value)))
    return value
