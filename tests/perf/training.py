"""Compares our M-step with transformers' Trainer and tunix's PeftTrainer on the same examples; speed.py calls it.

The data sets are the selections of the M-steps of the default run (`reports/examples/linear_1d/run.db`). The model is
the embedded tiny one, and the peers' models have its shape. A step of a peer has as many examples as a step of ours on
average. Ours trains as the default suite does, on one CPU device a core.

Trainers take turns over several rounds, each in its own process, and the best round of each counts.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.harness.config import load_suite
from restem.harness.model.architecture import ASSETS, Architecture
from restem.harness.model.mesh import (
    keep_freed_memory,
    make_meshes,
    want_cpu_devices,
)
from restem.harness.model.policy import Policy, load_policy
from restem.harness.settings import TrainingConfig
from restem.harness.training import m_step
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch
from restem.harness.training.optimizer_step import train_step
from restem.harness.training.packing import pack
from tests.perf.machine import CHILD, flop

RUN = Path(__file__).parents[2] / "reports" / "examples" / "linear_1d" / "run.db"
SHAPE = ("vocab_size", "embed_dim", "hidden_dim", "num_layers", "num_heads", "head_dim", "num_kv_heads")
PEERS = {"trainer": "torch", "trainer_bf16": "torch", "trainer_shuffled": "torch", "tunix": "tunix"}
OURS = "ours"
KEPT = """
SELECT s.checkpoint, p.question, m.text FROM selection AS s
JOIN sample AS m ON m.id = s.sample JOIN problem AS p ON p.id = m.problem
WHERE s.dropped_by IS NULL ORDER BY s.checkpoint, s.sample
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """The timed steps of a trainer on a data set: seconds, target tokens, and further figures."""

    seconds: float
    targets: int
    padding: float
    gflop: float = 0.0


@dataclasses.dataclass(kw_only=True)
class Standing:
    """The rounds of a trainer on each data set."""

    rounds: dict[str, list[Round]]

    def speed(self, sets: Sequence[str] | None = None) -> float:
        """Target tokens a second over these data sets, the best round of each; None: over all."""
        best = [
            min(self.rounds[name], key=lambda timing: timing.seconds / timing.targets) for name in sets or self.rounds
        ]
        return sum(timing.targets for timing in best) / sum(timing.seconds for timing in best)

    @property
    def padding(self) -> float:
        return float(np.mean([rounds[0].padding for rounds in self.rounds.values()]))

    @property
    def gflops(self) -> float:
        """GFLOP a second that the best rounds did, of those that were needed."""
        best = [min(rounds, key=lambda timing: timing.seconds) for rounds in self.rounds.values()]
        return sum(timing.gflop for timing in best) / sum(timing.seconds for timing in best)


def kept(policy: Policy) -> dict[str, list[Example]]:
    """The examples of each M-step of the default run."""
    result: dict[str, list[Example]] = {}
    with sqlite3.connect(f"file:{RUN}?mode=ro", uri=True) as connection:
        for checkpoint, question, response in connection.execute(KEPT):
            prompt_ids = tuple(policy.tokenizer.encode_prompt(question))
            response_ids = tuple(policy.tokenizer.encode_response(response))
            result.setdefault(checkpoint, []).append(Example(prompt_ids=prompt_ids, response_ids=response_ids))
    return result


def job(overrides: Sequence[str], steps: int, warm: int) -> dict[str, Any]:
    """The data sets and settings that every trainer is given; see training_peers.py."""
    policy = load_policy(ASSETS / "tiny")
    training = load_suite("linear_1d", overrides).training
    sets = {}
    for name, examples in kept(policy).items():
        rows = len(pack(examples, training.row_length).tokens)
        batch = round(len(examples) / rows * training.rows * training.accumulate)
        sets[name] = {"examples": [[e.prompt_ids, e.response_ids] for e in examples], "batch": batch}
    shape = {field: getattr(policy.architecture, field) for field in SHAPE}
    return {"sets": sets, "steps": steps, "warm": warm, "shape": shape, "set": [*overrides]}


class Learner:
    """Our trainer, set up as in `m_step.fit`, on one data set."""

    def __init__(self, policy: Policy, examples: Sequence[Example], training: TrainingConfig) -> None:
        meshes = make_meshes(0, 1)
        self.mesh = meshes.whole
        parts, self.step, self.state = m_step.start(policy, training, 0, meshes)
        self.frozen = parts.frozen
        self.batches = m_step.epochs(pack(examples, training.row_length), training, 0)

    def learn(self, steps: int) -> list[Batch]:
        """Takes this many steps; gives their batches."""
        batches = [*itertools.islice(self.batches, steps)]
        value: Any = None
        for batch in batches:
            self.state, value = train_step(self.step, self.state, self.frozen, m_step.feed(self.mesh, batch))
        jax.block_until_ready(value)
        return batches


def ours(given: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Our rounds on each data set."""
    policy, training = load_policy(ASSETS / "tiny"), load_suite("linear_1d", given["set"]).training
    results = {}
    for name, data in given["sets"].items():
        examples = [Example(prompt_ids=tuple(p), response_ids=tuple(r)) for p, r in data["examples"]]
        learner = Learner(policy, examples, training)
        learner.learn(given["warm"])
        began = time.perf_counter()
        batches = learner.learn(given["steps"] - given["warm"])
        seconds = time.perf_counter() - began
        real = [np.asarray(batch.ends) > 0 for batch in batches]
        results[name] = {
            "seconds": seconds,
            "targets": int(sum(np.sum(batch.weights) for batch in batches)),  # of weight 1 each, added where they merge
            "padding": float(1 - np.mean(real)),
            "gflop": sum(needed(policy.architecture, batch) for batch in batches),
        }
    return results


def needed(shape: Architecture, batch: Batch) -> float:
    """GFLOP that a batch takes at least, forwards and backwards."""
    real = np.asarray(batch.ends) > 0
    context = float(np.mean(np.asarray(batch.positions)[real] + 1))
    logits = 2 * shape.embed_dim * shape.vocab_size * int(np.count_nonzero(batch.weights))
    return 3e-9 * (int(real.sum()) * flop(shape, context, logits=False) + logits)


def measured(
    given: Path, pythons: dict[str, Path], rounds: int, sets: Sequence[str], note: Callable[[], None]
) -> dict[str, Standing]:
    """The rounds of all trainers, ours first in each."""
    standings = {name: Standing(rounds={data_set: [] for data_set in sets}) for name in (OURS, *pythons)}
    for _ in range(rounds):
        for name, standing in standings.items():
            script = __file__ if name == OURS else str(Path(__file__).with_name("training_peers.py"))
            command = [pythons.get(name, Path(sys.executable)), script, name, given]
            done = subprocess.run(command, stdout=subprocess.PIPE, env=CHILD | os.environ, check=False)
            if done.returncode:
                raise click.ClickException(f"{name} failed: is its environment whole?")
            for data_set, figures in json.loads(done.stdout).items():
                standing.rounds[data_set].append(Round(**figures))
        note()
    return standings


def table(standings: dict[str, Standing]) -> str:
    """A Markdown table, one trainer a line; ratios compare ours with it, on all data sets and on each."""
    sets = [*standings[OURS].rounds]
    lines = [
        f"| trainer | target tokens/s | ours is faster by | {' | '.join(f'on {name}' for name in sets)} | padding |",
        f"|---|---|---|{'---|' * len(sets)}---|",
    ]
    for name, standing in standings.items():
        ratios = [standings[OURS].speed([data_set]) / standing.speed([data_set]) for data_set in sets]
        lines.append(
            f"| {name} | {standing.speed():,.0f} | {standings[OURS].speed() / standing.speed():.2f} "
            f"| {' | '.join(f'{ratio:.2f}' for ratio in ratios)} | {standing.padding:.1%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    want_cpu_devices()
    keep_freed_memory()
    print(json.dumps(ours(json.loads(Path(sys.argv[2]).read_text()))))
