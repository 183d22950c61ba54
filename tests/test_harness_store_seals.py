"""Seals of run.db: what a writer adds and what a reader finds agree, and any other row does not."""

from __future__ import annotations

import marshal
import sqlite3
from contextlib import closing
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.harness.store import schema
from restem.harness.store.rows import as_stored

NUMBERS = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.floats() | st.floats(width=32).map(np.float64)
VALUES = {"TEXT": st.none() | st.text(st.characters(exclude_categories=["Cs"])), "REAL": NUMBERS}
VALUES |= {"INTEGER": st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1), "BLOB": st.none() | st.binary()}
ANY = schema.Table(name="anything", columns={"a": "INTEGER", "b": "TEXT", "c": "REAL", "d": "BLOB"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({name: VALUES[kind] for name, kind in ANY.columns.items()}), max_size=5))
def test_a_row_is_sealed_as_sqlite_gives_it_back(new: list[dict[str, Any]]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE anything (a INTEGER, b TEXT, c REAL, d BLOB)")
        db.executemany(ANY.insert(), as_stored(ANY, new))
        back = db.execute("SELECT * FROM anything ORDER BY rowid").fetchall()
    assert [marshal.dumps(row, 2) for row in back] == [marshal.dumps(row, 2) for row in as_stored(ANY, new)]


def test_the_bytes_that_are_hashed_are_the_same_in_every_version_of_python() -> None:
    expected = "28060000006c0300000000000000000469ffffffff7502000000c3a967000000000000e03f4e730100000000"
    assert marshal.dumps((2**40, -1, "é", 0.5, None, b"\x00"), 2).hex() == expected
