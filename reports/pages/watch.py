"""A run followed until it is finished: the screen again and again on a terminal, elsewhere a line for every change.

Takes a run folder that another process writes to; shows it. Apart from terminal.py, whose commands start faster without
Rich.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from restem.reports.analysis.findings import Findings
from restem.reports.pages.escape import visible
from restem.reports.pages.terminal import counted, read, screen
from restem.reports.tables.format import estimate

SECONDS_BETWEEN_LOOKS = 2.0


def watch(run_folder: Path, console: Console, seconds: float = SECONDS_BETWEEN_LOOKS) -> None:
    """Shows the run now and every few seconds; returns when it is finished.

    Raises:
        ConfigError: The folder holds no run.
    """
    shown, check = "", True
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        while True:
            findings = read(run_folder, check=check)
            is_finished = bool(findings.run.facts.get("finished"))
            if is_finished and not check:  # the first screen and the last one are of rows that were checked
                check = True
                continue
            check = False
            if live:
                live.update(
                    Text(screen(findings, console.height, console.width), no_wrap=True, overflow="crop"), refresh=True
                )
            elif (line := _line(findings)) != shown:
                shown = line
                print(line, file=console.file, flush=True)
            if is_finished:
                return
            time.sleep(seconds)


def _line(findings: Findings) -> str:
    """How far the run is."""
    if findings.run.imported:
        from restem.reports.pages import imported_terminal as imported  # it imports SciPy

        return visible(f"{counted(findings.run)}; {imported.latest(findings.run)}")
    standings = [s for (arm, i), s in findings.standings.items() if (i or not arm) and s.accuracy.n]
    measured = [f"{s.checkpoint} {estimate(s.accuracy).line} %" for s in standings[-1:]]
    end = ["finished"] if findings.run.facts.get("finished") else []
    parts = [counted(findings.run), f"{len(standings)} checkpoints measured", *measured, *end]
    return visible("; ".join(parts))
