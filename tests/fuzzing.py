"""Readers of outside data under damage: what a reader is, one mutation of it, and what is wrong with its ending.

A reader takes a folder with one damaged file and gives how the command ended. Everything runs in this process, through
the command line's own group, so that errors become exit codes as they do for a user. tests/fuzz_files.py, fuzz_runs.py,
fuzz_imports.py and fuzz_servers.py have the readers; test_fuzz_readers.py and perf/faults_fuzz.py damage them.
"""

from __future__ import annotations

import dataclasses
import json
import random
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result

from restem.harness.cli.main import main
from tests import fuzz_mutations as damage

TESTS = Path(__file__).parent
ROLLOUTS = TESTS / "rollouts"
EXAMPLES = TESTS.parent / "reports" / "examples"
LONGEST = 1500  # characters of a message
MOST_LINES = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader:
    """One reader.

    Attributes:
        name: What it is called in the table.
        seeds: File name -> its sound bytes; one of them is damaged.
        mutate: The damage by its structure; damage by bytes is drawn besides.
        read: Reads the file of that path; everything else that it needs, it writes beside.
        is_quick: Whether it takes some tens of milliseconds, so that the tests have time for it.
        sound: The exit codes of sound files.
    """

    name: str
    seeds: Mapping[str, bytes]
    mutate: damage.Mutate
    read: Callable[[Path], Result]
    is_quick: bool = True
    sound: tuple[int, ...] = (0,)


def tried(reader: Reader, seed: int, folder: Path) -> tuple[int | str, str]:
    """Exit code (or the exception's name) of one mutation, and what is wrong with it: empty where nothing is.

    Args:
        reader: The reader.
        seed: Determines the damage.
        folder: An empty folder; the damaged file stays in it.
    """
    rng = random.Random(f"{reader.name} {seed}")
    name = rng.choice(sorted(reader.seeds))
    sound = reader.seeds[name]
    by_bytes = rng.randrange(3) == 0
    data = (damage.bytes_mutated if by_bytes else reader.mutate)(rng, sound)
    (folder / name).write_bytes(data)
    before = _contents(folder)
    result = reader.read(folder / name)
    return ending(result, before, _contents(folder))


def ending(result: Result, before: set[str], after: set[str]) -> tuple[int | str, str]:
    """How a command ended, and what is wrong with it."""
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        last = "".join(traceback.format_exception(error)[-3:])
        return type(error).__name__, last
    if result.exit_code not in (0, 1, 2):
        return result.exit_code, f"exit code {result.exit_code}"
    if result.exit_code and (len(result.stderr) > LONGEST or result.stderr.count("\n") > MOST_LINES):
        return result.exit_code, f"a message of {len(result.stderr)} characters: {result.stderr[:300]!r}"
    if result.exit_code and not result.stderr.strip() and not result.stdout.strip():
        return result.exit_code, "no message"
    if result.exit_code and (left := sorted(name for name in after - before if _is_half_written(Path(name).name))):
        return result.exit_code, f"left behind: {left}"
    return result.exit_code, ""


def _is_half_written(name: str) -> bool:
    """Whether this is an output, or a file that was to be put in an output's place."""
    return name.startswith((".", "out.", "report.", "plan.")) or name.endswith((".new", ".partial", ".tmp"))


def _contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def command(*arguments: object) -> Result:
    """Runs the command line in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def called(function: Callable[[], object]) -> Result:
    """Calls a function as a command does, so that the project's own errors become exit codes."""
    group = type(main)(commands={"call": click.Command("call", callback=lambda: click.echo(str(function())))})
    return CliRunner().invoke(group, ["call"])


def lines(*rows: Mapping[str, Any]) -> bytes:
    """JSON lines of these rows."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
