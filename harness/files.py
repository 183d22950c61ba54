"""Files that commands write: whole or not at all.

Takes a path and its content; gives the file, or leaves what was there before. It depends on nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_OPEN_FILES = ("/dev/fd/", "/proc/")  # the names of what a process has open, also where that is a regular file


def is_stream(path: Path) -> bool:
    """Whether a path leads to something that no file can take the place of: a device, a pipe, an open file."""
    try:
        status = path.stat()
    except OSError:
        return False
    return not stat.S_ISREG(status.st_mode) or os.path.abspath(path).startswith(_OPEN_FILES) or _open_as(status) > 0


def _open_as(status: os.stat_result) -> int:
    """1 for the file that is standard output, 2 for standard error, otherwise 0."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return descriptor
    return 0


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file, text as UTF-8, as `write_parts` does.

    Raises:
        OSError: It cannot be written; the error names the path.
    """
    write_parts(path, [content.encode() if isinstance(content, str) else content])


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file of parts, which are made one by one; what is written to a device or a pipe goes there as it is.

    A file is written beside its place, so that a full disk or a signal leaves the old one or none. It keeps the old
    one's rights; where the path is a link, the file that it leads to is replaced.

    Raises:
        OSError: It cannot be written; the error names the path.
    """
    try:
        if is_stream(path):
            descriptor = _open_as(path.stat())
            with open(descriptor or path, "wb", closefd=not descriptor) as stream:
                stream.writelines(parts)
        else:
            _replace(Path(os.path.realpath(path)), parts)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _replace(path: Path, parts: Iterable[bytes]) -> None:
    beside = path.with_name(f".{os.urandom(6).hex()}.part")
    opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(opened, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(opened)
            with contextlib.suppress(FileNotFoundError):
                old = path.stat()
                os.fchmod(opened, stat.S_IMODE(old.st_mode))
                with contextlib.suppress(PermissionError):
                    os.fchown(opened, old.st_uid, old.st_gid)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
