"""Flips single bits of a run's run.db and prints how many were noticed, how many were harmless, and what went wrong.

    python tests/perf/faults_flips.py RUN [--flips 200] [--seed 0]

For each flip a copy of RUN with one bit of run.db changed at a random place is shown and reported. Noticed: one line on
stderr and exit code 1 or 2. Harmless: the figures are those of the sound run, in both. Anything else is printed with
its place, and the exit code is 1: a silent change, a traceback, or an error of several lines.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.harness.cli.main import main as restem

FILES = ("run.db", "run.db.sha256")


def commanded(*arguments: object) -> Result:
    return CliRunner().invoke(restem, [str(argument) for argument in arguments])


def figures(run: Path) -> tuple[str, str]:
    """What a sound run prints: its standings, and its report without the pictures."""
    from restem.reports.pages.report import write_report

    result = commanded("show", run, "--json")
    page = write_report(run, run / "report", figures=False)
    return result.stdout, page.with_suffix(".md").read_text()


def outcome(run: Path, sound: tuple[str, str]) -> str:
    """What became of a damaged run."""
    result = commanded("show", run, "--json")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"TRACEBACK {type(result.exception).__name__}: {result.exception}"
    if result.exit_code:
        lines = result.stderr.splitlines()
        if result.stdout or len(lines) != 1 or result.exit_code not in (1, 2):
            return f"UNCLEAR exit {result.exit_code}, {len(lines)} lines, {len(result.stdout)} characters of figures"
        return "noticed by " + ("rows" if "restem check" in lines[0] and "pages" not in lines[0] else "SQLite")
    return "harmless" if figures(run) == sound else "SILENT CHANGE"


@click.command(help=__doc__)
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--flips", default=200, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(run: Path, flips: int, seed: int) -> None:
    drawn = random.Random(seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        copy.mkdir()
        for name in FILES:
            shutil.copy(run / name, copy)
        sound, data = figures(copy), (run / "run.db").read_bytes()
        for _ in range(flips):
            place, bit = drawn.randrange(len(data)), drawn.randrange(8)
            for beside in copy.glob("run.db-*"):
                beside.unlink()
            (copy / "run.db").write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
            found = outcome(copy, sound)
            counts[found.partition(" ")[0] if found.isupper() else found] += 1
            if found[:2].isupper():
                click.echo(f"byte {place:,}, bit {bit}: {found}")
    click.echo(f"{flips} flips in {len(data):,} bytes: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    sys.exit(any(what[:2].isupper() for what in counts))


if __name__ == "__main__":
    main()
