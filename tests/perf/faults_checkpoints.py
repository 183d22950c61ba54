"""Checkpoints of whole runs under faults: a full disk while one is saved, a full cache of programs, damaged folders.

    uv run python tests/perf/faults_checkpoints.py --work FOLDER [--sizes 600,1500,2500] [--only disk|cache|damage]

Takes an empty folder; runs the smallest suite in processes of its own, undisturbed and under each fault, lets the same
command go on, and prints one line for each: how the faulted process ended, and whether the rows are those of the
undisturbed run. Exits 1 where they are not, or where a traceback was printed. Mounting a small tmpfs needs root.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults import Ended, differences, environment, every_row, restem, suite_file
from tests.test_harness_loop_rest_em import SUITE

SETTINGS = ("iterations=2", "training.checks=1", "sampling.validation_samples=2", "benchmark.train=8")


def run(suite: Path, folder: Path, **changes: str) -> Ended:
    """The suite, brought as far as it goes."""
    overrides = [word for setting in SETTINGS for word in ("--set", setting)]
    return restem("run", suite, "--out", folder, "--quiet", *overrides, env=environment(**changes))


@contextmanager
def disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own of this size."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def enlarge(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=512m", str(place)], check=True)


def full_disk(suite: Path, work: Path, kilobytes: int, expected: Path) -> bool:
    with disk(work / f"disk-{kilobytes}", kilobytes) as place:
        stopped = run(suite, place / "run")
        halves = [path.name for path in place.glob("run/checkpoints/*.partial")]
        enlarge(place)
        resumed = run(suite, place / "run")
        ok = stopped.code == 1 and not halves and not stopped.has_traceback and resumed.code == 0
        return told(f"disk of {kilobytes} kB", stopped, ok, expected, place / "run")


def full_cache(suite: Path, work: Path, expected: Path) -> bool:
    with disk(work / "cache", 64) as place:
        ended = run(suite, work / "with full cache", JAX_COMPILATION_CACHE_DIR=str(place))
    return told("compiled programs on a full disk", ended, ended.code == 0, expected, work / "with full cache")


def lose(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)


def edit(checkpoint: Path) -> None:
    settings = json.loads((checkpoint / "policy.json").read_text())
    settings["architecture"]["little_endian"] ^= True
    (checkpoint / "policy.json").write_text(json.dumps(settings))


def lose_tokenizer(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.model").unlink()


def flip(checkpoint: Path) -> None:
    largest = max(checkpoint.glob("params/**/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def damaged(suite: Path, work: Path, damage: Callable[[Path], None], stopped: Path, expected: Path) -> bool:
    """The run goes on where a full disk stopped it, from a checkpoint that was damaged meanwhile."""
    folder = Path(shutil.copytree(stopped, work / damage.__name__))
    damage(folder / "checkpoints" / "sympy-1")
    ended = run(suite, folder)
    return told(f"sympy-1: {damage.__name__}", ended, ended.code == 0 and bool(ended.err), expected, folder)


def told(fault: str, ended: Ended, ok: bool, expected: Path, folder: Path) -> bool:
    """Prints what came of a fault; gives whether it is what was promised."""
    apart = differences(every_row(expected), every_row(folder))
    good = ok and not ended.has_traceback and not apart
    rows = f"DIFFERENT: {'; '.join(apart)}" if apart else "equal"
    click.echo(f"{'ok' if good else 'FAILED'} | {fault} | exit {ended.code} | rows {rows} | {ended.last_line}")
    if not good:
        click.echo(ended.err[-3000:])
    return good


@click.command(help=__doc__)
@click.option("--work", type=click.Path(path_type=Path), required=True)
@click.option("--sizes", default="600,1500,2500", show_default=True, help="Sizes of the full disks, in kB.")
@click.option("--only", type=click.Choice(["disk", "cache", "damage"]))
def main(work: Path, sizes: str, only: str | None) -> None:
    suite, whole, results = suite_file(work, SUITE), work / "undisturbed", list[bool]()
    assert run(suite, whole).code == 0
    if only in (None, "disk"):
        results += [full_disk(suite, work, int(size), whole) for size in sizes.split(",")]
    if only in (None, "cache"):
        results.append(full_cache(suite, work, whole))
    if only in (None, "damage"):
        stopped = work / "stopped"
        assert run_one_iteration(suite, stopped).code == 0
        results += [damaged(suite, work, each, stopped, whole) for each in (lose, edit, lose_tokenizer, flip)]
    sys.exit(0 if all(results) else 1)


def run_one_iteration(suite: Path, folder: Path) -> Ended:
    overrides = [word for setting in (*SETTINGS, "iterations=1") for word in ("--set", setting)]
    return restem("run", suite, "--out", folder, "--quiet", *overrides)


if __name__ == "__main__":
    main()
