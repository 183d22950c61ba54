"""Damage to files, drawn from a seed: by bytes, and by the values of JSON, TOML, CSV, SQLite, Parquet and zip files.

Takes a random generator and the bytes of a sound file; gives other bytes. Depends on no reader.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Mutate: TypeAlias = Callable[[random.Random, bytes], bytes]

SURROGATE = b"\xed\xa0\x80"  # half of a surrogate pair, as UTF-8 would have it
PIECES = (
    *(b"\0", b"\xff", b"\xc3", SURROGATE, b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n", b"\n\n", b"\x1a", b"\x1b[2J"),
    *("\u2028".encode(), "\U0001f600".encode() * 500, b"[" * 3000, b"{" * 3000, b'"', b"'", b",", b"\\", b"9" * 5000),
    *(b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\x80\x04", b"a" * 200_000, b"NaN", b"-Infinity", b"null", b"=", b"#"),
)


def bytes_mutated(rng: random.Random, data: bytes) -> bytes:
    """The file with one damage of its bytes."""
    if not data:
        return rng.choice(PIECES)
    start, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    end = min(end, start + rng.choice((1, 2, 8, 64, len(data))))
    place = rng.randrange(len(data))
    match rng.randrange(9):
        case 0 | 1:
            return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        case 2:
            return data[:start] + data[end:]
        case 3:
            return data[:start]
        case 4 | 5:
            return data[:place] + rng.choice(PIECES) + data[place:]
        case 6:
            return data[:start] + data[start:end] * 2 + data[end:]
        case 7:
            return rng.choice((b"", b"\xef\xbb\xbf" + data, data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\r")))
        case _:
            return data[:start] + rng.choice(PIECES) + data[end:]


class Written(str):
    """A JSON text that stands as it is in a written file, such as a number that Python has not."""


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, -0.0, 2**31, 2**53 + 1, 2**63, -(2**70), 1e308, 1e-320, 10**400),
    *(
        Written("NaN"),
        Written("Infinity"),
        Written("-Infinity"),
        Written("9" * 5000),
        Written("1e400"),
        Written("1E-999"),
    ),
    *(Written("[" * 3000 + "]" * 3000), Written("[" * 90 + "]" * 90), Written('{"a":' * 2000 + "1" + "}" * 2000)),
    *(Written('{"a": 1, "a": 2}'), Written('"\\ud83d"'), Written('"\\udc00x\\ud800"'), Written("[1,]"), Written("01")),
    *("", " ", "\0", "a\0b", "\n", "\r\n\t", "\u2028", "\ufeff", "\x1b[31m", "\U0001f600" * 2000, "x" * 100_000),
    *("0", "1", "-1", "correct", "wrong", "true", "null", "NaN", "inf", "1e999", "\uff11", "../../etc/passwd", "~1"),
    *([], [None], [[]], [1, "a", None], ["a"] * 1000, {}, {"": None}, {"a": {"b": [1]}}, {"role": "user"}),
    *([{"role": "user", "content": None}], [{"role": "user", "content": [{"type": "text", "text": 3}]}]),
    *({"content": "x"}, {"text": "\0"}, "<think>", "2026-11-30T12:00:00", "9" * 400, "-0", "0x10", [0.5, "0.5"]),
)
KEYS = (
    "",
    "a",
    "\0",
    "id",
    "reward",
    "score",
    "__class__",
    "\U0001f600" * 500,
    "x" * 5000,
    "recorded:x",
    "~",
    "a.b",
    "\ud800",
)


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value within a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in list(pairs) for place in [(value, key), *places_in(part)]]


def value_mutated(rng: random.Random, value: Any) -> Any:
    """A decoded JSON value with one or two parts that are something else; changes `value` too."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        places = places_in(value)
        if not places:
            return rng.choice(ODD)
        holder, key = rng.choice(places)
        match rng.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(KEYS)] = holder.pop(key)
            case 2 if isinstance(holder, dict):
                holder[rng.choice(KEYS)] = rng.choice(ODD)
            case 3:
                holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])))
            case _:
                holder[key] = rng.choice(ODD)
    return value


def dumped(value: Any) -> bytes:
    """JSON of a value in which `Written` texts stand as they are."""
    kept: list[str] = []

    def marked(part: Any) -> Any:
        if isinstance(part, Written):
            kept.append(part)
            return f"\x01{len(kept) - 1}\x02"
        if isinstance(part, dict):
            return {key: marked(each) for key, each in part.items()}
        return [marked(each) for each in part] if isinstance(part, list) else part

    text = json.dumps(marked(value))
    return re.sub(r'"\\u0001(\d+)\\u0002"', lambda found: kept[int(found[1])], text).encode()


def json_mutated(rng: random.Random, data: bytes) -> bytes:
    """A file of one JSON value with another value in it."""
    return dumped(value_mutated(rng, json.loads(data)))


def lines_mutated(rng: random.Random, data: bytes) -> bytes:
    """A file of JSON lines with another value in one of them, or with lines in another number or order."""
    lines = data.split(b"\n")
    place = rng.choice([number for number, line in enumerate(lines) if line.strip()])
    match rng.randrange(8):
        case 0:
            lines.insert(place, lines[place])
        case 1:
            lines[place] = rng.choice((b"", b"null", b"[]", b"{}", b"1", b'"a"', b"{" * 3000, lines[place] + b"x"))
        case 2:
            lines[place] = lines[place].replace(b"{", b"{" + lines[place].strip(b"{}\r").split(b",")[0] + b",", 1)
        case _:
            lines[place] = dumped(value_mutated(rng, json.loads(lines[place])))
    return b"\n".join(lines)


ODD_TOML = (
    *(
        "true",
        "false",
        "0",
        "1",
        "-1",
        "0.5",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "9223372036854775807",
        "9" * 30,
        "9" * 5000,
    ),
    *(
        '""',
        '" "',
        '"\\u0000"',
        "'''\n'''",
        '"' + "\U0001f600" * 2000 + '"',
        '"' + "x" * 100_000 + '"',
        "'a",
        '"\\ud800"',
    ),
    *(
        "[]",
        "[[]]",
        "[1]",
        '["a"]',
        '["sympy", 1]',
        "{}",
        "{a = 1}",
        "[" * 3000 + "]" * 3000,
        "[" * 45 + "]" * 45,
        "[1, 2",
    ),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "0x10", "0o7", "1_0", "+1", '"sympy"', '"judge"', '"noisy"'),
    *('"file"', '"mixed"', '"linear_1d"', '"tiny"', '"subprocess:run"', '"os:getcwd"', '"http://127.0.0.1:9/verify"'),
    *('"trl:nowhere.py:f"', '"inspect:x/y"', '"../x"', '"a\\nb"', '"\\u001b[2J"', '"restem.verifiers.verdict:Verdict"'),
)
TABLES = (
    "[benchmark]",
    "[[arms]]",
    "[arms]",
    "[verifiers]",
    "[verifiers.sympy]",
    "[verifiers.judge]",
    "[a.b]",
    "[[]]",
    "[",
)


def toml_mutated(rng: random.Random, data: bytes) -> bytes:
    """A TOML file with another value, key or table."""
    lines = data.decode("utf-8", "replace").split("\n")
    keyed = [number for number, line in enumerate(lines) if "=" in line]
    place = rng.choice(keyed or [0])
    key, _, value = lines[place].partition("=")
    match rng.randrange(9):
        case 0:
            lines.insert(place, lines[place])
        case 1:
            del lines[place]
        case 2:
            lines.insert(place, rng.choice(TABLES))
        case 3:
            lines[place] = f"{rng.choice(('x', '', 'type', 'a.b', chr(34) * 2, 'name', 'base'))} ={value}"
        case 4:
            lines.insert(
                place, f"{rng.choice(('type', 'base', 'members', 'seed', 'x', 'prompt'))} = {rng.choice(ODD_TOML)}"
            )
        case _:
            lines[place] = f"{key}= {rng.choice(ODD_TOML)}"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def setting_mutated(rng: random.Random, data: bytes) -> bytes:
    """A `--set` text, `a.b=value`, with another value or key."""
    key, _, value = data.decode().partition("=")
    odd = rng.choice((*ODD_TOML, "\udcff", "\U0001f600" * 2000, "", "a\nb", "'", "=", "[[["))
    parts = key.split(".")
    parts[rng.randrange(len(parts))] = rng.choice(
        ("", "0", "-1", "x", "'", '"a b"', "\U0001f600" * 500, "name", "9" * 5000)
    )
    text = rng.choice(
        (f"{key}={odd}", f"{key}={odd}", f"{key}={odd}", f"{'.'.join(parts)}={value}", f"{key}.x={value}")
    )
    return text.encode("utf-8", "surrogatepass")


ODD_CELLS = (
    "",
    " ",
    "\0",
    '"',
    'a"b',
    "1e400",
    "9" * 5000,
    "NaN",
    "\U0001f600" * 500,
    "x" * 200_000,
    "train",
    "[1]",
    "{}",
    "\n",
)


def csv_mutated(rng: random.Random, data: bytes) -> bytes:
    """A CSV file with another cell, or a row of another length."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    row = rng.choice(rows)
    match rng.randrange(5):
        case 0:
            row.append(rng.choice(ODD_CELLS))
        case 1:
            row.pop()
        case _:
            row[rng.randrange(len(row))] = rng.choice(ODD_CELLS)
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


ODD_SQL = (
    *(
        None,
        0,
        -1,
        2**40,
        0.5,
        -1e300,
        float("inf"),
        "",
        "x",
        "\0",
        "{}",
        "[]",
        "null",
        '{"a"',
        "1",
        "[1]",
        '"x"',
        "true",
    ),
    *(
        b"",
        b"\xff\xfe",
        b"123",
        "9" * 5000,
        "[" * 3000,
        '{"a": NaN}',
        "x" * 100_000,
        '{"seconds": "x"}',
        '["a"]',
        "\U0001f600",
    ),
)


def sql_mutated(rng: random.Random, data: bytes) -> bytes:
    """A run.db with another value, column, table or version, or with damaged bytes; always another file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        path.write_bytes(data)
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            filled = [name for name in tables if db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()]
            table = rng.choice(filled)
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            column = rng.choice(columns)
            version = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 99, -1))
            changes = {
                0: f"DROP TABLE {rng.choice(tables)}",
                1: f"ALTER TABLE {table} RENAME COLUMN {column} TO other",
                2: f"ALTER TABLE {table} ADD COLUMN other TEXT",
                3: f"PRAGMA user_version = {version}",
                4: f"DELETE FROM {table}",
            }
            change, some = rng.randrange(16), rng.choice(("", f" WHERE {column} = (SELECT max({column}) FROM {table})"))
            with contextlib.suppress(sqlite3.Error):  # a key that may not be null, or be there twice
                if change in changes:
                    db.execute(changes[change])
                else:
                    db.execute(f"UPDATE OR REPLACE {table} SET {column} = ?{some}", (rng.choice(ODD_SQL),))
        db.close()
        return path.read_bytes()


def zip_mutated(rng: random.Random, data: bytes) -> bytes:
    """A zip archive with another JSON value in one of its files, or without one of them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(files))
    if rng.randrange(6) == 0:
        del files[name]
    else:
        files[name] = json_mutated(rng, files[name]) if rng.randrange(4) else bytes_mutated(rng, files[name])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def parquet_mutated(rng: random.Random, data: bytes) -> bytes:
    """A Parquet file in which a column has other values or another name, or damaged bytes where that cannot be."""
    import pyarrow
    from pyarrow import parquet

    rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    column = rng.choice(list(rows[0]))
    odd = rng.choice([value for value in ODD if not isinstance(value, Written)])
    for row in rows:
        row[column] = odd if rng.randrange(2) else None
    written = io.BytesIO()
    try:
        parquet.write_table(pyarrow.Table.from_pylist(rows), written)
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError, TypeError):
        return bytes_mutated(rng, data)
    return written.getvalue()
