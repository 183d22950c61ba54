"""Files and folders that commands write: checked before any work and before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path

import click

from restem.harness.errors import ConfigError

TO_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


def check_folder(option: str, folder: Path) -> None:
    """Checks that files can be written in a folder, which need not exist yet; creates nothing.

    Raises:
        ConfigError: It, or a folder that it would stand in, is a file or cannot be written to.
    """
    try:
        place = next(place for place in (folder.absolute(), *folder.absolute().parents) if _exists(place))
    except OSError as error:  # a name that is too long, a loop of links
        raise ConfigError(f"{option} {folder}: {error.strerror}") from None
    if not place.is_dir():
        raise ConfigError(f"{option} {folder}: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {folder}: {place} cannot be written to")


def _exists(path: Path) -> bool:
    """Whether a path leads to something; a path below a file does not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path.is_symlink()
    return True
