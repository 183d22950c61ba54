"""One verifier for many threads and processes: verdicts on items, from plain and from asynchronous code.

Takes the name of a verifier and tables of options, or a verifier; gives one verdict an item. Does not depend on any
framework.

A verifier is built once a process, at its first use, so that what holds its name can be pickled and sent to another
process. Verifiers are not used by two threads at once: calls that arrive while a batch is verified are verified
together in the next one. So a framework that asks for one response at a time, from many threads, gets a judge's
requests in parallel all the same. Asynchronous callers wait in threads of our own, so that the event loop goes on, and
a slow response takes no thread of the framework's. No signal is used, because only the main thread may.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.adapters.items import Item
from restem.verifiers.verdict import Attempt, Verdict, Verifier, checked, needs_whole_problems, unreadable_references

Tables: TypeAlias = Mapping[str, Mapping[str, Any]]
THREADS = 64  # of asynchronous callers that wait at once; further ones wait for a thread
_NO_REFERENCE = Problem(id="adapter/none", question="", reference=None, split="train", source="adapter")


@dataclasses.dataclass
class _Call:
    """One caller's attempts, and what became of them."""

    attempts: Sequence[Attempt]
    verdicts: Sequence[Verdict] | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.verdicts is not None or self.error is not None


class Shared:
    """A verifier that any number of threads may use.

    Args:
        verifier: The verifier.
    """

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier
        self.whole_problem = needs_whole_problems(verifier)
        self.needs_reference = bool(unreadable_references(verifier, [_NO_REFERENCE]))
        self._turn = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._calls = 0

    def verify(self, items: Sequence[Item]) -> Sequence[Verdict]:
        """One verdict an item, in order.

        Raises:
            VerifierError: The verifier breaks its contract, or is a judge that cannot be reached.
        """
        if self.whole_problem:
            with self._turn:
                self._calls += 1
                return checked(self.verifier, [item.attempt(self._calls) for item in items])
        call = _Call([item.attempt() for item in items])
        self._waiting.append(call)
        with self._turn:
            if not call.is_done:  # otherwise the thread before this one has verified it with its own
                self._verify_waiting()
        if call.error is not None:
            raise call.error
        return call.verdicts or []

    def _verify_waiting(self) -> None:
        calls = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            verdicts = checked(self.verifier, [attempt for call in calls for attempt in call.attempts])
        except Exception as error:  # of the verifier: raised again in every thread that waits for this batch
            for call in calls:
                call.error = error
            return
        except BaseException:  # this thread was interrupted; another one takes its turn
            self._waiting.extendleft(reversed(calls))
            raise
        start = 0
        for call in calls:
            end = start + len(call.attempts)
            call.verdicts, start = verdicts[start:end], end


# -- Once a process ----------------------------------------------------------------------------------------------------

_BUILT: dict[tuple[str, str], Shared] = {}
_LOCK = threading.Lock()
_EXECUTOR: ThreadPoolExecutor | None = None


def shared(name: str, tables: Tables) -> Shared:
    """This process's verifier of that name and these options, built at the first use.

    Raises:
        UnknownVerifier: The name or an option is not known.
    """
    key = (name, repr({table: dict(tables[table]) for table in sorted(tables)}))
    with _LOCK:
        if key not in _BUILT:
            _BUILT[key] = Shared(catalog.build(name, tables))
        return _BUILT[key]


async def in_thread(verifier: Shared, items: Sequence[Item]) -> Sequence[Verdict]:
    """As `Shared.verify`, from asynchronous code: the event loop goes on."""
    global _EXECUTOR
    with _LOCK:
        if _EXECUTOR is None:
            _EXECUTOR = ThreadPoolExecutor(THREADS, thread_name_prefix="restem-verify")
        executor = _EXECUTOR
    return await asyncio.get_running_loop().run_in_executor(executor, verifier.verify, items)


def _begin_again() -> None:
    """In a fork: threads are gone, and a lock may have been held by one of them."""
    global _LOCK, _EXECUTOR
    _LOCK, _EXECUTOR = threading.Lock(), None
    _BUILT.clear()


os.register_at_fork(after_in_child=_begin_again)
