"""Where a run was made: versions, machine, commit. No JAX unless it is already loaded."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = (
    "restem-harness",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "gemma",
    "numpy",
    "sympy",
    "openai",
    "mathematics_dataset",
)


def provenance() -> dict[str, Any]:
    """Facts for the `run` table."""
    return software() | {"platform": f"{platform.system()} {platform.machine()}", "device": _device()}


def software() -> dict[str, Any]:
    """The part of `provenance` that names programs; it needs no devices."""
    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "git_commit": _git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> str | None:
    jax = sys.modules.get("jax")
    if jax is None:
        return None
    devices = jax.devices()
    return f"{len(devices)} x {devices[0].device_kind}"


def _git_commit() -> str | None:
    """The commit of this source tree, with `+` where files differ from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    try:
        _git(root, "ls-files", "--error-unmatch", "harness/store/provenance.py")  # not some other project's checkout
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
