"""Draws sequences of faults on the smallest run and checks that each ends with the rows of an undisturbed run.

    uv run python tests/perf/faults_sequences.py [--sequences 100] [--length 6] [--kind killed]...

The long mode of tests/test_harness_app_faults.py. Prints a line for each promise that does not hold, with the faults
that led to it, and how often each kind of fault came. Exits with 1 if a promise does not hold.
"""

from __future__ import annotations

import collections
import random
import shutil
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fault_sequences import FAULTS, Fault, broken_promises, undisturbed
from tests.faults import chance_answer, smallest_suite
from tests.judge_server import JudgeServer
from tests.warm_process import WarmProcess


@click.command(help=__doc__)
@click.option("--sequences", default=100, show_default=True)
@click.option("--length", default=6, show_default=True, help="The most faults in one sequence.")
@click.option("--seed", default=0, show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(FAULTS)), help="Only these faults.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/sequences"), show_default=True)
def main(sequences: int, length: int, seed: int, kinds: tuple[str, ...], work: Path) -> None:
    rng = random.Random(seed)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tried: collections.Counter[str] = collections.Counter()
    good, started = 0, time.monotonic()
    with JudgeServer(chance_answer) as server, WarmProcess() as process:
        run = undisturbed(process, server, smallest_suite(work), work)
        for number in range(1, sequences + 1):
            faults = [
                Fault(rng.choice(kinds or tuple(FAULTS)), round(rng.random(), 3), rng.randrange(12))
                for _ in range(rng.randint(1, length))
            ]
            tried.update(fault.kind for fault in faults)
            broken = broken_promises(run, faults)
            good += not broken
            for line in broken:
                click.echo(f"sequence {number}, {faults}: {line}")
            if not broken and number % 10 == 0:
                click.echo(f"{good} of {number} sequences equal, {time.monotonic() - started:.0f} s")
    click.echo(f"{good} of {sequences} sequences end with all tables equal; faults: {dict(tried)}")
    sys.exit(0 if good == sequences else 1)


if __name__ == "__main__":
    main()
