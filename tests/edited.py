"""A run.db that a test changes by SQL, with the seals of what it then holds: for states that no command leaves."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from restem.harness.store import schema, seals
from restem.harness.store.file_hash import forget


@contextlib.contextmanager
def edited(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the run of a folder; what is changed through it is stored and sealed at the end."""
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as db, db:
        yield db
        if schema.version_of(db) >= schema.SEAL.since:
            seals.seal_again(db)
    forget(folder / "run.db")
