"""Jobs shared out over servers: each takes the next one when it can; one that is lost leaves its jobs to the others.

Takes servers, jobs and a function that does one; gives results in any order. Does not know what a job is.

A server whose connection breaks is left out at once: what answers at its address next may hold other weights. One that
is busy is asked again a few times, with growing waits, before it is left out too.
"""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Generic, TypeVar

from restem.harness.engines.server import Busy, Gone, Server
from restem.harness.errors import EngineFailed

FIRST_WAIT_SECONDS = 0.5
END_SECONDS = 2.0  # that requests in flight have to end when the others have failed
Job = TypeVar("Job")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Lost:
    """A server that gives no further result."""

    server: Server
    reason: str


@dataclasses.dataclass(frozen=True)
class _Done(Generic[Job, Result]):
    job: Job
    result: Result


def share_out(
    servers: Sequence[Server],
    jobs: Sequence[Job],
    ask: Callable[[Server, Job], Result],
    *,
    concurrency: int,
    retries: int,
) -> Generator[tuple[Job, Result], None, None]:
    """Yields every job with its result.

    Args:
        servers: What does the jobs.
        jobs: What is to be done.
        ask: Lets a server do a job; raises Gone or Busy.
        concurrency: Jobs that a server does at once.
        retries: How often a job is tried again on a server that is busy.

    Raises:
        EngineFailed: No server is left, or one of them refuses a job for good.
    """
    work = _Work(jobs, ask, retries)
    each = [server for server in servers for _ in range(min(concurrency, len(jobs)))]
    # Daemons: a request that is in flight does not keep a command from ending.
    threads = [threading.Thread(target=work.run, args=(server,), daemon=True) for server in each]
    for thread in threads:
        thread.start()
    left, alive = len(jobs), list(servers)
    try:
        while left:
            match work.outcomes.get():
                case _Done(job, result):
                    left -= 1
                    yield job, result
                case _Lost(server, reason) if server in alive:
                    alive.remove(server)
                    if not alive:
                        raise EngineFailed(f"engine at {server}: {reason}; no server is left. {REMEDY}")
                    _log.warning(
                        "engine at %s is left out: %s; %d of %d servers go on", server, reason, len(alive), len(servers)
                    )
                case BaseException() as error:
                    raise error
    finally:
        work.end(len(threads))
        deadline = time.monotonic() + END_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


REMEDY = "The samples that it gave are stored: the same command goes on from there when a server is up"


class _Work(Generic[Job, Result]):
    """The jobs that no server does yet, and what became of the others."""

    def __init__(self, jobs: Sequence[Job], ask: Callable[[Server, Job], Result], retries: int) -> None:
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        for job in jobs:
            self._waiting.put(job)
        self._ask, self._retries = ask, retries
        self._ended = threading.Event()
        self.outcomes: queue.SimpleQueue[_Done[Job, Result] | _Lost | BaseException] = queue.SimpleQueue()

    def end(self, threads: int) -> None:
        """Lets all threads end."""
        self._ended.set()
        for _ in range(threads):
            self._waiting.put(None)

    def run(self, server: Server) -> None:
        """Does jobs with one server until there are none, or the server is lost."""
        while (job := self._waiting.get()) is not None and not self._ended.is_set():
            try:
                self.outcomes.put(_Done(job, self._tried(server, job)))
            except (Gone, Busy) as fault:
                self._waiting.put(job)
                self.outcomes.put(_Lost(server, str(fault)))
                return
            except BaseException as error:
                self.outcomes.put(error)
                return

    def _tried(self, server: Server, job: Job) -> Result:
        for attempt in range(self._retries):
            try:
                return self._ask(server, job)
            except Busy:
                if self._ended.wait(FIRST_WAIT_SECONDS * 2**attempt):
                    raise
        return self._ask(server, job)
