"""Kills a run again and again at random moments and compares what it ends with to an undisturbed run.

    uv run python tests/perf/kill_resume.py SUITE.toml --kills 10 [--set a.b=value]...

Run by name; prints one line per kill and, at the end, whether the lasting rows are equal.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.rows import lasting_rows


def command(suite: str, folder: Path, overrides: tuple[str, ...]) -> list[str]:
    """The line that runs and resumes the suite in a folder."""
    options = [word for override in overrides for word in ("--set", override)]
    return [sys.executable, "-m", "restem.harness.cli", "run", suite, "--out", str(folder), "--quiet", *options]


@click.command(help=__doc__)
@click.argument("suite")
@click.option("--kills", default=10, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/kill"), show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--set", "overrides", multiple=True)
def main(suite: str, kills: int, work: Path, seed: int, overrides: tuple[str, ...]) -> None:
    started = time.monotonic()
    subprocess.run(command(suite, work / "undisturbed", overrides), check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - started
    click.echo(f"undisturbed: {whole:.0f} s")
    rng = random.Random(seed)
    for kill in range(kills):
        process = subprocess.Popen(command(suite, work / "killed", overrides), stdout=subprocess.DEVNULL)
        try:
            # The start (imports, compilation) takes about 15 s: later moments are where rows are written.
            process.wait(timeout=rng.uniform(8.0, 15.0 + whole / 4))
        except subprocess.TimeoutExpired:
            process.kill()
        click.echo(f"kill {kill + 1}: exit {process.wait()}")
    subprocess.run(command(suite, work / "killed", overrides), check=True, stdout=subprocess.DEVNULL)
    expected, resumed = (lasting_rows(work / name) for name in ("undisturbed", "killed"))
    for table in expected:
        equal = expected[table] == resumed[table]
        click.echo(f"{table}: {len(expected[table])} rows, {'equal' if equal else 'DIFFERENT'}")
    if expected != resumed:
        sys.exit(1)


if __name__ == "__main__":
    main()
