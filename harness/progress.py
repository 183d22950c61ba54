"""How far a command is: a live bar on a terminal, one line every ten seconds elsewhere. Writes to stderr only.

Takes stage names and counts of samples or verdicts; knows nothing of what is sampled or verified.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


class Advance(Protocol):
    """Counts samples or verdicts for the progress display; those already stored are not fresh."""

    def __call__(self, samples: int, *, fresh: bool = True) -> None: ...


class RunProgress:
    """Progress over all samples of a run, or all verdicts of a command, with the stage that is on.

    Args:
        total: How many there will be.
        unit: What is counted.
        quiet: Show nothing.
    """

    def __init__(self, total: int, *, unit: str = "samples", quiet: bool = False) -> None:
        self._total, self._done, self._fresh, self._begun = total, 0, 0, 0
        self._unit = unit
        self._stage = "starting"
        self._quiet = quiet
        self._started = self._last_line = time.monotonic()
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
        """Says what is being done now: `arm sympy, iteration 1: sampling test`."""
        self._stage = name
        self._show()

    def advance(self, samples: int, *, fresh: bool = True) -> None:
        """Counts samples; those found in run.db are not `fresh` and do not enter the estimate of time left."""
        self._done += samples
        self._fresh += samples if fresh else 0
        self._begun = 0
        self._show()

    def within(self, samples: int) -> None:
        """Shows how many are done of those that the next `advance` will count."""
        self._begun = samples
        self._show()

    def _left(self) -> str:
        fresh, done = self._fresh + self._begun, self._done + self._begun
        if not fresh:
            return ""
        seconds = (time.monotonic() - self._started) / fresh * max(0, self._total - done)
        return f"about {int(seconds // 60)}:{int(seconds % 60):02d} left"

    def _show(self) -> None:
        if self._quiet:
            return
        if self._bar:
            self._bar.update(self._task, description=self._stage, completed=self._done + self._begun, left=self._left())
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            elapsed = int(self._last_line - self._started)
            left, done = self._left(), self._done + self._begun
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
