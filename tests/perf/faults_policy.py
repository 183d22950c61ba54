"""Damaged policy folders: is every change noticed, or harmless?

    uv run python tests/perf/faults_policy.py [--flips 400] [--seed 0] [--earlier]

Takes a small policy that `save_policy` wrote; flips one bit at a time, spread evenly over its files, and also cuts
every file short, empties it, fills it with zeros and takes it away. Every damaged copy is loaded, and the outcome
counted:

    noticed    one of our own errors, on one line
    harmless   it loads, and parameters, architecture, prompt and what the tokenizer encodes and decodes are as before
    silent     it loads and something differs
    traceback  another error, or one written to stderr by a library

Prints the counts by kind of file, every silent case and every traceback, and exits 1 where there are any. `--earlier`
takes the hash out of policy.json, as in folders of earlier versions, where silent cases are possible.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.harness.errors import RestemError
from restem.harness.model.architecture import SETTINGS_FILE
from restem.harness.model.policy import Policy, load_policy, params_hash
from tests.small_policy import small_policy_folder

TEXTS = ("Solve 3*b = -16 for b.", "x = 1/2 or −0.5; \n\n\tÄ ≤ 漢字 🙂", "<start_of_turn>0123456789")
Damage = Callable[[bytes], bytes | None]  # the content of a file -> the damaged content; None: no file


def results(policy: Policy) -> tuple[object, ...]:
    """All that samples depend on."""
    tokenizer = policy.tokenizer
    ids = [tokenizer.encode_prompt(text) for text in TEXTS]
    return (
        params_hash(policy.params),
        policy.architecture,
        ids,
        [tokenizer.piece(id) for id in range(tokenizer.vocab_size)],
        [tokenizer.decode(each) for each in ids],
        [tokenizer.decode([id]) for id in range(tokenizer.vocab_size)],
        tokenizer.stop_ids,
    )


def flip(bit: int) -> Damage:
    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    return damage


WHOLE: dict[str, Damage] = {
    "gone": lambda _: None,
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "one byte more": lambda content: content + b"\0",
}


def cases(folder: Path, flips: int, rng: random.Random) -> Iterator[tuple[Path, str, Damage]]:
    """File, what is done to it, and the damage; the flips are spread evenly over the files."""
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    filled = [file for file in files if (folder / file).stat().st_size]
    for file in files:
        yield from ((file, name, damage) for name, damage in WHOLE.items())
    for number in range(flips):
        file = filled[number % len(filled)]
        bit = rng.randrange(8 * (folder / file).stat().st_size)
        yield file, f"bit {bit}", flip(bit)


@contextlib.contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Collects what is written to file descriptor 2, by native libraries too."""
    lines: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()


def outcome(folder: Path, expected: tuple[object, ...]) -> tuple[str, str]:
    """What loading a damaged folder gives: the kind of outcome, and a line about it."""
    kind, line = "silent", ""
    with captured_stderr() as written:
        try:
            if results(load_policy(folder)) == expected:
                kind = "harmless"
        except RestemError as error:
            line = f"{type(error).__name__}: {error}"
            kind = "traceback" if "\n" in line else "noticed"
        except Exception as error:
            kind, line = "traceback", f"{type(error).__name__}: {error}"
    if any("Traceback" in text or "Error" in text for text in written):
        kind, line = "traceback", "\n".join([line, *written])
    return kind, line


@click.command(help=__doc__)
@click.option("--flips", default=400, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--earlier", is_flag=True, help="A folder of an earlier version, without its hash.")
@click.option("--verbose", is_flag=True, help="Print every case.")
def main(flips: int, seed: int, earlier: bool, verbose: bool) -> None:
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        whole, damaged = small_policy_folder(Path(place) / "whole"), Path(place) / "damaged"
        if earlier:
            settings = json.loads((whole / SETTINGS_FILE).read_text())
            del settings["policy_sha256"]
            (whole / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n")
        expected = results(load_policy(whole))
        for file, name, damage in cases(whole, flips, random.Random(seed)):
            shutil.rmtree(damaged, ignore_errors=True)
            shutil.copytree(whole, damaged)
            content = damage((whole / file).read_bytes())
            if content is None:
                (damaged / file).unlink()
            else:
                (damaged / file).write_bytes(content)
            kind, line = outcome(damaged, expected)
            of_file = str(file) if len(file.name) < 32 else f"{file.parent}/<data>"
            counts.setdefault(of_file, Counter())[kind] += 1
            if verbose or kind in ("silent", "traceback"):
                print(f"{kind}: {file}, {name}: {line}", flush=True)
    total: Counter[str] = Counter()
    for of_file, counted in counts.items():
        print(f"{of_file:<40}", dict(counted))
        total += counted
    print(f"{total.total()} damaged folders:", dict(total))
    sys.exit(1 if total["silent"] + total["traceback"] else 0)


if __name__ == "__main__":
    main()
