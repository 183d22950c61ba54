"""A file system of its own for a test: small, or read-only. The test is skipped where this process may mount none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(place: Path, options: str) -> Iterator[None]:
    """A file system in memory on a folder, which is made."""
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True).returncode:
        pytest.skip("this process may mount no file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def remount(place: Path, options: str) -> None:
    """Gives a mounted file system another size, or takes the right to write there."""
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


@contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """A copy of a folder on a medium that takes no file."""
    with disk(place, "size=64m"):
        copy = Path(shutil.copytree(folder, place / folder.name))
        remount(place, "ro")
        yield copy
