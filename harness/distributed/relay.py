"""A relay between JAX's client on this host and JAX's service on the leader.

Takes the address of the leader's service; gives a loopback address for the client. Does not depend on JAX.

JAX's client aborts its process, with a stack trace, at the moment its connection to the service ends (jaxlib 0.10:
`PollForError`; its Python callback cannot take the error's type). The relay keeps the client's connection open when the
leader's has ended. So the process lives on until `liveness` ends it with a line that names the host.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Relay:
    """Forwards every connection to the address, in threads, for as long as the process lives.

    Args:
        target: Host name and port of the leader's service, which may be started later.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._kept: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True, name="relay").start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self._kept.append(client)
            threading.Thread(target=self._forward, args=[client], daemon=True, name="relay").start()

    def _forward(self, client: socket.socket) -> None:
        while True:
            try:
                server = socket.create_connection(self._target, timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        server.settimeout(None)
        threading.Thread(target=_copy, args=[server, client], daemon=True, name="relay").start()
        _copy(client, server)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copies what comes until one of the two ends; closes neither."""
    with contextlib.suppress(OSError):
        while received := source.recv(2**16):
            target.sendall(received)
