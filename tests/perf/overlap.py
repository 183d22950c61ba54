"""Prints what a run takes beside its parts: sampling and training on one side, an outside judge on the other.

    python tests/perf/overlap.py [--python OTHER/.venv/bin/python]... [--latency 1] [--concurrency 16] [--rounds 1]

A small run with two arms that train by rule; a judge behind HTTP on loopback (judge_throughput.py) scores the test
samples. For each Python in turn, such as those of two versions of this program: seconds of the loop, of sampling and
training, and what the judge needs at least (calls / concurrency * latency); the loop as a ratio to the longer of the
two and to their sum. Then whether all runs have equal rows. Asserts nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults import differences, every_row
from tests.perf.judge_throughput import served, tell

SUITE = """
name = "overlap"
seed = 5
iterations = 2
scoring = ["judge"]

[benchmark]
regime = [3.0, 4.5]
train = 64
validation = 16
test = 96

[sampling]
train_samples = 16
validation_samples = 4
test_samples = 4

[training]
steps = {steps}
checks = 2

[[arms]]
name = "sympy"
verifier = "sympy"

[[arms]]
name = "exact"
verifier = "exact"

[verifiers.judge]
model = "m"
concurrency = {concurrency}
"""


def run(python: str, suite: Path, folder: Path, base_url: str) -> None:
    """A run by a Python, in a process of its own."""
    option = f"verifiers.judge.base_url={base_url}"
    command = [python, "-m", "restem.harness.cli", "run", suite, "--out", folder, "--set", option, "--quiet"]
    subprocess.run(command, check=True, env={**os.environ, "OPENAI_API_KEY": "none"}, stdout=subprocess.DEVNULL)


def measured(folder: Path) -> tuple[float, float, int]:
    """Seconds of the loop, of sampling and training, and the judge's calls."""
    with closing(sqlite3.connect(folder / "run.db")) as db:
        events: list[tuple[str, dict[str, Any]]] = [
            (kind, json.loads(detail)) for kind, detail in db.execute("SELECT kind, detail FROM event")
        ]
        trained = db.execute("SELECT sum(seconds) FROM checkpoint").fetchone()[0]
        calls = db.execute("SELECT count(*) FROM judge_call").fetchone()[0]
    (whole,) = [event["seconds"] for kind, event in events if kind == "finished"]
    # The samples of the validation split are drawn within the M-step.
    drawn = sum(e["seconds"] for kind, e in events if kind == "sampled" and e["split"] != "validation")
    return whole, drawn + trained, calls


@click.command(help=__doc__)
@click.option("--python", "pythons", multiple=True, default=[sys.executable])
@click.option("--latency", default=1.0, show_default=True, help="Seconds.")
@click.option("--concurrency", default=16, show_default=True)
@click.option("--steps", default=10, show_default=True, help="Of every M-step.")
@click.option("--rounds", default=1, show_default=True)
def main(pythons: tuple[str, ...], latency: float, concurrency: int, steps: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place, served() as base_url:
        suite = Path(place) / "suite.toml"
        suite.write_text(SUITE.format(steps=steps, concurrency=concurrency))
        tell(base_url, latency, 0.0)
        rows: list[dict[str, Any]] = []
        for number in range(rounds * len(pythons)):
            python, folder = pythons[number % len(pythons)], Path(place) / str(number)
            run(python, suite, folder, base_url)
            whole, device, calls = measured(folder)
            judge = calls / concurrency * latency
            longer, both = whole / max(device, judge), whole / (device + judge)
            click.echo(
                f"{python}: loop {whole:.1f} s; sampling and training {device:.1f} s, judge {calls} calls,"
                f" at least {judge:.1f} s; {longer:.2f} of the longer, {both:.2f} of both"
            )
            rows.append(every_row(folder))
        click.echo(f"rows equal: {all(not differences(rows[0], each) for each in rows)}")


if __name__ == "__main__":
    main()
