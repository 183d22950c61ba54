"""Prints what `restem report` and `restem show` take on a run of a million verdict rows.

    python tests/perf/report_size.py FOLDER [--verdicts 1000000] [--rounds 1]

Makes FOLDER/run.db unless it is there: five arms, four iterations, six verifiers, four samples a problem, responses and
judge calls as long as those of a small policy on linear equations, made from a seed. Then runs each command in a
process of its own and prints its wall time, its processor time and its peak memory: first with the file's hash beside
it, then without, as after a kill, so that every row is checked by its seal. Asserts nothing: the figures belong to the
machine and its load.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.benchmarks.problem import Problem
from restem.harness.store.file_hash import hash_file, leave
from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.schema import JUDGE_CALL, SELECTION, VERDICT, Table
from restem.harness.store.store import Store

# True and false positive rates against the reference, and the share left undecided.
VERIFIERS = {
    "sympy": (1.0, 0.0, 0.0),
    "judge": (0.93, 0.12, 0.01),
    "judge_blind": (0.8, 0.35, 0.03),
    "exact": (0.7, 0.0, 0.02),
    "accept_all": (1.0, 1.0, 0.0),
    "steps": (0.9, 0.2, 0.05),
}
ARMS = ("sympy", "judge", "judge_blind", "exact", "accept_all")
ITERATIONS, SAMPLES = 4, 4
PLACES = (1 + len(ARMS) * ITERATIONS) + (1 + len(ARMS) * (ITERATIONS - 1))
LETTERS = "abcdfghjklmnpqrstuvwxyz"
OUTCOMES = np.array(["wrong", "correct", "undecided"])


def prints(name: str) -> str:
    """A fingerprint as the verifiers make them."""
    return f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def facts(size: int) -> dict[str, Any]:
    """What `restem run` writes down."""
    selection = {"rule": "filter", "cap": 3, "dedupe": True}
    return {
        "suite": {
            "name": "size",
            "seed": 0,
            "iterations": ITERATIONS,
            "gold": "sympy",
            "arms": [{"name": name, "verifier": name, "selection": selection} for name in ARMS],
            "scoring": ["exact"],
            "benchmark": {"name": "linear_1d", "train": size, "validation": 0, "test": size},
            "sampling": {"train_samples": SAMPLES, "test_samples": SAMPLES, "temperature": 1.0},
        },
        "verifiers": {name: prints(name) for name in VERIFIERS},
        "controls": ["accept_all"],
        "judge": {"model": "gpt-4", "embedded": False, "card": None},
        "chance_level": 0.05,
        "finished": True,
    }


class Maker:
    """Fills a run.db; `skill` is each problem's log-odds of a correct answer under the base."""

    def __init__(self, store: Store, size: int) -> None:
        self._store, self._size = store, size
        self._random = np.random.default_rng(0)
        self._skill = {split: self._random.normal(-0.5, 1.5, size) for split in ("train", "test")}
        self._numbers = {split: self._random.integers(2, 60, (size, 4)) for split in ("train", "test")}
        self._asked: set[bytes] = set()

    def make(self) -> None:
        """Everything, place by place."""
        store = self._store
        store.put_run(facts(self._size))
        for name in VERIFIERS:
            store.add_verifier(prints(name), name, {"name": name})
        for split in ("train", "test"):
            store.add_problems([self._problem(split, i) for i in range(self._size)])
        store.add_checkpoint(Checkpoint(id="base", arm=None, iteration=0, kind="base", params_sha256="0" * 64))
        self._place("base", "test", 0.0)
        self._place("base", "train", 0.0)
        for arm in ARMS:
            tpr, fpr, _ = VERIFIERS[arm]
            for iteration in range(1, ITERATIONS + 1):
                source, id = f"{arm}/{iteration - 1}" if iteration > 1 else "base", f"{arm}/{iteration}"
                self._select(source, id, arm)
                step = 0.4 * min(2.0, float(np.log(tpr / max(fpr, 0.05))))
                self._checkpoint(id, arm, iteration, source)
                self._place(id, "test", step * iteration)
                if iteration < ITERATIONS:
                    self._place(id, "train", step * iteration)

    def _problem(self, split: str, i: int) -> Problem:
        a, b, c, _ = self._numbers[split][i]
        letter = LETTERS[i % len(LETTERS)]
        question = f"Solve {a + i}*{letter} + {b} = {c}*{letter} - {i} for {letter}."
        return Problem(
            id=f"linear_1d/{split}{i:07x}", question=question, reference=str(b - c), split=split, source="size"
        )

    def _text(self, split: str, i: int, shift: int, way: int) -> str:
        a, b, c, d = (int(n) for n in self._numbers[split][i])
        letter, value = LETTERS[i % len(LETTERS)], b - c + shift
        lines = [
            f"{a + i}*{letter} + {b} = {c}*{letter} - {i}",
            f"{a + i}*{letter} - {c}*{letter} = -{i} - {b}",
            f"{a + i - c}*{letter} = {(a + i - c) * value}",
            f"{letter} = {(a + i - c) * value}/{a + i - c}",
            f"{letter} = {value}",
        ]
        return "\n".join(lines[way % 3 :] if way < d else ["Let me see.", *lines])

    def _place(self, checkpoint: str, split: str, gained: float) -> None:
        """Samples of a checkpoint on a split, all verdicts on them, and the judges' calls behind these."""
        random, size = self._random, self._size
        chance = 1 / (1 + np.exp(-(self._skill[split] + gained)))
        right = random.random((size, SAMPLES)) < chance[:, None]
        shift = np.where(right, 0, random.integers(1, 9, right.shape)).tolist()
        way = random.integers(0, 30, right.shape).tolist()
        samples = [
            Sample(
                checkpoint=checkpoint,
                problem=f"linear_1d/{split}{i:07x}",
                index=k,
                text=self._text(split, i, shift[i][k], way[i][k]),
                token_count=40 + way[i][k],
                mean_logprob=-0.3,
                finish_reason="length" if way[i][k] == 29 else "stop",
            )
            for i in range(size)
            for k in range(SAMPLES)
        ]
        self._store.add_samples(samples)
        for name in VERIFIERS:
            self._insert(VERDICT, self._verdicts(name, samples, right.ravel()))
        for name in ("judge", "judge_blind"):
            self._insert(JUDGE_CALL, self._calls(name, split, samples))
        self._store.log("sampled", checkpoint=checkpoint, split=split, samples=len(samples), seconds=9.5)

    def _insert(self, table: Table, rows: Iterator[tuple[Any, ...]]) -> None:
        self._store._insert(table, (dict(itertools.zip_longest(table.columns, row)) for row in rows))

    def _verdicts(self, name: str, samples: Sequence[Sample], right: np.ndarray) -> Iterator[tuple[Any, ...]]:
        tpr, fpr, unclear = VERIFIERS[name]
        draws = self._random.random((2, len(samples)))
        verdicts = np.where(draws[0] < np.where(right, tpr, fpr), 1, 0)
        outcomes = OUTCOMES[np.where(draws[1] < unclear, 2, verdicts)].tolist()
        for sample, outcome in zip(samples, outcomes, strict=True):
            end = len(sample.text)
            start = sample.text.rfind(" ") + 1
            score = {"correct": 1.0, "wrong": 0.0}.get(outcome)
            reason = "the reply is neither 1 nor 0" if outcome == "undecided" else None
            read = (sample.text[start:], start, end, "assignment") if name in ("sympy", "exact") else (None,) * 4
            yield sample.id, prints(name), outcome, score, *read, reason, 1e-4, 0, 0.0

    def _calls(self, name: str, split: str, samples: Sequence[Sample]) -> Iterator[tuple[Any, ...]]:
        for position, sample in enumerate(samples):
            problem = self._problem(split, position // SAMPLES)
            shown = f"\nCorrect Answer: {json.dumps(problem.reference)}" if name == "judge" else ""
            content = f"Question: {json.dumps(problem.question)}{shown}\nModel Answer: {json.dumps(sample.text)}\n"
            request = {"model": "gpt-4", "temperature": 0, "messages": [{"role": "user", "content": content}]}
            digest = hashlib.sha256(json.dumps(request).encode())
            if digest.digest() not in self._asked:
                self._asked.add(digest.digest())
                call = (digest.hexdigest(), prints(name), json.dumps(request), "1", "stop", "gpt-4", 150, 1, "[]")
                yield *call, 0.3, 1.0, None, None

    def _select(self, source: str, id: str, arm: str) -> None:
        rows = self._store.query(
            "SELECT s.id, v.outcome FROM sample s JOIN problem p ON p.id = s.problem"
            " JOIN verdict v ON v.sample = s.id WHERE s.checkpoint = ? AND p.split = 'train' AND v.verifier = ?",
            (source, prints(arm)),
        )
        chosen = ((id, sample, float(o == "correct"), None if o == "correct" else o) for sample, o in rows)
        self._insert(SELECTION, chosen)

    def _checkpoint(self, id: str, arm: str, iteration: int, source: str) -> None:
        self._store.add_checkpoint(
            Checkpoint(
                **{"id": id, "arm": arm, "iteration": iteration, "kind": "trained", "path": f"checkpoints/{id}"},
                **{"started_from": "base", "sampled_from": source, "params_sha256": "1" * 64},
                steps=200,
                losses=(0.5,) * 200,
                seconds=30.0,
            )
        )


def measure(arguments: Sequence[str], output: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of one `restem` command."""
    started = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "restem.harness.cli", *arguments], stdout=file)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise click.ClickException(f"{' '.join(arguments)}: exit {process.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--verdicts", default=1_000_000, show_default=True, help="At least so many.")
@click.option("--rounds", default=1, show_default=True)
def main(folder: Path, verdicts: int, rounds: int) -> None:
    if not (folder / "run.db").is_file():
        size = -(-verdicts // (len(VERIFIERS) * SAMPLES * PLACES))
        with Store(folder, write=True) as store:
            Maker(store, size).make()
    with Store(folder) as store:
        counted = {t: store.query(f"SELECT count(*) FROM {t}")[0][0] for t in ("sample", "verdict", "judge_call")}
    size = (folder / "run.db").stat().st_size / 1e6
    click.echo(", ".join(f"{count:,} {table} rows" for table, count in counted.items()) + f", {size:.0f} MB")
    commands = (("show", str(folder)), ("report", str(folder), "--output", str(folder / "report")))
    kept = hash_file(folder / "run.db")
    for hashed, arguments, _ in itertools.product((True, False), commands, range(rounds)):
        if not hashed:
            kept.unlink(missing_ok=True)
        wall, cpu, peak = measure(arguments, folder / f"{arguments[0]}.txt")
        how = "" if hashed else " without the file's hash"
        click.echo(f"restem {arguments[0]}{how}: {wall:.2f} s wall, {cpu:.2f} s processor, {peak:.0f} MB peak")
    leave(folder / "run.db")


if __name__ == "__main__":
    main()
