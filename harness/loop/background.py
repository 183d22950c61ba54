"""Work in one other thread, piece after piece, while the caller goes on.

Takes functions; gives handles to wait for. Pieces that somebody waits for come first, the others in the order in which
they were begun. It does not depend on what the work is.

The first error ends the work: what has not begun is left out, and the caller gets the error at its next call. An error
or a signal in the caller ends it as well, by an interruption (verifiers/interruption.py).
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType

from restem.verifiers.interruption import Interruption

STOP_SECONDS = 10.0  # an interrupted judge waits 5 s for replies in flight; other work that goes on is left behind
SECOND_STOP_SECONDS = 1.0
_AWAITED, _BEGUN, _END = range(3)


class Piece:
    """A piece of work.

    Attributes:
        work: What is to be done; None where it is done, so that nothing is kept for it.
        done: The handle to wait for.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work
        self.done: Future[None] = Future()


class Background:
    """The thread, which starts with the first piece. A context: leaving it waits until all is done."""

    def __init__(self) -> None:
        self._queue: queue.PriorityQueue[tuple[int, int, Piece | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._error: BaseException | None = None
        self._stopping, self._ended = False, threading.Event()
        self._interruption = Interruption()
        # A process that ends does not wait for work that cannot be interrupted.
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish()
        except BaseException:
            self._stop()
            raise
        if error is not None:
            self._stop()

    def begin(self, work: Callable[[], None]) -> Piece:
        """Adds a piece of work.

        Raises:
            BaseException: What an earlier piece raised.
        """
        self._check()
        piece = Piece(work)
        self._put(_BEGUN, piece)
        if self._thread.ident is None:
            self._thread.start()
        return piece

    def wait(self, pieces: Iterable[Piece]) -> None:
        """Waits until these pieces are done, before all others.

        Raises:
            BaseException: What one of them, or a piece before it, raised.
        """
        pieces = list(pieces)
        for piece in pieces:
            self._put(_AWAITED, piece)
        for piece in pieces:
            piece.done.result()

    def _finish(self) -> None:
        """Waits until all is done and the thread has ended; raises what a piece raised."""
        self._put(_END, None)
        if self._thread.ident is not None:
            self._join(None)
        self._check()

    def _put(self, order: int, piece: Piece | None) -> None:
        self._queue.put((order, next(self._numbers), piece))

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _stop(self) -> None:
        """Interrupts the work, and waits for its end; a second signal ends the wait."""
        self._stopping = True
        self._put(_AWAITED, None)
        if self._thread.ident is None:
            return
        try:
            self._interruption.interrupt()
            self._join(STOP_SECONDS)
        except BaseException:
            self._interruption.interrupt()
            self._join(SECOND_STOP_SECONDS)
            raise

    def _join(self, seconds: float | None) -> None:
        """Waits for the end of the thread; `Thread.join` alone takes it for ended when a signal interrupts the wait."""
        if self._ended.wait(seconds):
            self._thread.join()

    def _run(self) -> None:
        self._interruption.take_thread()
        try:
            self._work()
        finally:
            self._ended.set()

    def _work(self) -> None:
        while (piece := self._queue.get()[2]) is not None:
            work, piece.work = piece.work, None
            if work is None:  # it was put into the queue twice, because somebody waits for it
                continue
            try:
                if self._error is not None:
                    raise self._error
                if not self._stopping:
                    work()
            except BaseException as error:  # it is raised in the caller's thread
                self._error = self._error or error
                piece.done.set_exception(error)
            else:
                piece.done.set_result(None)
