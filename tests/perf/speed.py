"""Measures how fast we sample and train, compared with other projects, and what bounds our speed.

    python tests/perf/speed.py [--peers DIR] [--python-torch PYTHON] [--peer NAME]... [--workload NAME]... [--rounds N]
        [--json FILE]

See sampling.py and training.py for the workloads. `--peers` names a folder for the environments of other projects, made
by uv on first use (machine.py); gemma's own sampler runs in ours. Without it only ours is measured. With `--workload`
only these workloads of sampling are measured, and neither training nor profiles.

Every round runs each peer once, so that other load on the machine affects all of them; figures are the best and the
median of the rounds, without compilation. The machine's matrix-product peak is measured in the same rounds. Asserts
nothing: figures belong to the machine.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.harness.config import load_suite
from restem.harness.model.architecture import ASSETS
from restem.harness.model.mesh import keep_freed_memory, want_cpu_devices
from restem.harness.model.policy import load_policy
from tests.perf import machine, sampling, training

PEERS = {**sampling.PEERS, **training.PEERS}


class Measured:
    """The best figures of all rounds so far."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}
        self.reached: dict[str, float] = {}

    def note_peaks(self) -> None:
        shape = load_policy(ASSETS / "tiny").architecture
        for name, sides in machine.products(shape, sampling.CONFIG.rows).items():
            self.note(self.peaks, name, machine.gflops(*sides))
        self.note(self.peaks, "square, bfloat16", machine.gflops(2048, 2048, 2048, "bfloat16"))

    @staticmethod
    def note(place: dict[str, float], name: str, value: float) -> None:
        place[name] = max(place.get(name, 0.0), value)


def measure_sampling(
    measured: Measured, names: Sequence[str], pythons: dict[str, Path], rounds: int
) -> Iterator[tuple[str, str, Any]]:
    """For each workload its title, its table and its figures."""
    for workload in (sampling.WORKLOADS[name]() for name in names):

        def note(workload: sampling.Workload = workload) -> None:
            measured.note_peaks()
            for compute in sampling.OURS.values():
                asked, seconds = sampling.prefill_only(workload, compute, seed=1)
                measured.note(measured.reached, f"prefill, {workload.title}, {compute}", 1e-9 * asked / seconds)

        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "work"
            sampling.exported(workload, folder)
            for compute in sampling.OURS.values():
                sampling.prefill_only(workload, compute, seed=0)
            with sampling.started(folder, pythons) as children:
                standings = sampling.measured(workload, children, rounds, note)
        for name, compute in sampling.OURS.items():
            best = max(standings[name].timings, key=lambda timing: timing.speed)
            speed = 1e-9 * sampling.whole(workload, best) / best.seconds
            measured.reached[f"all of {workload.title}, {compute}"] = speed
        title = f"{workload.title}: {len(workload.prompts)} prompts, {workload.samples} samples each"
        yield (
            title,
            sampling.table(standings),
            {name: dataclasses.asdict(standing) for name, standing in standings.items()},
        )


def measure_training(
    measured: Measured, pythons: dict[str, Path], rounds: int, overrides: Sequence[str]
) -> tuple[str, str, Any]:
    """Title, table and figures of training."""
    given = training.job(overrides, steps=25, warm=5)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "job.json"
        file.write_text(json.dumps(given))
        standings = training.measured(file, pythons, rounds, [*given["sets"]], measured.note_peaks)
    measured.reached["training"] = standings[training.OURS].gflops
    sizes = ", ".join(f"{name} {len(data['examples'])}" for name, data in given["sets"].items())
    title = f"training on what the default run kept (examples: {sizes})"
    return (
        title,
        training.table(standings),
        {name: dataclasses.asdict(standing) for name, standing in standings.items()},
    )


def profiled(overrides: Sequence[str]) -> dict[str, dict[str, float]]:
    """For each workload, the share of each part in the time of all operations.

    In another process, because XLA dumps its compiled programs only with a flag that is set at its start.
    """
    with tempfile.TemporaryDirectory() as place:
        sets = [word for override in overrides for word in ("--set", override)]
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to={place} --xla_dump_hlo_as_text"
        command = [sys.executable, __file__, "--profile", place, *sets]
        done = subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)


def profile(place: Path, overrides: Sequence[str]) -> dict[str, dict[str, float]]:
    """What `profiled` gives, in the process that XLA writes for."""
    parts: dict[str, dict[str, float]] = {}
    for number, workload in enumerate(sampling.WORKLOADS[name]() for name in sampling.TINY):
        for compute in sampling.OURS.values():

            def run(workload: sampling.Workload = workload, compute: str = compute) -> None:
                sampling.ours(workload, compute, seed=0)

            run()
            trace = place / f"trace-{number}-{compute}"
            parts[f"{workload.title}, {compute}"] = machine.shares(run, machine.SAMPLING, place, trace)
    policy = load_policy(ASSETS / "tiny")
    examples = max(training.kept(policy).values(), key=len)
    learner = training.Learner(policy, examples, load_suite("linear_1d", overrides).training)
    learner.learn(5)
    parts["training"] = machine.shares(lambda: learner.learn(5), machine.TRAINING, place, place / "trace-training")
    return parts


def sentences(measured: Measured, parts: dict[str, dict[str, float]]) -> Iterator[str]:
    """What bounds the speed of each phase, from the figures."""
    for name, speed in measured.peaks.items():
        yield f"matrix product, {name}: {speed:.0f} GFLOP/s"
    for phase, speed in measured.reached.items():
        share, rounded = (speed / measured.peaks[name] for name in ("square", "square, bfloat16"))
        yield f"{phase}: {speed:.0f} GFLOP/s needed, {share:.0%} of the float32 peak, {rounded:.0%} of bfloat16's"
    for title, share in parts.items():
        listed = ", ".join(f"{name} {value:.0%}" for name, value in share.items())
        yield f"time of all operations, {title}: {listed}"


@click.command(help=__doc__)
@click.option("--peers", type=click.Path(path_type=Path), help="Folder of the peers' environments.")
@click.option("--python-torch", default=sys.executable, help="The Python that torch's environment is made with.")
@click.option("--peer", "names", type=click.Choice([*PEERS]), multiple=True, help="Only these peers.")
@click.option("--workload", "workloads", type=click.Choice([*sampling.WORKLOADS]), multiple=True, help="Only these.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--set", "overrides", multiple=True, help="Settings of training, as `restem run` takes them.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Writes all figures there.")
@click.option("--profile", "place", type=click.Path(path_type=Path), hidden=True)
def main(
    peers: Path | None,
    python_torch: str,
    names: Sequence[str],
    workloads: Sequence[str],
    rounds: int,
    overrides: Sequence[str],
    output: Path | None,
    place: Path | None,
) -> None:
    want_cpu_devices(len(os.sched_getaffinity(0)))  # fewer under `taskset`
    keep_freed_memory()
    if place:
        click.echo(json.dumps(profile(place, overrides)))
        return
    measured, figures, load = Measured(), {}, os.getloadavg()[0]

    def python(where: str | None) -> Path:
        if not peers or where is None:
            return Path(sys.executable)
        return machine.environment(peers, where, sys.executable if where == "tunix" else python_torch)

    def pythons(of: dict[str, Any]) -> dict[str, Path]:
        return {name: python(of[name]) for name in of if peers and (not names or name in names)}

    for title, table, numbers in measure_sampling(
        measured, workloads or sampling.TINY, pythons(sampling.PEERS), rounds
    ):
        click.echo(f"\n{title}\n\n{table}")
        figures[title] = numbers
    parts = {}
    if not workloads:
        title, table, numbers = measure_training(measured, pythons(training.PEERS), rounds, overrides)
        click.echo(f"\n{title}\n\n{table}")
        figures[title] = numbers
        parts = profiled(overrides)
    click.echo("\n" + "\n".join(sentences(measured, parts)))
    click.echo(f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after; {os.cpu_count()} cores")
    if output:
        whole = {"figures": figures, "peaks": measured.peaks, "reached": measured.reached, "parts": parts}
        output.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
