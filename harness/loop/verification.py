"""The verifiers' work of a run, done while the run samples and trains.

Takes a run's verifiers and stored samples; gives verdicts as rows of run.db. One thread verifies by rule and one asks
judges, each with a connection of its own to run.db; no verifier is called twice at a time. The order of the work
changes no verdict. It does not depend on policies or JAX.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from restem.benchmarks.problem import Problem
from restem.harness.loop.background import Background, Piece
from restem.harness.loop.probe import probe
from restem.harness.loop.verify import verify
from restem.harness.progress import VERIFYING, RunProgress
from restem.harness.store.store import Store
from restem.verifiers.verdict import Verifier

PART = 512  # samples that are verified together while others are drawn


def parts_of(problems: Sequence[Problem], samples: int) -> Iterator[Sequence[Problem]]:
    """The problems, so many at a time that these have some PART samples."""
    size = -(-PART // samples)
    for start in range(0, len(problems), size):
        yield problems[start : start + size]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """What verifies the samples of a run.

    Attributes:
        store: The run's store for the thread that verifies by rule.
        calls: The same for the thread that asks judges, which hold it too.
        verifiers: By name.
        progress: Shows how long the rest will take.
        asking: Names of the verifiers of the second thread. They share no part with others.
        whole: Names of verifiers that take all samples of a split together: they send batches to a server.
        background: The threads.
    """

    store: Store
    calls: Store
    verifiers: Mapping[str, Verifier]
    progress: RunProgress
    asking: Collection[str] = ()
    whole: Collection[str] = ()
    background: Background = dataclasses.field(default_factory=lambda: Background(lanes=2))
    # (checkpoint, split, verifier) -> part of the samples -> the work on it
    _begun: dict[tuple[str, str, str], dict[tuple[object, ...], Piece]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(dict), init=False, repr=False
    )

    def begin_probes(self, names: Collection[str]) -> None:
        """Begins with the verifiers' missing verdicts on the probes."""
        for name in names:
            self._begin(name, functools.partial(self._probe, name))

    def begin(
        self,
        checkpoint: str,
        split: str,
        problems: Sequence[Problem],
        names: Collection[str],
        samples: int,
        most: int | None = None,
    ) -> None:
        """Begins with the missing verdicts on the stored samples of a checkpoint on some problems of a split.

        Args:
            checkpoint: The checkpoint's id.
            split: The split.
            problems: The problems.
            names: The verifiers.
            samples: How many verdicts of a verifier on each problem were planned.
            most: Only the first samples of each problem are verified, this many; None: all of them.

        Raises:
            JudgeUnavailable, ContractBreach, ...: What the work that was begun before has met.
        """
        for name in dict.fromkeys(names):
            begun = self._begun[checkpoint, split, name]
            part = (problems[0].id, len(problems), most)
            if part not in begun:
                work = functools.partial(self._verify, checkpoint, split, problems, name, samples, most)
                begun[part] = self._begin(name, work)

    def wait(self, checkpoint: str, split: str, name: str) -> None:
        """Waits for the verdicts of a verifier that were begun with.

        Raises:
            JudgeUnavailable, ContractBreach, ...: What a verifier has met, this one or another.
        """
        self.background.wait(self._begun[checkpoint, split, name].values())

    def _begin(self, name: str, work: Callable[[], None]) -> Piece:
        return self.background.begin(work, lane=int(name in self.asking))

    def _store(self, name: str) -> Store:
        return self.calls if name in self.asking else self.store

    def _probe(self, name: str) -> None:
        started, store = time.monotonic(), self._store(name)
        if new := probe(store, self.verifiers[name]):
            store.log("probed", verifier=name, verdicts=new, seconds=time.monotonic() - started)

    def _verify(
        self, checkpoint: str, split: str, problems: Sequence[Problem], name: str, samples: int, most: int | None
    ) -> None:
        started, store = time.monotonic(), self._store(name)
        new = verify(store, checkpoint, problems, split, self.verifiers[name], most=most)
        seconds = time.monotonic() - started
        self.progress.finished(f"{VERIFYING}{name}", len(problems) * samples, fresh=new, seconds=seconds)
        if new:
            store.log("verified", checkpoint=checkpoint, split=split, verifier=name, verdicts=new, seconds=seconds)
