"""Prints how fast the M-step learns, beside transformers' Trainer and tunix's PeftTrainer on the same examples.

    python tests/perf/training.py [--peers DIR] [--python-torch PYTHON] [--arm CHECKPOINT] [--set a=b]...

The data are the kept responses of the default run (`reports/examples/linear_1d/run.db`), the model is the embedded
tiny one, and each peer's is of its shape. A step of a peer sees as many examples as one of ours sees on average.
`--peers` names a folder for the peers' own environments, made on first use: torch and transformers in one, tunix in
another.

Contestants take turns over several rounds, each in a process of its own, and the best round of each counts, by wall
time and by CPU time: the latter says more where other work shares the machine. The peak is that of a matrix product of
JAX in the same run; the share of it counts 6 floating-point operations a parameter and real token, attention left out.
Asserts nothing: figures belong to the machine.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness import m_step
from harness.config import load_suite
from harness.m_step import Example
from harness.policy import ASSETS, Policy, load_policy

RUN = Path(__file__).parents[2] / "reports" / "examples" / "linear_1d" / "run.db"
ENVIRONMENTS = {
    "torch": ("torch==2.13.0", "transformers>=4.57", "accelerate"),
    "tunix": ("google-tunix==0.1.7", "jax>=0.10,<0.11"),
}
SHAPE = ("vocab_size", "embed_dim", "hidden_dim", "num_layers", "num_heads", "head_dim", "num_kv_heads")
PEERS = {"trainer": "torch", "trainer_shuffled": "torch", "tunix": "tunix"}
KEPT = """
SELECT s.checkpoint, p.question, m.text, s.weight FROM selection AS s
JOIN sample AS m ON m.id = s.sample JOIN problem AS p ON p.id = m.problem
WHERE s.dropped_by IS NULL ORDER BY s.checkpoint, s.sample
"""


def kept(policy: Policy) -> dict[str, list[Example]]:
    """What each M-step of the default run learnt from."""
    found: dict[str, list[Example]] = {}
    with sqlite3.connect(f"file:{RUN}?mode=ro", uri=True) as connection:
        for checkpoint, question, response, weight in connection.execute(KEPT):
            prompt_ids = tuple(policy.tokenizer.encode_prompt(question))
            response_ids = tuple(policy.tokenizer.encode_response(response))
            example = Example(prompt_ids=prompt_ids, response_ids=response_ids, weight=weight)
            found.setdefault(checkpoint, []).append(example)
    return found


def ours(job: dict[str, Any]) -> dict[str, float]:
    """`train_step` as `fit` calls it."""
    policy = load_policy(ASSETS / "tiny")
    examples = [Example(prompt_ids=tuple(p), response_ids=tuple(r)) for p, r in job["examples"]]
    training = load_suite("linear_1d", job["set"]).training
    optimizer = m_step.optimizer_of("adamw", 1e-3, 4, 40)
    step = m_step.Step(network=policy.model, optimizer=optimizer, compute=training.compute_dtype, remat=training.remat)
    state = m_step.TrainState(jax.tree.map(jnp.copy, policy.params), optimizer.init(policy.params))
    data = m_step.pack(examples, training.row_length)
    stream = m_step.epochs(data, training, 0)
    began = (0.0, 0.0)
    targets = tokens = size = 0
    value: Any = None
    for number, batch in enumerate(itertools.islice(stream, job["steps"])):
        if number == job["warm"]:
            jax.block_until_ready(value)
            began = (time.perf_counter(), time.process_time())
        if number >= job["warm"]:
            targets += int((np.asarray(batch.weights) > 0).sum())
            tokens += int((np.asarray(batch.segments) > 0).sum())
            size += batch.segments.size
        state, value = m_step.train_step(step, state, {}, batch)
    jax.block_until_ready(value)
    seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    result = {"seconds": seconds, "cpu": cpu, "targets": targets, "padding": 1 - tokens / size, "steps": job["steps"]}
    return result | {"tokens": tokens, "peak": peak()}


def peak() -> float:
    """Floating-point operations a CPU second of a large matrix product, the best of several."""
    side = 2048
    product = jax.jit(jnp.matmul)
    matrix = jnp.ones((side, side))
    product(matrix, matrix).block_until_ready()
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        product(matrix, matrix).block_until_ready()
        best = max(best, 2 * side**3 / (time.process_time() - began))
    return best


def environment(folder: Path, name: str, python: str) -> str:
    """The Python of a peer's environment, made where there is none."""
    place = folder.resolve() / name
    if not (place / "bin" / "python").exists():
        subprocess.run([python, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "-q", *ENVIRONMENTS[name]], check=True)
    return str(place / "bin" / "python")


def answered(python: str, script: str, peer: str, job: Path) -> dict[str, float]:
    """The result of one contestant's process."""
    done = subprocess.run([python, Path(__file__).with_name(script), peer, job], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise click.ClickException(f"{peer} failed: is its environment whole?")
    return json.loads(done.stdout)


def table(results: dict[str, list[dict[str, float]]], parameters: int) -> str:
    """A Markdown table, one contestant a line; ratios are ours to it."""
    lines = [
        "| contestant | target tokens/s | ours to it | target tokens/CPU-s | ours to it | padding |",
        "|---|---|---|---|---|---|",
    ]
    speeds = {
        name: [max(one["targets"] / one[clock] for one in rounds) for clock in ("seconds", "cpu")]
        for name, rounds in results.items()
    }
    for name, (wall, cpu) in speeds.items():
        ratios = [ours / theirs for ours, theirs in zip(speeds["ours"], (wall, cpu), strict=True)]
        lines.append(
            f"| {name} | {wall:,.0f} | {ratios[0]:.2f} | {cpu:,.0f} | {ratios[1]:.2f} "
            f"| {results[name][0]['padding']:.1%} |".replace("%", " %")
        )
    best = max(results["ours"], key=lambda one: one["tokens"] / one["cpu"])
    share = 6 * parameters * best["tokens"] / best["cpu"] / max(one["peak"] for one in results["ours"])
    return "\n".join([*lines, "", f"ours: {share:.0%} of the matrix-product peak".replace("%", " %")])


@click.command(help=__doc__)
@click.option("--peers", type=click.Path(path_type=Path), help="Folder of the peers' environments.")
@click.option("--python-torch", default=sys.executable, help="The Python that torch's environment is made with.")
@click.option("--arm", default="accept_all/1", show_default=True, help="The checkpoint whose training data are taken.")
@click.option("--steps", default=30, show_default=True)
@click.option("--warm", default=5, show_default=True, help="Steps before the clock starts.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--set", "overrides", multiple=True, help="Settings of the suite, as `restem run` takes them.")
@click.option("--ours", "child", type=click.Path(path_type=Path), hidden=True, help="Measures ours on this job.")
def main(
    peers: Path | None,
    python_torch: str,
    arm: str,
    steps: int,
    warm: int,
    rounds: int,
    overrides: Sequence[str],
    child: Path | None,
) -> None:
    if child:
        click.echo(json.dumps(ours(json.loads(child.read_text()))))
        return
    policy = load_policy(ASSETS / "tiny")
    training = load_suite("linear_1d", overrides).training
    sets = kept(policy)
    for name, examples in sets.items():
        segments = np.asarray(m_step.pack(examples, training.row_length).segments)
        click.echo(f"{name}: {len(examples)} examples, {np.mean(segments == 0):.1%} padding")
    examples = sets[arm]
    rows = len(m_step.pack(examples, training.row_length).tokens)
    shape = {field: getattr(policy.architecture, field) for field in SHAPE}
    job = {
        "examples": [[e.prompt_ids, e.response_ids] for e in examples],
        "batch": round(len(examples) / rows * training.rows),
        "steps": steps,
        "warm": warm,
        "shape": shape,
        "set": list(overrides),
    }
    makers = {"torch": python_torch, "tunix": sys.executable}
    pythons = {name: environment(peers, name, makers[name]) for name in makers} if peers else {}
    results: dict[str, list[dict[str, float]]] = {"ours": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job))
        for _ in range(rounds):
            results["ours"].append(answered(sys.executable, "training.py", "--ours", file))
            for peer, name in PEERS.items() if peers else ():
                results.setdefault(peer, []).append(answered(pythons[name], "training_peers.py", peer, file))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(policy.params))
    click.echo(f"\n{arm}, {job['batch']} examples a step\n\n{table(results, parameters)}")


if __name__ == "__main__":
    main()
