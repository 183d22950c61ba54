"""Stops a verifier that works in another thread than the main one, where no signal raises an exception.

Takes the thread's `Interruption`; gives a `KeyboardInterrupt` in it, as Ctrl-C does in the main thread. It comes where
the thread waits for a server or a process, or between two batches; in code that does neither, where it executes Python.
Does not depend on verifiers.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

WAIT_SECONDS = 0.2  # a verifier that waits looks this often whether it is to stop

T = TypeVar("T")


class Interruption:
    """What interrupts one thread, as often as it is asked to."""

    _of_thread = threading.local()

    def __init__(self) -> None:
        self._asked = self._raised = 0
        self._thread: int | None = None

    def take_thread(self) -> None:
        """Makes the calling thread the one that is interrupted."""
        self._of_thread.current, self._thread = self, threading.get_ident()

    def interrupt(self) -> None:
        """Interrupts the thread at its next `check`; a second time, also what it does at the end of the first."""
        self._asked += 1

    def insist(self) -> None:
        """Raises the exception in the thread, which has not ended, where no `check` has raised it yet."""
        if self._thread is not None and self._raised < self._asked:
            self._raised = self._asked
            raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
            raise_in(ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt))

    @classmethod
    def check(cls) -> None:
        current: Interruption | None = getattr(cls._of_thread, "current", None)
        if current is not None and current._raised < current._asked:
            current._raised += 1
            raise KeyboardInterrupt


def check() -> None:
    """Called by verifiers while they wait.

    Raises:
        KeyboardInterrupt: This thread was interrupted, since the last one was raised.
    """
    Interruption.check()


def sleep(seconds: float) -> None:
    """Sleeps, and raises as `check` does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, WAIT_SECONDS))


def awaited(work: concurrent.futures.Future[T]) -> T:
    """What the work of another thread gives; raises as `check` does meanwhile."""
    check()
    while not concurrent.futures.wait([work], WAIT_SECONDS).done:
        check()
    return work.result()


async def result_of(work: asyncio.Future[T]) -> T:
    """What the work gives; raises as `check` does meanwhile."""
    import asyncio  # it takes a while, and most verifiers have no server

    while not work.done():
        check()
        await asyncio.wait([work], timeout=WAIT_SECONDS)
    return work.result()
