"""The SHA-256 of run.db as its last writer left it, in run.db.sha256 beside it, in the form that `sha256sum -c` reads.

Takes the path of run.db; says whether its bytes are still the same. Then nothing in it is damaged, neither a row nor an
index nor a page, and no row needs to be looked at: a second for 700 MB. It does not depend on SQLite.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path


def hash_file(database: Path) -> Path:
    """Where the hash of a database stands."""
    return database.with_name(f"{database.name}.sha256")


def leave(database: Path) -> None:
    """Writes the hash of a database that its writer has closed; where that fails there is none."""
    with contextlib.suppress(OSError):
        file = hash_file(database)
        file.write_text(f"{_sha256(database)}  {database.name}\n")
        file.chmod(database.stat().st_mode & 0o777)


def forget(database: Path) -> None:
    """Removes the hash of a database that is about to change."""
    with contextlib.suppress(OSError):
        hash_file(database).unlink(missing_ok=True)


def is_as_left(database: Path) -> bool:
    """Whether a database has the bytes that its last writer left, and no rows are waiting in its -wal file."""
    wal = database.with_name(f"{database.name}-wal")
    try:
        written = hash_file(database).read_text().split()
        return not (wal.is_file() and wal.stat().st_size) and written[:1] == [_sha256(database)]
    except (OSError, UnicodeDecodeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
