"""What one GPU at hand for ten minutes is asked; run by gpu.sh, and with `--small` on any CPU.

    tests/perf/gpu.sh [--small] [--model gemma3-1b] [--part NAME]... [--seconds 590]

Each part (gpu_parts.py) is a process of its own with its own time limit, and prints a figure as soon as it has one.
After each figure `gpu.json` and `gpu.md` in the output folder are written anew. A part that cannot run or does not end
in time leaves one line that says why, and the next one goes on. Nothing is downloaded: parameters are random.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click

LIMITS = {"machine": 45, "decode": 165, "train": 130, "save": 40, "suite": 110, "vllm": 100}  # seconds; 590 together
ENVIRONMENTS = {"vllm": {"JAX_PLATFORMS": "cpu"}}  # vLLM has the device for itself


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured figure, beside what the machine's peaks allow.

    Attributes:
        what: What was measured.
        value: The figure.
        unit: Its unit.
        predicted: The figure that a machine which reaches its peaks would give.
        share: The share of these peaks that was reached.
    """

    what: str
    value: float
    unit: str
    predicted: float | None = None
    share: float | None = None


@dataclasses.dataclass(kw_only=True)
class Part:
    """What a part gave so far: its figures, its seconds, and why it gave no more."""

    name: str
    figures: list[Figure] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    why: str | None = None


def table(parts: Sequence[Part]) -> str:
    """All figures as one Markdown table."""
    lines = ["| part | what | measured | at the machine's peaks | share of the peak |", "|---|---|---|---|---|"]
    for part in parts:
        for figure in part.figures:
            predicted = "" if figure.predicted is None else f"{_number(figure.predicted)} {figure.unit}"
            share = "" if figure.share is None else f"{figure.share:.1%}"
            lines.append(
                f"| {part.name} | {figure.what} | {_number(figure.value)} {figure.unit} | {predicted} | {share} |"
            )
        if part.why:
            lines.append(f"| {part.name} | {part.why.replace('|', '/')} | | | |")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def written(parts: Sequence[Part], folder: Path) -> None:
    """Writes what all parts gave so far."""
    (folder / "gpu.json").write_text(json.dumps([dataclasses.asdict(part) for part in parts], indent=1) + "\n")
    (folder / "gpu.md").write_text(table(parts))


def run_part(parts: list[Part], name: str, limit: float, options: Sequence[str], folder: Path) -> None:
    """Runs a part and adds what it gives to `parts`, which is written after each figure."""
    part = Part(name=name)
    peaks = json.dumps({f.what: f.value for before in parts if before.name == "machine" for f in before.figures})
    parts.append(part)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place, Path(place, "log").open("w+") as log:
        command = [sys.executable, "-m", "tests.perf.gpu_parts", name, place, peaks, *options]
        env = os.environ | ENVIRONMENTS.get(name, {})
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env=env
        )
        late = threading.Timer(limit, _end, [process])
        late.start()
        try:
            assert process.stdout
            for line in process.stdout:
                part.figures.append(Figure(**json.loads(line)))
                part.seconds = time.monotonic() - began
                written(parts, folder)
            code = process.wait()
        finally:
            late.cancel()
            _end(process)
        if code:
            over = time.monotonic() - began >= limit
            part.why = f"not done within {limit:.0f} s" if over else f"did not run: {_reason(log)}"
    part.seconds = time.monotonic() - began
    written(parts, folder)


def _end(process: subprocess.Popen[Any]) -> None:
    """Ends a part and all processes that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _reason(log: IO[str]) -> str:
    """The first error in the log, since others follow from it; else the last line."""
    log.seek(0)
    lines = [line.strip() for line in log if line.strip()]
    errors = [found[0] for line in lines if (found := re.search(r"\b\w*Error: .+", line))]
    return (errors or lines[-1:] or ["it says nothing"])[0][:300]


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("gpu-results"), help="Where results are written.")
@click.option("--small", is_flag=True, help="A small network and few steps, for a CPU.")
@click.option("--model", default="gemma3-1b", help="Whose shape the network has.")
@click.option("--part", "names", multiple=True, type=click.Choice([*LIMITS]), help="This part alone; may be repeated.")
@click.option("--seconds", default=590.0, help="For all parts together.")
def main(out: Path, small: bool, model: str, names: tuple[str, ...], seconds: float) -> None:
    """Measures what one GPU gives."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    options = ["small" if small else model]
    parts: list[Part] = []
    for name in names or LIMITS:
        left = end - time.monotonic()
        if left < 1:
            parts.append(Part(name=name, why=f"not begun: {seconds:.0f} s were over"))
            written(parts, out)
        else:
            run_part(parts, name, min(left, LIMITS[name]), options, out)
    click.echo((out / "gpu.md").read_text(), nl=False)


if __name__ == "__main__":
    main()
