"""The progress of a command: a live bar on a terminal, one line every ten seconds elsewhere. Writes to stderr only.

Takes stage names, counts of samples or verdicts, and what each phase took. Independent of what is sampled or verified.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


class Advance(Protocol):
    """Counts samples or verdicts for the progress display; those already stored are not fresh."""

    def __call__(self, samples: int, *, fresh: bool = True) -> None: ...


VERIFYING = "verifying:"  # the kinds of work that begin with it are done beside the others

# Estimated time of later phases of a kind, as a share of the first one's, in which programs are compiled.
AFTER_THE_FIRST = 0.2


class Forecast:
    """An estimate of the seconds left, from the planned units of each kind of work and the measured times.

    Verifying goes on beside all other work, so the longer of the two is left.

    The first time of a kind includes compilation, so later times replace it. A kind without measurements has the
    estimate of its family: `sampling train` and `sampling test` are of one family, named by the first word.

    Args:
        plan: Kind -> units.
        known_as: Kind -> another kind and a factor, for a family without measurements: a unit costs the factor times
            a unit of the other kind.
    """

    def __init__(self, plan: Mapping[str, float], known_as: Mapping[str, tuple[str, float]]) -> None:
        self._left = dict(plan)
        self._known_as = dict(known_as)
        self._first: dict[str, float] = {}
        self._later: dict[str, tuple[float, float]] = {}

    def finished(self, kind: str, units: float, *, fresh: float, seconds: float) -> None:
        """Counts planned units as done; the fresh ones took these seconds, the others had been stored."""
        self._left[kind] = max(0.0, self._left.get(kind, 0.0) - units)
        if fresh and kind in self._first:
            spent, done = self._later.get(kind, (0.0, 0.0))
            self._later[kind] = spent + seconds, done + fresh
        elif fresh:
            self._first[kind] = seconds / fresh

    def seconds(self) -> float | None:
        """Seconds left; None before anything was measured."""
        if not self._first:
            return None
        left = {kind: units * self._seconds_per_unit(kind) for kind, units in self._left.items() if units}
        beside = sum(seconds for kind, seconds in left.items() if kind.startswith(VERIFYING))
        return max(beside, sum(left.values()) - beside)

    def _seconds_per_unit(self, kind: str) -> float:
        family = [other for other in self._first if other.partition(" ")[0] == kind.partition(" ")[0]]
        measured = [self._later[other] for other in ([kind] if kind in self._later else family) if other in self._later]
        if measured:
            return sum(spent for spent, _ in measured) / sum(done for _, done in measured)
        if family:
            least = min(self._first[other] for other in family)
            return least * (AFTER_THE_FIRST if len(family) == 1 else 1.0)
        other, factor = self._known_as.get(kind, (kind, 0.0))
        return factor * self._seconds_per_unit(other) if other != kind else 0.0


class RunProgress:
    """Progress over all samples of a run, or all verdicts of a command, with the current stage.

    Args:
        total: The number of samples or verdicts.
        unit: What is counted.
        quiet: Whether to show nothing.
        forecast: Estimates the time left; None: it is estimated from the share that is done.
    """

    def __init__(
        self, total: int, *, unit: str = "samples", quiet: bool = False, forecast: Forecast | None = None
    ) -> None:
        self._forecast, self._lock = forecast, threading.Lock()
        self._total, self._done, self._fresh, self._partial = total, 0, 0, 0
        self._unit = unit
        self._stage = "starting"
        self._quiet = quiet
        self._started = self._last_line = self._last_phase = time.monotonic()
        self._bar = None if quiet else _bar(unit)
        if self._bar:
            self._task = self._bar.add_task(self._stage, total=total, left="")

    def __enter__(self) -> RunProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def stage(self, name: str) -> None:
        """Shows what is being done now: `arm sympy, iteration 1: sampling test`."""
        self._stage = name
        self._show()

    def advance(self, samples: int, *, fresh: bool = True) -> None:
        """Counts samples; those that were stored before are not fresh."""
        self._done += samples
        self._fresh += samples if fresh else 0
        self._partial = 0
        self._show()

    def within(self, samples: int) -> None:
        """Shows how many of those that the next `advance` will count are done."""
        self._partial = samples
        self._show()

    def finished(self, kind: str, units: float, *, fresh: float = 0, seconds: float = 0.0) -> None:
        """Counts a phase as done, for the time left: its planned units, and the seconds of its fresh ones."""
        if self._forecast:
            with self._lock:  # verifying is counted by a thread of its own
                self._forecast.finished(kind, units, fresh=fresh, seconds=seconds)
            self._last_phase = time.monotonic()

    def seconds_left(self) -> float | None:
        """Seconds left; None before anything was measured."""
        now = time.monotonic()
        if self._forecast:
            with self._lock:
                seconds = self._forecast.seconds()
            return None if seconds is None else max(0.0, seconds - (now - self._last_phase))
        fresh, done = self._fresh + self._partial, self._done + self._partial
        return (now - self._started) / fresh * max(0, self._total - done) if fresh else None

    def _left(self) -> str:
        seconds = self.seconds_left()
        if seconds is None:
            return ""
        return f"about {int(seconds // 60)}:{int(seconds % 60):02d} left"

    def _show(self) -> None:
        if self._quiet:
            return
        if self._bar:
            self._bar.update(
                self._task, description=self._stage, completed=self._done + self._partial, left=self._left()
            )
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            elapsed = int(self._last_line - self._started)
            left, done = self._left(), self._done + self._partial
            print(
                f"[{elapsed // 60}:{elapsed % 60:02d}] {self._stage}: {done}/{self._total} {self._unit}"
                + (f", {left}" if left else ""),
                file=sys.stderr,
                flush=True,
            )


def _bar(unit: str) -> Progress | None:
    """The live bar; None where standard error is no terminal, which spares the import of rich."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
    )
