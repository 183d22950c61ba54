"""What the hosts of a run say to each other: the leader's words, and the tokens that the others have drawn.

Takes and gives plain data and draws, as JSON and NumPy's arrays, never pickled. They lie in the key-value store of
`jax.distributed`, which is in the leader: who waits for work waits in no collective of the devices, however long that
takes. Knows nothing of what is said.
"""

from __future__ import annotations

import io
import json
from typing import Any

import jax
import numpy as np
from jax._src import distributed  # its key-value store has no public name; Orbax takes it from here too

from restem.harness.errors import HostFailed
from restem.harness.sampling.sampler import Draws

POLL_MS = 1000  # how soon a waiting host sees a signal, or that another has failed


class Channel:
    """The hosts' words, which all count alike: each is numbered, and heard in the order in which it was said."""

    def __init__(self) -> None:
        self.count, self.index = jax.process_count(), jax.process_index()
        self._next = 0

    @property
    def _store(self) -> Any:
        return distributed.global_state.client

    def say(self, do: str, **what: Any) -> int:
        """Says something to all other hosts, as the leader; gives its number."""
        number, self._next = self._next, self._next + 1
        self._store.key_value_set(f"said/{number}", json.dumps({"do": do, **what}))
        return number

    def hear(self) -> tuple[int, dict[str, Any]]:
        """The next thing that the leader says, as soon as it does, and its number.

        Raises:
            HostFailed: Another host said that it failed; so do all that wait here.
        """
        said = json.loads(self._waited(f"said/{self._next}"))
        self._next += 1
        return self._next - 1, said

    def forget(self, number: int) -> None:
        """Frees the memory of something that all have heard."""
        self._store.key_value_delete(f"said/{number}")

    def meet(self) -> None:
        """Waits until all hosts have heard what the leader said last."""
        heard = f"heard/{self._next - 1}"
        self._store.key_value_set(f"{heard}/{self.index}", "yes")
        for host in range(self.count):
            self._waited(f"{heard}/{host}")

    def send(self, number: int, block: int, draws: Draws) -> None:
        """Hands the leader a block of what it asked for by this number."""
        file = io.BytesIO()
        np.savez(file, **draws._asdict())
        self._store.key_value_set_bytes(f"drawn/{number}/{self.index}/{block}", file.getvalue())

    def receive(self, number: int, host: int, block: int) -> Draws:
        """A host's block, as soon as it is there; it is forgotten here."""
        key = f"drawn/{number}/{host}/{block}"
        with np.load(io.BytesIO(self._waited(key)), allow_pickle=False) as arrays:
            draws = Draws(**arrays)
        self._store.key_value_delete(key)
        return draws

    def fail(self, reason: str) -> None:
        """Tells all who wait that this host has failed."""
        self._store.key_value_set(f"failed/{self.index}", reason)

    def _waited(self, key: str) -> bytes:
        while True:
            try:
                return self._store.blocking_key_value_get_bytes(key, POLL_MS)
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise HostFailed(f"the leading host cannot be reached: {error}") from None
            for name, reason in self._store.key_value_dir_get("failed"):
                raise HostFailed(f"host {name.rpartition('/')[2]} failed: {reason}")
