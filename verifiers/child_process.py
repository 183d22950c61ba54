"""Starts a new interpreter for untrusted work, which shares nothing with this process but the descriptors it is passed.

Takes a line of Python and its arguments; gives the process. Does not depend on what the work is.

Code that the user named (a reward function) may need more than hostile text does: some variables of the environment,
the user's folder, or the interpreter of another environment, such as that of a trainer. `Surroundings` says what it is
given; without it, a child has none of these.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

STARTS = 3  # how often a child is started that a signal ends before it is ready
_PAUSE_SECONDS = 0.5  # between them, in which the kernel may find memory
T = TypeVar("T")

# What an interpreter may need to be found and to load its libraries; no other variable is passed to the child.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a child is given besides its work.

    Attributes:
        folder: Its working folder.
        variables: Names of further environment variables that it sees, such as the one that holds a key.
        interpreter: The Python that runs it, 3.11 or newer; None is this process's own. Another interpreter has the
            packages of its own environment and of this one only `restem`.
        may_write: Whether it may write files, and open as many as it likes.
    """

    folder: str = "/"
    variables: tuple[str, ...] = ()
    interpreter: str | None = None
    may_write: bool = False


HOSTILE = Surroundings()


def start_interpreter(
    function: str, arguments: Sequence[str], descriptors: Sequence[int], surroundings: Surroundings = HOSTILE
) -> subprocess.Popen[bytes]:
    """A child that imports `module:function` with this process's search path and calls it without arguments.

    It has no keys in its environment, no standard input and output, the working folder `/`, and a session of its own,
    so that Ctrl-C reaches this process alone and the whole session can be killed at once. `surroundings` may give it
    more.

    Args:
        function: What it calls, `module:function`.
        arguments: Its `sys.argv[2:]`.
        descriptors: The file descriptors that it keeps.
    """
    module, _, name = function.partition(":")
    load = f"from {module} import {name}; {name}()"
    boot = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); {load}"
    path = json.dumps([str(Path(entry or ".").resolve()) for entry in sys.path])
    if surroundings.interpreter is not None:
        boot, path = f"{_IMPORT_RESTEM}; {load}", json.dumps(_package_folders())
    passed = (*_ENVIRONMENT, *surroundings.variables)
    environment = {name: os.environ[name] for name in passed if name in os.environ}
    return subprocess.Popen(
        [surroundings.interpreter or sys.executable, "-sPB", "-c", boot, path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=surroundings.folder,
        env={**environment, "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
        pass_fds=tuple(descriptors),
        start_new_session=True,
    )


# Another interpreter keeps its own search path. Only the package `restem` is added, as a module with the folders of
# this one, so that no other package of this environment can be imported there by mistake.
_IMPORT_RESTEM = (
    "import json, sys, types; restem = sys.modules['restem'] = types.ModuleType('restem'); "
    "restem.__path__ = json.loads(sys.argv[1])"
)


def _package_folders() -> list[str]:
    return [str(Path(folder).resolve()) for folder in sys.modules["restem"].__path__]


class EndedByASignal(Exception):
    """A signal ended a child before it was ready, as the kernel does where memory is short."""


def started(start: Callable[[], T]) -> T:
    """What `start` gives, which is called up to STARTS times where a signal ends the child.

    Raises:
        EndedByASignal: It ended each of them.
    """
    for _ in range(STARTS - 1):
        try:
            return start()
        except EndedByASignal:
            time.sleep(_PAUSE_SECONDS)
    return start()
