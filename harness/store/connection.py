"""How run.db is opened, and what becomes of SQLite's errors.

Takes a run folder; gives a connection for the process that writes, or for a reader, also where the reader may write
nothing. It does not depend on the schema.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from restem.harness.errors import NoRun, StoreFailed
from restem.harness.store.file_hash import leave
from restem.harness.store.place import PRIVATE, held

FILE = "run.db"
WAIT_SECONDS = 60.0  # for a lock that another program holds, such as a backup or an open client
_TRY_SECONDS = 1.0  # SQLite waits this long at a time; between two tries Python handles signals
_WRITER = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
_READER = ("trusted_schema = OFF",)
_SHARED_MEMORY_BYTES = 2**15  # a block of run.db-shm
_T = TypeVar("_T")


class Database(sqlite3.Connection):
    """A connection to run.db: it waits for locks, and SQLite's errors leave it as StoreFailed.

    Attributes:
        path: The file, as messages name it.
        before: Called before every statement.
        in_use: Held while SQLite works.
    """

    path: Path = Path(FILE)
    before: Callable[[], None] = staticmethod(lambda: None)
    in_use: contextlib.AbstractContextManager[object] = contextlib.nullcontext()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self.cursor(_Cursor).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        return self.cursor(_Cursor).executemany(sql, parameters)

    @contextlib.contextmanager
    def transaction(self, kind: str) -> Iterator[None]:
        """All statements inside are stored together, or none."""
        try:
            self.execute(f"BEGIN {kind}")  # a signal that comes while it waits for a lock is raised when it has begun
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:  # on a full disk SQLite may have ended it
                with contextlib.suppress(sqlite3.OperationalError):
                    super().execute("ROLLBACK")
            raise


class _Cursor(sqlite3.Cursor):
    """Rows of a statement; a damaged page may be met at any of them."""

    connection: Database  # type: ignore[assignment]

    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:
        self.connection.before()
        with _failing(self.connection.path):
            _until_free(lambda: self._execute(sql, parameters))
        return self

    def _execute(self, sql: str, parameters: Any) -> None:
        with self.connection.in_use:
            super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> _Cursor:
        self.connection.before()
        with _failing(self.connection.path), self.connection.in_use:
            super().executemany(sql, parameters)
        return self

    def fetchall(self) -> list[Any]:
        with _failing(self.connection.path), self.connection.in_use:
            return super().fetchall()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        with _failing(self.connection.path), self.connection.in_use:
            return super().fetchmany(size)

    def fetchone(self) -> Any:
        with _failing(self.connection.path), self.connection.in_use:
            return super().fetchone()


def _until_free(attempt: Callable[[], _T]) -> _T:
    """What the attempt gives, made again while another program holds a lock."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise


@contextlib.contextmanager
def _failing(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into StoreFailed; a wrong call of ours stays what it is."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except sqlite3.Error as error:
        reason, remedy = _explained(path, error)
        raise StoreFailed(f"{path}: {reason}; {remedy}") from error


_AGAIN = "the same command then goes on"
_RESTORE = "restore it from a copy, or make the run again in another folder"
_EXPLAINED = {
    sqlite3.SQLITE_FULL: ("the disk is full", f"free some space: {_AGAIN}"),
    sqlite3.SQLITE_IOERR: ("{error}", f"see to the disk, its quota and `ulimit -f`: {_AGAIN}"),
    sqlite3.SQLITE_BUSY: (
        f"another program has held a lock for {WAIT_SECONDS:.0f} s",
        f"end it (a backup, an open SQLite client): {_AGAIN}",
    ),
    sqlite3.SQLITE_CORRUPT: ("damaged ({error})", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("damaged ({error})", _RESTORE),
    sqlite3.SQLITE_ERROR: ("not as this program wrote it ({error})", _RESTORE),
    sqlite3.SQLITE_CONSTRAINT: ("new rows do not go with those that are stored ({error})", _RESTORE),
    **dict.fromkeys(
        (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
        ("{error}", "its owner can let you read or write it; docs/run_db.md says how a run is shared"),
    ),
}


def _explained(path: Path, error: sqlite3.Error) -> tuple[str, str]:
    """The reason of an error, and what the user can do."""
    reason, remedy = _EXPLAINED.get(_code(path, error), ("{error}", _RESTORE))
    if path.is_file() and not os.access(path, os.R_OK):
        reason = "no permission to read it"
    text = " ".join(str(error)[:200].split())  # Python quotes the text that it cannot decode
    return reason.format(error=text), remedy


def _code(path: Path, error: sqlite3.Error) -> int:
    """SQLite's result code; where run.db-shm finds no room SQLite itself calls it an I/O error."""
    code = _primary(error)
    if code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _SHARED_MEMORY_BYTES:
        return sqlite3.SQLITE_FULL
    return code


def _primary(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 where Python itself refused a value."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextlib.contextmanager
def to_write(folder: Path) -> Iterator[Database]:
    """The run of a folder for the one process that writes it; made, readable by its owner alone, where there is none.

    Raises:
        RunBusy: Another process writes to it.
        RunReplaced: (of every statement) It is not in its place any more.
        StoreFailed: SQLite cannot open it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    with held(folder) as place:
        # A file that is there is not opened here: closing it would end the locks that SQLite holds on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        with contextlib.closing(_connected(path, "rw")) as db:
            for setting in _WRITER:
                db.execute(f"PRAGMA {setting}")
            db.execute("SELECT 1 FROM sqlite_master").fetchone()  # opens run.db-wal
            place.remember("", FILE, f"{FILE}-wal")
            db.before = place.check
            yield db
        if place.keeps(FILE):
            leave(path)


@contextlib.contextmanager
def beside(db: Database) -> Iterator[Database]:
    """One more connection of the process that writes, for another thread; each waits while the other writes.

    Where that thread goes on afterwards, its next statement is an error.
    """
    other = _connected(db.path, "rw", of_one_thread=False)
    other.in_use, other.before = threading.RLock(), db.before
    try:
        for setting in _WRITER:
            other.execute(f"PRAGMA {setting}")
        yield other
    finally:
        with other.in_use:  # SQLite crashes where a connection is closed in the middle of a statement
            other.close()


@contextlib.contextmanager
def to_read(folder: Path) -> Iterator[Database]:
    """The run of a folder for a reader, which changes nothing and never makes a run.

    WAL needs a file beside run.db. Where the folder takes none (no permission, a read-only or a full disk), run.db is
    read as a file that nobody changes, and from a private copy where its last rows still stand in run.db-wal.

    Raises:
        NoRun: There is none.
        StoreFailed: SQLite cannot open it.
    """
    path = folder / FILE
    if not path.is_file():
        raise NoRun(f"{folder}: no run here (no {FILE})")
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(contextlib.closing(_connected(path, "ro")))
        try:
            sqlite3.Connection.execute(db, "SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:  # any other than these comes again with the next statement
            locked_out = _primary(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            if (locked_out and not os.access(folder, os.W_OK)) or _code(path, error) == sqlite3.SQLITE_FULL:
                db = stack.enter_context(_apart(path))
        for setting in _READER:
            db.execute(f"PRAGMA {setting}")
        yield db


@contextlib.contextmanager
def _apart(path: Path) -> Iterator[Database]:
    """A reader of a run in a folder that takes no file."""
    wal = path.with_name(f"{FILE}-wal")
    with contextlib.ExitStack() as stack:
        options = "ro&immutable=1"
        if wal.is_file() and wal.stat().st_size:
            options, copy = "ro", Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="restem-")))
            _copy((path, wal), copy)
        else:
            copy = path.parent
        db = stack.enter_context(contextlib.closing(_connected(copy / FILE, options)))
        db.path = path
        yield db


def _copy(files: tuple[Path, ...], folder: Path) -> None:
    """Copies files that belong together, again where one of them changed meanwhile.

    Raises:
        StoreFailed: They cannot be read, or change all the time.
    """
    for _ in range(5):
        try:
            before = [_state(file) for file in files]
            for file in files:
                shutil.copyfile(file, folder / file.name)
            if [_state(file) for file in files] == before:
                return
        except PermissionError as error:
            raise StoreFailed(
                f"{error.filename}: no permission to read it; docs/run_db.md says how a run is shared"
            ) from None
    raise StoreFailed(
        f"{files[0]}: a process writes to it, and its folder lets you take no part in that; try again later"
    )


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _connected(path: Path, options: str, *, of_one_thread: bool = True) -> Database:
    address = f"{path.absolute().as_uri()}?mode={options}"
    with _failing(path):
        db = sqlite3.connect(
            address,
            uri=True,
            isolation_level=None,
            timeout=_TRY_SECONDS,
            check_same_thread=of_one_thread,
            factory=Database,
        )
    db.path = path
    return db
