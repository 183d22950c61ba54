"""Work beside the caller, piece after piece in each of a few threads.

Takes functions; gives handles to wait for. In a thread, pieces that somebody waits for come first, the others in the
order in which they were begun. It does not depend on what the work is.

The first error ends the work: what has not begun is left out, and the caller gets the error at its next call. An error
or a signal in the caller ends it as well, by an interruption (verifiers/interruption.py).
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType

from restem.verifiers.interruption import Interruption

STOP_SECONDS = 10.0  # an interrupted judge waits 5 s for replies in flight; other work that goes on is left behind
SECOND_STOP_SECONDS = 2.0
LOOK_SECONDS = 1.0  # work that waits looks more often whether it is to stop
_AWAITED, _BEGUN, _END = range(3)


class Background:
    """The threads, each of which starts with its first piece. A context: leaving it waits until all is done."""

    def __init__(self, lanes: int = 1) -> None:
        self._lanes = [_Lane(self._do) for _ in range(lanes)]
        self._error: BaseException | None = None
        self._stopping = False

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

    def begin(self, work: Callable[[], None], lane: int = 0) -> Piece:
        """Adds a piece of work for one of the threads.

        Raises:
            BaseException: What an earlier piece raised.
        """
        self._check()
        piece = Piece(work, self._lanes[lane])
        piece.lane.put(_BEGUN, piece)
        return piece

    def wait(self, pieces: Iterable[Piece]) -> None:
        """Waits until these pieces are done, before all others.

        Raises:
            BaseException: What one of them, or a piece before it, raised.
        """
        pieces = list(pieces)
        for piece in pieces:
            piece.lane.put(_AWAITED, piece)
        for piece in pieces:
            piece.done.result()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _finish(self) -> None:
        """Waits until all is done and the threads have ended; raises what a piece raised."""
        for lane in self._lanes:
            lane.put(_END, None)
        for lane in self._lanes:
            lane.join(None)
        self._check()

    def _stop(self) -> None:
        """Interrupts the work, and waits for its end; a second signal ends the wait."""
        self._stopping = True
        for lane in self._lanes:
            lane.put(_AWAITED, None)
        try:
            self._interrupt(STOP_SECONDS)
        except BaseException:
            self._interrupt(SECOND_STOP_SECONDS)
            raise

    def _interrupt(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for lane in self._lanes:
            lane.interruption.interrupt()
        for lane in self._lanes:
            if not lane.join(min(seconds, LOOK_SECONDS)):
                lane.interruption.insist()
        for lane in self._lanes:
            lane.join(max(0.0, end - time.monotonic()))

    def _do(self, piece: Piece) -> None:
        """Does a piece, in a lane's thread; nothing where it is done, because somebody waits for it."""
        work, piece.work = piece.work, None
        if work is None:
            return
        try:
            self._check()
            if not self._stopping:
                work()
        except BaseException as error:  # it is raised in the caller's thread
            self._error = self._error or error
            piece.done.set_exception(error)
        else:
            piece.done.set_result(None)


class _Lane:
    """A thread and the pieces that it has to do; None among these ends it.

    Attributes:
        interruption: Of the thread.
    """

    def __init__(self, do: Callable[[Piece], None]) -> None:
        self.interruption = Interruption()
        self._do = do
        self._queue: queue.PriorityQueue[tuple[int, int, Piece | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._ended = threading.Event()
        # A process that ends does not wait for work that cannot be interrupted.
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def put(self, order: int, piece: Piece | None) -> None:
        self._queue.put((order, next(self._numbers), piece))
        if piece is not None and self._thread.ident is None:
            self._thread.start()

    def join(self, seconds: float | None) -> bool:
        """Waits for the end of the thread; gives whether it has ended or has never been there.

        `Thread.join` alone takes a thread for ended when a signal interrupts the wait.
        """
        if self._thread.ident is None:
            return True
        if self._ended.wait(seconds):
            self._thread.join()
        return self._ended.is_set()

    def _run(self) -> None:
        self.interruption.take_thread()
        try:
            while (piece := self._queue.get()[2]) is not None:
                self._do(piece)
        finally:
            self._ended.set()


class Piece:
    """A piece of work.

    Attributes:
        work: What is to be done; None where it is done, so that nothing is kept for it.
        lane: Whose thread does it.
        done: The handle to wait for.
    """

    def __init__(self, work: Callable[[], None], lane: _Lane) -> None:
        self.work: Callable[[], None] | None = work
        self.lane = lane
        self.done: Future[None] = Future()
