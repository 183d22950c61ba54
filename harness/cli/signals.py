"""Makes signals end a command, also one that comes where Python drops the exception it raises.

Takes the process's signals; gives exceptions in the main thread: `KeyboardInterrupt` of SIGINT, `Stopped` of others.

Python raises a signal's exception in whatever the main thread executes. In a callback of the garbage collector (JAX has
one, which runs all the time), of a weak reference or in a `__del__`, it prints the exception and goes on.
Such a signal is sent again a moment later, until its exception reaches the command.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from restem.harness.errors import Stopped

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_SECONDS = 0.02


@contextlib.contextmanager
def termination() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP exceptions while a command runs; a SIGHUP that is ignored, as under nohup, stays so.

    In a thread, where Python allows no handler, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.signal(number, _terminate) for number in numbers}
    try:
        with _dropped_signals_sent_again():
            yield
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not installed from Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _terminate(number: int, _: object) -> None:
    raise Stopped(128 + number, number)


@contextlib.contextmanager
def _dropped_signals_sent_again() -> Iterator[None]:
    """Sends a signal again whose exception Python has dropped."""
    before, main, over = sys.unraisablehook, threading.main_thread().ident, False

    def send(number: int) -> None:
        time.sleep(AGAIN_SECONDS)
        if main is not None and not over:
            signal.pthread_kill(main, number)

    def dropped(unraisable: UnraisableHookArgs) -> None:
        match unraisable.exc_value:
            case KeyboardInterrupt():
                number = signal.SIGINT
            case Stopped(number=number):
                pass
            case _:
                return before(unraisable)
        # Not sent from here, where the callback still runs; and not by a Timer, whose locks the main thread may hold.
        _thread.start_new_thread(send, (number,))

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        over = True
        sys.unraisablehook = before
