"""A run folder that one process writes to: held for it alone, and checked to be still in its place.

Takes a folder; gives the lock and the check. It does not depend on SQLite.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from restem.harness.errors import RunBusy, RunReplaced, StoreFailed

PRIVATE = 0o600  # run.db holds the whole prompts of judges: only its owner reads a new one


class Place:
    """The files of a run as they were when they were opened, known by device and inode number.

    The process keeps them open, so that no other file can get the same numbers meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self._files: dict[Path, tuple[int, int] | None] = {}

    def remember(self, *names: str) -> None:
        """Adds files of the folder to those that `check` looks at; an empty name stands for the folder."""
        self._files |= {path: _identity(path) for path in map(self.folder.joinpath, names)}

    def keeps(self, name: str) -> bool:
        """Whether a file that is remembered is still the one that was opened."""
        path = self.folder / name
        return _identity(path) == self._files[path]

    def check(self) -> None:
        """Checks that every file is still the one that was opened.

        Raises:
            RunReplaced: One was deleted, moved or replaced.
        """
        for path, identity in self._files.items():
            if _identity(path) != identity:
                raise RunReplaced(
                    f"{path}: deleted, moved or replaced while this process wrote to the run; nothing was written here "
                    "since. If you moved the run folder, the same command with its new place goes on"
                )


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode number; None where nothing is there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Place]:
    """Holds a run folder for this process; the locks end with the process, however it ends.

    There are two. That on the folder stays when somebody removes run.lock. That on run.lock holds where a file system
    locks no folders (NFS), and its text names the process. On a local disk both, made by flock(2), are apart from the
    locks that SQLite takes; a run needs a local disk in any case, because of WAL.

    Raises:
        RunBusy: Another process holds it.
        StoreFailed: The folder takes no file or no lock.
    """
    path = folder / "run.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.callback(os.close, opened := os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
            _lock_folder(opened)
            stack.callback(os.close, file := os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            raise RunBusy(f"{folder}: another process (pid {_holder(path)}) is writing to this run") from None
        except OSError as error:
            raise StoreFailed(
                f"{folder}: cannot be written to ({error.strerror}); a command that adds rows needs free space and the "
                "right to write there: see to it, or copy the run to another folder"
            ) from None
        yield Place(folder)


def _lock_folder(opened: int) -> None:
    """Locks an open folder, where its file system can.

    Raises:
        BlockingIOError: Another process has the lock.
    """
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def _holder(path: Path) -> str:
    """The process id in run.lock."""
    try:
        return path.read_text("ascii", "replace").strip() or "unknown"
    except OSError:
        return "unknown"
