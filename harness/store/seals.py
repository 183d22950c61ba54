"""Seals of run.db: for each stage the number of its rows and a hash of them, kept in the transaction that adds rows.

Takes an open SQLite connection; gives the stages whose rows are not those that were stored. A stage is a table, or the
part of it that one split, checkpoint or verifier has. A seal's hash is the sum of the SHA-256 of every row, modulo
2^256: it depends on no order, and a new row costs the same however many there are. It does not depend on the records.

A row is hashed in the form in which SQLite gives it back, so that what a writer adds and what a reader finds agree.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import marshal
import operator
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.harness.errors import DamagedRun, StoreFailed
from restem.harness.store.schema import ROWS, SEAL, VERSION, Table, version_of

# The column that tells the stages of a table apart; a table that is not named here is one stage.
_PART = {
    "problem": "split",
    "checkpoint": "arm",
    "sample": "checkpoint",
    "verdict": "verifier",
    "selection": "checkpoint",
    "judge_call": "verifier",
    "probe_verdict": "verifier",
}
_WORDS = {
    "run": ("facts about the run", ""),
    "problem": ("problems", "of split {}"),
    "checkpoint": ("checkpoints", "of {}"),
    "sample": ("samples", "of {}"),
    "verifier": ("names and settings of verifiers", ""),
    "verdict": ("verdicts", "of {}"),
    "selection": ("selections", "for {}"),
    "judge_call": ("judge calls", "of {}"),
    "event": ("events", ""),
    "probe": ("probes", ""),
    "probe_verdict": ("verdicts on probes", "of {}"),
    "": ("pages and indexes", ""),
}
_CHUNK = 1_000  # rows that are hashed together
_MODULUS = 1 << 256
_FORMAT = 2  # of marshal: the same bytes in every version of Python, which a test holds
_digest = operator.methodcaller("digest")
_Sums = Mapping[str, tuple[int, int]]  # part -> rows, sum of their hashes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """The rows of a stage, or the pages of the file, as they are found.

    Attributes:
        table: The table; empty for the pages of the file.
        part: The split, arm, checkpoint or verifier; empty where the stage is the whole table.
        rows: How many there are.
        damage: How they differ from what was stored; empty where they are that.
    """

    table: str = ""
    part: str = ""
    rows: int = 0
    damage: str = ""

    @property
    def name(self) -> str:
        """The stage in words."""
        what, of = _WORDS[self.table]
        return f"{what} {of.format(self.part or 'base')}" if of else what


def add(db: sqlite3.Connection, table: Table, new: Sequence[tuple[Any, ...]]) -> None:
    """Seals rows that were added, in the transaction that added them, which the caller holds.

    Args:
        new: Their values, as SQLite gives them back.
    """
    for part, (count, total) in _sums(table, list(table.columns), [new]).items():
        before, sum_before = _stored(db, table, part)
        _put(db, table, part, before + count, sum_before + total)


def seal_again(db: sqlite3.Connection, tables: Sequence[Table] = ROWS) -> None:
    """Seals all rows of tables as they are, in a transaction that the caller holds."""
    for table in tables:
        db.execute("DELETE FROM seal WHERE sealed_table = ?", (table.name,))
        for part, sums in _sums_of(db, table, VERSION).items():
            _put(db, table, part, *sums)


def check(db: sqlite3.Connection, folder: Path, tables: Sequence[Table] = ROWS, *, pages: bool = True) -> None:
    """Checks that a run has the rows that were stored; one of a version without seals is taken as it is.

    Args:
        pages: Whether to look at indexes and all pages, too.

    Raises:
        DamagedRun: Naming the first stage that is damaged.
    """
    if version_of(db) < SEAL.since:
        return
    for stage in itertools.chain(stages(db, tables), pages_of(db) if pages else ()):
        if stage.damage:
            raise DamagedRun(
                f"{folder / 'run.db'}: {stage.name}: {stage.damage}; "
                f"`restem check {folder}` says what is damaged and what can be made again"
            )


def stages(db: sqlite3.Connection, tables: Sequence[Table] = ROWS) -> Iterator[Stage]:
    """All stages of a file that has seals."""
    for table in tables:
        try:
            sealed = _sealed(db, table)
            there = _sums_of(db, table, version_of(db))
        except StoreFailed as error:
            if not is_damage(error):
                raise
            yield Stage(table=table.name, damage=f"cannot be read ({_line(error.__cause__)})")
            continue
        for part in sorted(there.keys() | sealed.keys(), key=str):
            now, stored = there.get(part, (0, 0)), sealed.get(part, (0, 0))
            counts = f"{now[0]} rows, {stored[0]} stored" if now[0] != stored[0] else f"{now[0]} rows"
            damage = "" if now == stored else f"not what was stored ({counts})"
            yield Stage(table=table.name, part=str(part), rows=now[0], damage=damage)


def pages_of(db: sqlite3.Connection) -> Iterator[Stage]:
    """What SQLite itself finds wrong in pages and indexes: one finding, which is sound where there is nothing."""
    try:
        texts = [text for (text,) in db.execute("PRAGMA integrity_check(10)").fetchall()]
    except StoreFailed as error:
        if not is_damage(error):
            raise
        texts = [_line(error.__cause__)]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("***")]
    yield Stage(damage="" if lines == ["ok"] else (lines or texts)[0])


def is_damage(error: StoreFailed) -> bool:
    """Whether SQLite failed because of what stands in the file, and not because of its disk, a lock or a permission."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)  # None: Python cannot decode a text
    return code is None or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _line(error: object) -> str:
    """An error as one line: Python quotes the text that it cannot decode."""
    return " ".join(str(error)[:120].split())


def _sealed(db: sqlite3.Connection, table: Table) -> dict[str, tuple[int, int]]:
    sql = "SELECT part, count, sha256_sum FROM seal WHERE sealed_table = ?"
    stored = db.execute(sql, (table.name,)).fetchall()
    return {part: (count, _number(total)) for part, count, total in stored}


def _number(total: str) -> int:
    """The number that a seal holds; -1, which no hash is, where it is damaged."""
    try:
        return int(total, 16)
    except (TypeError, ValueError):
        return -1


def _sums_of(db: sqlite3.Connection, table: Table, version: int) -> _Sums:
    """The sums of all rows, over the columns that a file of this version has."""
    columns = [name for name in table.columns if name not in table.absent(version)]
    rows = db.execute(f"SELECT {', '.join(columns)} FROM {table.name}")
    return _sums(table, columns, iter(lambda: rows.fetchmany(_CHUNK), []))


def _sums(table: Table, columns: Sequence[str], chunks: Iterable[Sequence[tuple[Any, ...]]]) -> _Sums:
    """Part -> how many rows it has, and the sum of their hashes."""
    name = _PART.get(table.name)
    place = None if name is None else columns.index(name)
    counts: Counter[str] = Counter()
    totals: defaultdict[str, int] = defaultdict(int)
    for chunk in chunks:
        parts = [""] * len(chunk) if place is None else list(map(operator.itemgetter(place), chunk))
        counts.update(parts)
        digests = map(_digest, map(hashlib.sha256, map(marshal.dumps, chunk, itertools.repeat(_FORMAT))))
        for part, number in zip(parts, map(int.from_bytes, digests), strict=True):
            totals[part] += number
    return {part or "": (count, totals[part] % _MODULUS) for part, count in counts.items()}


def _stored(db: sqlite3.Connection, table: Table, part: str) -> tuple[int, int]:
    sql = "SELECT count, sha256_sum FROM seal WHERE sealed_table = ? AND part = ?"
    stored = db.execute(sql, (table.name, part)).fetchone()
    return (stored[0], int(stored[1], 16)) if stored else (0, 0)


def _put(db: sqlite3.Connection, table: Table, part: str, count: int, total: int) -> None:
    values = table.name, part, count, f"{total % _MODULUS:064x}"
    db.execute(SEAL.insert(on_conflict="REPLACE"), values)
