"""Compares our sampler with other samplers of the same model; speed.py calls it.

Two workloads. Fixed length: a tiny Gemma with random weights, 64 prompts of 24 tokens, 16 samples of 48 tokens each,
none stops. Real work: the embedded policy on 256 linear_1d problems, 16 samples each, which end at a stop token; only
tokens up to and including it count. All samplers use temperature 0.7, top-k 40 and the same weights, which their logits
confirm, in float32 where their names say nothing else. Ours samples as a run does, on one CPU device a core.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

from restem.benchmarks.linear_1d import stream
from restem.harness.model.architecture import ASSETS, EMBEDDED
from restem.harness.model.gemma import forward
from restem.harness.model.mesh import make_meshes
from restem.harness.model.policy import Params, Policy, init_params, load_policy
from restem.harness.sampling.kv_slots import Network
from restem.harness.sampling.sampler import Batching, Decoding, Work, prompt_length, sample, sample_key, shared_prefix
from restem.harness.settings import SamplingConfig
from restem.harness.weights.huggingface import save_hf
from tests.perf.machine import CHILD, flop

OURS = {"ours": "float32", "ours, mixed": "mixed"}  # what each computes in
PEERS = {  # None: in our own environment
    "gm.text.Sampler": None,
    "tunix": "tunix",
    "transformers": "torch",
    "transformers, bfloat16": "torch",
    "CTranslate2": "torch",
    "CTranslate2, int8": "torch",
}
SEED = 20_261
SAMPLES = 16
CONFIG = SamplingConfig()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """Prompts, the policy that answers them, and how it decodes."""

    title: str
    policy: Policy
    prompts: list[list[int]]
    decoding: Decoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """One pass over a workload: what was asked for, and all that was decoded for it."""

    seconds: float
    useful: int
    slot_steps: int

    @property
    def speed(self) -> float:
        return self.useful / self.seconds


@dataclasses.dataclass(kw_only=True)
class Standing:
    """A sampler's passes over a workload, and the error of its logits."""

    slots: int
    logits_error: float
    timings: list[Timing] = dataclasses.field(default_factory=list)

    @property
    def best(self) -> float:
        return max(timing.speed for timing in self.timings)

    @property
    def median(self) -> float:
        return statistics.median(timing.speed for timing in self.timings)

    @property
    def wasted(self) -> float:
        """The share of decoded slot-steps that drew no useful token."""
        return 1 - sum(t.useful for t in self.timings) / sum(t.slot_steps for t in self.timings)


# -- Workloads ---------------------------------------------------------------------------------------------------------


def workloads() -> list[Workload]:
    tiny = load_policy(ASSETS / EMBEDDED["tiny"])
    shape = dataclasses.replace(tiny.architecture, vocab_size=104)
    rng = np.random.default_rng(SEED)
    settings = {"temperature": CONFIG.temperature, "top_k": CONFIG.top_k}
    problems = stream(SEED, (3.0, 4.5))
    return [
        Workload(
            title="fixed length",
            policy=dataclasses.replace(tiny, architecture=shape, params=init_params(shape, jax.random.key(SEED))),
            prompts=rng.integers(1, shape.vocab_size, (64, 24)).tolist(),
            decoding=Decoding(max_new_tokens=48, **settings),
        ),
        Workload(
            title="real work",
            policy=tiny,
            prompts=[tiny.tokenizer.encode_prompt(next(problems).question) for _ in range(256)],
            decoding=Decoding(max_new_tokens=CONFIG.max_new_tokens, stop_ids=tiny.tokenizer.stop_ids, **settings),
        ),
    ]


def exported(workload: Workload, folder: Path) -> None:
    """Writes the workload and the model for the peers; see sampling_peers.py."""
    folder.mkdir()
    policy, decoding = workload.policy, workload.decoding
    names = {f"{'/'.join(key.key for key in path)}": leaf for path, leaf in jax.tree.leaves_with_path(policy.params)}
    np.savez(folder / "params.npz", **{name: np.asarray(leaf) for name, leaf in names.items()})
    save_hf(policy, folder / "hf")
    ids = np.array([prompt[:16] for prompt in workload.prompts[:8]])
    np.savez(folder / "logits.npz", ids=ids, logits=np.asarray(forward(policy.model, policy.params, ids).logits))
    work = {
        "architecture": dataclasses.asdict(policy.architecture),
        "prompts": workload.prompts,
        "prompt_length": prompt_length(workload.prompts),
        "samples": SAMPLES,
        "new_tokens": decoding.max_new_tokens,
        "stop_ids": list(decoding.stop_ids),
        "temperature": decoding.temperature,
        "top_k": decoding.top_k,
    }
    (folder / "workload.json").write_text(json.dumps(work))


# -- Samplers ----------------------------------------------------------------------------------------------------------


def ours(workload: Workload, compute: str, seed: int) -> Timing:
    """One pass of our sampler, as a run calls it."""
    prompts, policy = workload.prompts, workload.policy
    work = Work()
    began = time.perf_counter()
    keys = np.array([[sample_key(seed, prompt, k) for k in range(SAMPLES)] for prompt in range(len(prompts))])
    drawn = sample(
        policy.model,
        policy.params,
        prompts,
        keys,
        workload.decoding,
        Batching(
            padded_length=prompt_length(prompts),
            context_length=policy.architecture.context_length,
            slots=CONFIG.rows,
            prefix_length=shared_prefix(prompts),
            compute=compute,
        ),
        mesh=make_meshes(0, 1).local,
        work=work,
    )
    useful = sum(int(draws.lengths.sum()) for _, draws in drawn)
    return Timing(seconds=time.perf_counter() - began, useful=useful, slot_steps=work.slot_steps)


def logits_error(workload: Workload, name: str) -> float:
    """How far the logits of the first tokens are from those in float32, relative to the largest."""
    policy = workload.policy
    ids = np.array([prompt[:16] for prompt in workload.prompts[:8]])
    exact, rounded = (
        np.asarray(_logits(Network(policy.model, compute), policy.params, ids)) for compute in ("float32", OURS[name])
    )
    return float(np.abs(rounded - exact).max() / np.abs(exact).max())


def _logits(network: Network, params: Params, ids: np.ndarray) -> jax.Array:
    return network(network.prepared(params), ids).logits


class Child:
    """A peer in its own process, which waits for seeds."""

    def __init__(self, python: Path, peer: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [python, Path(__file__).with_name("sampling_peers.py"), peer, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / f"{peer}.log").open("w"),
            text=True,
            env=CHILD | os.environ,
        )
        self.log = folder / f"{peer}.log"
        self.ready = self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise click.ClickException(f"a peer ended:\n{self.log.read_text()[-2000:]}")
        return json.loads(line)

    def timing(self, seed: int) -> Timing:
        assert self.process.stdin
        print(seed, file=self.process.stdin, flush=True)
        return Timing(**self.answer())

    def close(self) -> None:
        self.process.communicate()


def prefill_only(workload: Workload, compute: str, seed: int) -> tuple[float, float]:
    """FLOP and seconds of sampling one token for every prompt, nearly all of it prefill."""
    policy, prompts = workload.policy, workload.prompts
    keys = np.array([[sample_key(seed, prompt)] for prompt in range(len(prompts))])
    began = time.perf_counter()
    for _ in sample(
        policy.model,
        policy.params,
        prompts,
        keys,
        dataclasses.replace(workload.decoding, max_new_tokens=1),
        Batching(
            padded_length=prompt_length(prompts),
            context_length=policy.architecture.context_length,
            slots=CONFIG.rows,
            compute=compute,
        ),
        mesh=make_meshes(0, 1).local,
    ):
        pass
    seconds = time.perf_counter() - began
    shape = policy.architecture
    asked = sum(
        len(prompt) * flop(shape, (len(prompt) + 1) / 2, logits=False) + flop(shape, len(prompt)) for prompt in prompts
    )
    return asked, seconds


def whole(workload: Workload, timing: Timing) -> float:
    """FLOP that the samples of a pass need at least: every prompt once, every useful token once."""
    shape = workload.policy.architecture
    prompt = statistics.mean(map(len, workload.prompts))
    new = timing.useful / (len(workload.prompts) * SAMPLES)
    prefill = sum(len(p) * flop(shape, (len(p) + 1) / 2, logits=False) for p in workload.prompts)
    return prefill + timing.useful * flop(shape, prompt + new / 2)


# -- The report --------------------------------------------------------------------------------------------------------


def table(standings: dict[str, Standing]) -> str:
    """A Markdown table, one sampler a line; ratios compare ours, in float32 and mixed, with it."""
    lines = [
        "| sampler | slots | tokens/s, best | median | ours is faster by | by median | wasted steps | logits' error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours_first = [standings[name] for name in OURS]
    for name, standing in standings.items():
        lines.append(
            f"| {name} | {standing.slots} | {standing.best:,.0f} | {standing.median:,.0f}"
            f" | {' / '.join(f'{our.best / standing.best:.2f}' for our in ours_first)}"
            f" | {' / '.join(f'{our.median / standing.median:.2f}' for our in ours_first)}"
            f" | {standing.wasted:.1%} | {standing.logits_error:.0e} |"
        )
    return "\n".join(lines)


def measured(
    workload: Workload, children: dict[str, Child], rounds: int, note: Callable[[], None]
) -> dict[str, Standing]:
    """All samplers' passes over a workload, round by round."""
    standings = {name: Standing(slots=CONFIG.rows, logits_error=logits_error(workload, name)) for name in OURS}
    standings |= {name: Standing(**child.ready) for name, child in children.items()}
    for compute in OURS.values():
        ours(workload, compute, seed=0)
    for seed in range(1, rounds + 1):
        for name, compute in OURS.items():
            standings[name].timings.append(ours(workload, compute, seed))
        for name, child in children.items():
            standings[name].timings.append(child.timing(seed))
        note()
    return standings


@contextlib.contextmanager
def started(folder: Path, pythons: dict[str, Path]) -> Iterator[dict[str, Child]]:
    """The peers, each loaded and compiled before the next one starts."""
    children: dict[str, Child] = {}
    try:
        for name, python in pythons.items():
            children[name] = Child(python, name, folder)
        yield children
    finally:
        for child in children.values():
            child.close()
