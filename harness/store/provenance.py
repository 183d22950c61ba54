"""Where a run was made: versions, machine, commit; and what of it differs between the processes of a run.

Takes nothing, or a store; gives facts, events and differences. Loads no JAX; the devices
are named where it is loaded.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restem.harness.store.store import Store

PROCESS = "process"  # the kind of event that a process begins with
PACKAGES = (
    "restem-harness",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "gemma",
    "numpy",
    "sentencepiece",
    "sympy",
    "openai",
    "mathematics_dataset",
)
_COMPARED = ("python", "platform", "device", "git_commit")
CHANGE_NO_ROW = ("openai", "mathematics_dataset")  # a server answers, and the problems are stored


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


def log_process(store: Store, command: str, *, repeat: bool = True) -> list[str]:
    """Adds this process to the run's events; gives what may make its rows differ from those of the processes before.

    Args:
        store: A run, opened for writing.
        command: The word that follows `restem`.
        repeat: Whether to add one that is like the last one, too.
    """
    now, before = {"command": command, **provenance()}, store.logged(PROCESS)
    if repeat or not before or before[-1] != now:
        store.log(PROCESS, **now)
    alike = [process for process in before if process["command"] == command]
    return differences(alike[-1] if alike else store.run(), now)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of two processes differs and may change rows, as `jax 0.10.1 instead of 0.10.0`.

    Args:
        before: What `provenance` gave an earlier process; nothing is compared that it lacks.
        now: The same of a later one.
    """
    pairs = [(key, _essence(key, before.get(key)), _essence(key, now.get(key))) for key in _COMPARED if key in before]
    versions, others = before.get("versions", {}), now.get("versions", {})
    pairs += [(name, versions[name], others.get(name)) for name in versions if name not in CHANGE_NO_ROW]
    pairs = [pair for pair in pairs if pair[0] != "device" or None not in pair]  # None: a process without JAX
    return [f"{key} {b or 'none'} instead of {a or 'none'}" for key, a, b in pairs if a != b]


def _essence(key: str, value: str | None) -> str | None:
    """What of a fact matters: of Python's version the minor one, of the devices their kind."""
    if value is not None and key == "python":
        return ".".join(value.split(".")[:2])
    if value is not None and key == "device":
        return value.partition(" x ")[2]
    return value


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
