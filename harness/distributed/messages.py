"""Messages between the hosts of a run: a broadcast log that the leader writes, and blocks of draws sent back to it.

Takes and gives plain data and draws, serialised as JSON and NumPy arrays, never pickled. Does not depend on the
messages' meaning (hosts.py).

Messages are stored in the key-value store of `jax.distributed`, which runs in the leader's process. Idle hosts poll
this store instead of blocking in a device collective, which would time out. Whether the other hosts are there is known
by `liveness`, not here.
"""

from __future__ import annotations

import io
import json
from typing import Any

import jax
import numpy as np

# The key-value store has no public name in JAX 0.10, whose `jax.distributed` has `initialize`, `is_initialized` and
# `shutdown` alone. Orbax imports it from here too, so JAX's developers know this use.
# pyproject.toml bounds JAX's version, and the tests with two hosts fail if it moves.
from jax._src import distributed

from restem.harness.errors import HostFailed
from restem.harness.sampling.work_queue import Draws

POLL_MS = 1000  # the longest time until a waiting host notices a signal


class Channel:
    """A broadcast log: messages are numbered, and every host reads them in that order."""

    def __init__(self) -> None:
        self.count, self.index = jax.process_count(), jax.process_index()
        self._next = 0  # the number of the next message, equal on all hosts

    @property
    def _store(self) -> Any:
        return distributed.global_state.client

    def broadcast(self, kind: str, **content: Any) -> int:
        """Appends a message, as the leader; gives its number."""
        number, self._next = self._next, self._next + 1
        self._store.key_value_set(f"message/{number}", json.dumps({"kind": kind, **content}))
        return number

    def read(self) -> tuple[int, dict[str, Any]]:
        """Waits for the next message; gives its number and its content, with `kind`.

        Raises:
            HostFailed: The leader's service gives an error; so do all methods that wait.
        """
        message = json.loads(self._wait_for(f"message/{self._next}"))
        self._next += 1
        return self._next - 1, message

    def delete(self, number: int) -> None:
        """Frees the memory of a message that all hosts have read."""
        self._store.key_value_delete(f"message/{number}")

    def barrier(self) -> None:
        """Waits until all hosts have read the last message."""
        key = f"read/{self._next - 1}"
        self._store.key_value_set(f"{key}/{self.index}", "yes")
        for host in range(self.count):
            self._wait_for(f"{key}/{host}")

    def send(self, number: int, block: int, draws: Draws) -> None:
        """Sends the leader a block of the draws that this message asked for."""
        file = io.BytesIO()
        np.savez(file, **draws._asdict())
        self._store.key_value_set_bytes(f"draws/{number}/{self.index}/{block}", file.getvalue())

    def receive(self, number: int, host: int, block: int) -> Draws:
        """Waits for a host's block, and removes it from the store."""
        key = f"draws/{number}/{host}/{block}"
        with np.load(io.BytesIO(self._wait_for(key)), allow_pickle=False) as arrays:
            draws = Draws(**arrays)
        self._store.key_value_delete(key)
        return draws

    def _wait_for(self, key: str) -> bytes:
        while True:
            try:
                return self._store.blocking_key_value_get_bytes(key, POLL_MS)
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise HostFailed(f"the leading host cannot be reached: {error}") from None
