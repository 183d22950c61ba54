"""Runs the server on loopback: listens, says where in one JSON line, and serves until told to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading

import uvicorn

from restem.harness.model.policy import Policy, params_hash
from restem.harness.serving.server import application


def serve(policy: Policy, name: str, port: int, while_stdin_open: bool) -> None:
    """Serves until SIGINT or SIGTERM, or until standard input closes.

    Raises:
        OSError: The port is taken.
    """
    # The protocol is named because asyncio switches Nagle's delay off only where it sees TCP: 40 ms a reply otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    print(json.dumps({"base_url": url, "model": f"{name}@{params_hash(policy.params)[:8]}"}), flush=True)
    if while_stdin_open:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    config = uvicorn.Config(application(policy, name), log_level="warning", access_log=False, timeout_keep_alive=120)
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_stdin() -> None:
    # Not sys.stdin: a daemon thread inside its lock crashes the interpreter at exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
