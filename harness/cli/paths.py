"""Files and folders that commands write: checked before any work and before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from restem.harness.errors import ConfigError
from restem.harness.files import is_stream


class _FolderPath(click.Path):
    """A folder, which need not exist; an empty text is refused, because Python takes it for the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty text names no folder; `.` is the working folder", param, ctx)
        return super().convert(value, param, ctx)


TO_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)
TO_FOLDER = _FolderPath(path_type=Path)


def check_file(option: str, file: Path) -> None:
    """Checks that a file can be written: its folder must exist; a device or a pipe takes what is written to it.

    Raises:
        ConfigError: It does not, or cannot be written to.
    """
    if is_stream(file):
        return
    if not file.parent.is_dir():
        raise ConfigError(f"{option} {file}: there is no folder {file.parent}")
    check_folder(option, file.parent)


def check_folder(option: str, folder: Path) -> None:
    """Checks that files can be written in a folder, which need not exist yet; nothing stays behind.

    Raises:
        ConfigError: It, or a folder that it would stand in, is a file or cannot be written to.
    """
    try:
        place = next(place for place in (folder.absolute(), *folder.absolute().parents) if _exists(place))
    except OSError as error:  # a name that is too long, a loop of links
        raise ConfigError(f"{option} {folder}: {error.strerror}") from None
    if not place.is_dir():
        raise ConfigError(f"{option} {folder}: {place} is not a folder")
    import tempfile  # only the commands that write a folder pay for it

    try:
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError
        # The rights do not tell whether the file system accepts new folders: /proc does not, even from root.
        tempfile.TemporaryDirectory(dir=place).cleanup()
    except OSError:
        raise ConfigError(f"{option} {folder}: {place} cannot be written to; give another folder") from None


def check_for_policies(option: str, folder: Path) -> None:
    """Checks the path of a folder in which policies are saved: tensorstore takes only those that are UTF-8.

    Raises:
        ConfigError: It has other bytes.
    """
    path = os.fsencode(folder.absolute())
    try:
        path.decode()
    except UnicodeDecodeError:
        text = f"{option} {path.decode(errors='backslashreplace')}: the path has bytes that are not UTF-8"
        raise ConfigError(f"{text}, and no policy can be saved there; give another folder") from None


def _exists(path: Path) -> bool:
    """Whether a path leads to something; a path below a file does not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path.is_symlink()
    return True
