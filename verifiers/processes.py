"""Verifies batches in worker processes, with the verdicts of one process.

Takes names and options of verifiers and batches of attempts; gives the verdicts of each batch, in order. Verifiers that
work by rule are shared out; judges and foreign verifiers verify in the calling process. Each worker process builds the
verifiers by their names, so it has their limits for hostile texts too. A batch is shared out in parts, each with all
samples of its problems.

A worker that ends in the middle is started again, and its part is verified again; nothing is stored here. Worker
processes end with this one, however it ends.
"""

from __future__ import annotations

import dataclasses
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from restem.benchmarks.problem import Problem
from restem.verifiers import catalog, interruption
from restem.verifiers.interruption import Interruption
from restem.verifiers.verdict import Attempt, Outcome, Verdict, Verifier, WorkerFailed, checked
from restem.verifiers.worker import Failure, Worker

PART = 256  # attempts that a worker gets together
PART_CHARACTERS = 200_000  # of their responses; a worker's line of verdicts may not be longer than a megabyte
PART_SECONDS = 3600.0  # each text has a limit of its own, of seconds
MEMORY_BYTES = 4 * 2**30
TRIES = 3
_VERIFY = "restem.verifiers.processes:prepare"
_FIELDS = tuple(field.name for field in dataclasses.fields(Verdict) if field.name != "outcome")


def verdicts_on(
    verifier: Verifier, batches: Iterable[Sequence[Attempt]], processes: Processes | None
) -> Iterator[list[Verdict]]:
    """The verdicts on each batch, by worker processes where there are any that take the verifier.

    Raises:
        ContractBreach: As `checked` does.
        WorkerFailed: A worker does not start, or ends again and again.
    """
    if processes is not None and processes.takes(verifier):
        return processes.checked(verifier, batches)
    return (checked(verifier, batch) for batch in batches)


class Processes:
    """The worker processes, which start with the first batch. A context: leaving it ends them.

    Args:
        count: How many.
        names: The verifiers that may be asked for.
        tables: Options of all verifiers.
    """

    def __init__(self, count: int, names: Sequence[str], tables: catalog.Tables) -> None:
        self.count = count
        self._names = {name for name in names if catalog.works_by_rule(name, tables)}
        used = catalog.with_parts(sorted(self._names), tables)
        setup = {"tables": {name: dict(tables[name]) for name in used if name in tables}}
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(Worker(_VERIFY, seconds_per_item=PART_SECONDS, memory_bytes=MEMORY_BYTES, setup=setup))
        self._interruptions: list[Interruption] = []
        self._pool = ThreadPoolExecutor(count, "verify", self._begin)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            for each in self._interruptions:
                each.interrupt()
        self._pool.shutdown(cancel_futures=True)
        while not self._free.empty():
            self._free.get().close()

    def takes(self, verifier: Verifier) -> bool:
        """Whether the verifier is one of those that are shared out."""
        return verifier.name in self._names

    def checked(self, verifier: Verifier, batches: Iterable[Sequence[Attempt]]) -> Iterator[list[Verdict]]:
        """The verdicts on each batch; some batches are read ahead."""
        begun: deque[list[Future[list[Verdict]]]] = deque()
        for batch in batches:
            begun.append([self._pool.submit(self._verdicts, verifier, part) for part in parts(batch, self.count)])
            if len(begun) > 1 + self.count // 4:
                yield _gathered(begun.popleft())
        while begun:
            yield _gathered(begun.popleft())

    # What follows runs in the threads, one a worker.

    def _begin(self) -> None:
        self._interruptions.append(Interruption())
        self._interruptions[-1].take_thread()

    def _verdicts(self, verifier: Verifier, part: Sequence[Attempt]) -> list[Verdict]:
        worker = self._free.get()
        try:
            item = {"name": verifier.name, "fingerprint": verifier.fingerprint, **_packed(part)}
            failure = Failure(kind="")
            for _ in range(TRIES):
                (result,) = worker.map([item])
                if not isinstance(result, Failure):
                    return [_verdict(row) for row in result]
                failure = result
            raise WorkerFailed(
                f"verifier {verifier.name!r}: its worker process failed ({failure.kind} {failure.detail})"
            )
        finally:
            self._free.put(worker)


def parts(batch: Sequence[Attempt], count: int) -> Iterator[Sequence[Attempt]]:
    """A batch in parts of about PART attempts, or fewer where there are too few for each worker."""
    size, start, characters = min(PART, -(-len(batch) // count)), 0, 0
    for end, attempt in enumerate(batch):
        is_full = end - start >= size or characters >= PART_CHARACTERS
        if is_full and attempt.problem.id != batch[end - 1].problem.id:
            yield batch[start:end]
            start, characters = end, 0
        characters += len(attempt.response)
    if start < len(batch):
        yield batch[start:]


def _gathered(begun: Sequence[Future[list[Verdict]]]) -> list[Verdict]:
    return [verdict for future in begun for verdict in interruption.awaited(future)]


def _packed(part: Sequence[Attempt]) -> dict[str, Any]:
    """Attempts as JSON can hold them; each problem once."""
    places: dict[int, int] = {}
    problems: list[Problem] = []
    responses: list[tuple[int, str]] = []
    for attempt in part:
        if (place := places.get(id(attempt.problem))) is None:
            place = places[id(attempt.problem)] = len(problems)
            problems.append(attempt.problem)
        responses.append((place, attempt.response))
    return {"problems": [_fields(problem) for problem in problems], "responses": responses}


def _fields(problem: Problem) -> dict[str, Any]:
    return {**vars(problem), "data": dict(problem.data), "strata": dict(problem.strata)}


def _verdict(row: Sequence[Any]) -> Verdict:
    outcome, *values = row
    fields = dict(zip(_FIELDS, values, strict=True))
    fields["span"] = None if fields["span"] is None else tuple(fields["span"])
    return Verdict(outcome=Outcome(outcome), **fields)


# -- In a worker -------------------------------------------------------------------------------------------------------


def prepare(setup: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], list[list[Any]]]:
    """The function that verifies one part; verifiers are built when they are first asked for."""
    built: catalog.Built = {}

    def verified(item: Mapping[str, Any]) -> list[list[Any]]:
        verifier = catalog.build(item["name"], setup["tables"], built=built)
        if verifier.fingerprint != item["fingerprint"]:
            raise ValueError("another version of this program, or other options")
        problems = [Problem(**{**fields, "alternatives": tuple(fields["alternatives"])}) for fields in item["problems"]]
        attempts = [Attempt(problem=problems[place], response=response) for place, response in item["responses"]]
        return [
            [verdict.outcome.value, *(getattr(verdict, field) for field in _FIELDS)]
            for verdict in checked(verifier, attempts)
        ]

    return verified
