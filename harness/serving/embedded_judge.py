"""The embedded tiny judge, served on loopback by a child process.

Takes a log file; gives the server's address while the context is open. Does not depend on JAX: only the child loads it.

The child ends when its standard input closes, so it ends with its parent even when that is killed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restem.harness.errors import RestemError


@contextlib.contextmanager
def embedded_judge(log: Path) -> Iterator[dict[str, Any]]:
    """Runs the tiny judge; gives its `base_url` and the `model` name with the hash of its weights.

    Raises:
        RestemError: It did not start; the message holds the last line of its log.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "restem.harness.cli",
        "serve",
        "tiny-judge",
        "--port",
        "0",
        "--while-stdin-open",
    ]
    with log.open("ab") as errors:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        line = child.stdout.readline() if child.stdout else ""
        if not line:
            end = (log.read_text(errors="replace").strip().splitlines() or [""])[-1]
            raise RestemError(f"the embedded judge did not start (exit {child.wait()}): {end[-500:]}")
        yield json.loads(line)
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
