"""Starts a new interpreter for untrusted work, which shares nothing with this process but the descriptors it is passed.

Takes a line of Python and its arguments; gives the process. Does not depend on what the work is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# What an interpreter may need to be found and to load its libraries; no other variable is passed to the child.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


def start_interpreter(function: str, arguments: Sequence[str], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    """A child that imports `module:function` with this process's search path and calls it without arguments.

    It has no keys in its environment, no standard input and output, the working folder `/`, and a session of its own,
    so that Ctrl-C reaches this process alone and the whole session can be killed at once.

    Args:
        function: What it calls, `module:function`.
        arguments: Its `sys.argv[2:]`.
        descriptors: The file descriptors that it keeps.
    """
    module, _, name = function.partition(":")
    boot = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import {name}; {name}()"
    path = json.dumps([str(Path(entry or ".").resolve()) for entry in sys.path])
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-sPB", "-c", boot, path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd="/",
        env={**environment, "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
        pass_fds=tuple(descriptors),
        start_new_session=True,
    )
