"""Linux namespaces, a sealed file system and limits for the calling process, by system calls.

Takes a kind of isolation and limits; changes the calling process for ever, so it is called in processes that exist for
it (launcher.py). A sealed file system holds Python's standard library and the directories of the shared libraries, both
read-only, and a small private `/tmp`: no home directory, no `/proc`, no site-packages, nothing to write elsewhere.
Depends on nothing of ours.

There are two ways to namespaces. `root`: the process is root and may make them; programs then run as user 65534.
`user`: an unprivileged process makes a user namespace, in which it may make the others. Where neither works, `none`
leaves the file system, the network and other processes visible.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT, USER, NONE = "root", "user", "none"
NOBODY = 65534  # the user that owns nothing
MAX_OPEN_FILES = 64
MAX_FILE_BYTES = 16 << 20
MAX_FILES = 1024
MAX_PROCESSES = 64  # threads count as processes

_NEW_MOUNTS, _NEW_HOSTNAME, _NEW_IPC, _NEW_USER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
_NEW_PROCESSES, _NEW_NETWORK = 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    1 << 14,
    1 << 18,
)
_DETACH = 2
_PACKAGES = ("site-packages", "dist-packages")  # below the standard library; an empty folder is mounted over them
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CAPABILITIES_VERSION = 0x20080522
_LIBC: Any = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    """Calls a function of the C library.

    Raises:
        OSError: It failed, or the library does not have it.
    """
    function = getattr(_LIBC, name, None)
    if function is None:
        raise OSError(f"{name}: not available on {sys.platform}")
    ctypes.set_errno(0)
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = (None if text is None else text.encode() for text in (source, target, kind))
    _call("mount", *texts, ctypes.c_ulong(flags), None if options is None else options.encode())


# -- For all programs: once in the launcher ----------------------------------------------------------------------------


def seal(kind: str, empty_folder: str) -> None:
    """Moves this process into new namespaces and a new, nearly empty root.

    Args:
        kind: `root` or `user`.
        empty_folder: A directory over which the new root is mounted; it stays empty for all others.

    Raises:
        OSError: The machine or its container does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    if kind == USER:
        _call("unshare", _NEW_USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")
    _call("unshare", _NEW_MOUNTS | _NEW_NETWORK | _NEW_IPC | _NEW_HOSTNAME)
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    visible = visible_folders()
    _mount("tmpfs", empty_folder, "tmpfs", _NO_SUID | _NO_DEVICES, "size=1m,mode=755")
    for path in visible:
        inner = empty_folder + path
        os.makedirs(inner, exist_ok=True)
        _bind_read_only(path, inner)
        for name in _PACKAGES:
            if os.path.isdir(f"{inner}/{name}"):
                _mount("tmpfs", f"{inner}/{name}", "tmpfs", _READ_ONLY | _NO_SUID | _NO_DEVICES)
    os.mkdir(f"{empty_folder}/tmp")
    os.chmod(f"{empty_folder}/tmp", 0o777)
    _enter(empty_folder)
    _mount("none", "/", None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def standard_library() -> list[str]:
    """The directories of Python's standard library, not those of installed packages."""
    extensions = getattr(sys.modules.get("_ctypes"), "__file__", None)  # None where it is built into the interpreter
    return [sysconfig.get_path("stdlib"), *([os.path.dirname(extensions)] if extensions else [])]


def visible_folders() -> list[str]:
    """The directories that programs may read: the standard library, and the system's shared libraries.

    Libraries in other places, such as those of an interpreter in a home directory, are in memory already.
    """
    lines = Path("/proc/self/maps").read_text().splitlines()
    files = {line.split(maxsplit=5)[5] for line in lines if "/" in line and ".so" in line}
    folders = {os.path.dirname(path) for path in files if path.startswith(("/lib", "/usr/lib"))}
    # The same directories by the names under which the loader looks for them: /lib may be a link to /usr/lib.
    folders |= {path.removeprefix("/usr") for path in folders}
    existing = sorted({path for path in (*folders, *standard_library()) if os.path.isdir(path)})
    return [path for path in existing if not any(path.startswith(f"{other}/") for other in existing)]


def _bind_read_only(path: str, inner: str) -> None:
    _mount(path, inner, None, _BIND | _RECURSIVE)
    inherited = os.statvfs(inner).f_flag  # of the mount below; a user namespace must keep them
    kept = inherited & (_NO_SUID | _NO_DEVICES | _NO_EXEC)
    times = {os.ST_NOATIME: 1 << 10, os.ST_NODIRATIME: 1 << 11, os.ST_RELATIME: 1 << 21}
    kept |= sum(flag for stated, flag in times.items() if inherited & stated)
    _mount("none", inner, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES | kept)


def _enter(folder: str) -> None:
    """Makes the folder the root of this process; the old root cannot be reached afterwards."""
    os.chdir(folder)
    number = _PIVOT_ROOT.get(platform.machine())
    try:
        if number is None:
            raise OSError("pivot_root: unknown processor")
        _call("syscall", number, b".", b".")
        _call("umount2", b".", _DETACH)
    except OSError:  # an initial RAM disk cannot be pivoted; without capabilities no program leaves a changed root
        os.chroot(".")
    os.chdir("/")


# -- For each program --------------------------------------------------------------------------------------------------


def new_process_namespace() -> None:
    """Lets the next child be process 1 of a namespace: when it ends, the kernel kills all others in it."""
    _call("unshare", _NEW_PROCESSES | _NEW_MOUNTS | _NEW_IPC)


def private_temporary_folder() -> None:
    """Mounts an empty, small `/tmp` for this process alone."""
    options = f"size={MAX_FILE_BYTES},nr_inodes={MAX_FILES},mode=777"
    _mount("tmpfs", "/tmp", "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXEC, options)
    os.chdir("/tmp")


def drop_rights(kind: str) -> None:
    """Gives up the user, all capabilities, and any way to get more."""
    if kind == ROOT:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if kind != NONE:
        with contextlib.suppress(OSError):
            # In it the limit of processes counts this program's alone; an old kernel counts those of the whole user.
            _call("unshare", _NEW_USER)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # fails behind the last capability, or where there are none to drop
            for capability in range(64):
                _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
        _call("capset", header, (ctypes.c_uint32 * 6)())
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_with_parent() -> None:
    """Lets the kernel kill this process when its parent ends; the last step, because a change of user undoes it."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, 9, 0, 0, 0)


def limit(seconds: int, address_space: int, *, processes: bool) -> None:
    """Limits processor time, address space in bytes, files and, where a namespace counts them, processes."""
    limits = {
        resource.RLIMIT_AS: address_space,
        # Process 1 of a namespace ignores the signal of a soft limit; the hard one kills.
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "linux":
        limits |= {resource.RLIMIT_MSGQUEUE: 0, resource.RLIMIT_MEMLOCK: 0}
    if processes:
        limits[resource.RLIMIT_NPROC] = MAX_PROCESSES
    for kind, size in limits.items():
        hard = resource.getrlimit(kind)[1]
        size = size if hard == resource.RLIM_INFINITY else min(size, hard)
        with contextlib.suppress(ValueError):  # macOS refuses some of them
            resource.setrlimit(kind, (size, size))


def address_space() -> int:
    """The address space of this process in bytes; 0 where there is no `/proc`, as on macOS and in a sealed root."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def close_others(kept: Iterable[int]) -> None:
    """Closes all file descriptors but the standard ones and those kept."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, max(start, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
