"""Compares our sampler with other samplers of the same model; speed.py calls it.

Three workloads. Fixed length: a tiny Gemma with random weights, 64 prompts of 24 tokens, 16 samples of 48 tokens each,
none stops. Real work: the embedded policy on 256 linear_1d problems, 16 samples each, which end at a stop token; only
tokens up to and including it count. gemma3-270m: its shape with random weights, 4 prompts of 24 tokens, 4 samples of 32
tokens each. All samplers use temperature 0.7, top-k 40 and the same weights, which their logits confirm, in float32
where their names say nothing else. Ours samples as a run does, on one CPU device a core.
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
from restem.harness.model.architecture import ASSETS, EMBEDDED, Architecture
from restem.harness.model.gemma import forward
from restem.harness.model.mesh import make_meshes
from restem.harness.model.policy import Params, Policy, init_params, load_policy
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.kv_slots import Network
from restem.harness.sampling.sampler import Batching, Decoding, Work, prompt_length, sample, shared_prefix
from restem.harness.settings import SamplingConfig
from restem.harness.weights.huggingface import save_hf
from restem.harness.weights.registry import KNOWN
from tests.perf.machine import CHILD, flop

OURS = {"ours": "float32", "ours, mixed": "mixed"}  # what each computes in
PEERS = {  # their environments; None: our own
    "gm.text.Sampler": None,
    "tunix": "tunix",
    "transformers": "torch",
    "transformers, bfloat16": "torch",
    "CTranslate2": "torch",
    "CTranslate2, int8": "torch",
    "llama.cpp": "llama.cpp",
    "llama.cpp, int8": "llama.cpp",
    "vLLM": "vllm",
    "vLLM, bfloat16": "vllm",
    "OpenVINO GenAI": "openvino",
    "OpenVINO GenAI, int8": "openvino",
}
SEED = 20_261
CONFIG = SamplingConfig()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """Prompts, the policy that answers them, how many samples of each, and how they are decoded, in how many slots."""

    title: str
    policy: Policy
    prompts: list[list[int]]
    decoding: Decoding
    samples: int = 16
    slots: int = CONFIG.rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """One pass over a workload: what was asked for, and all that was decoded for it."""

    seconds: float
    processor_seconds: float
    useful: int
    slot_steps: int

    @property
    def speed(self) -> float:
        return self.useful / self.seconds

    @property
    def thrift(self) -> float:
        """Tokens a second of processor time, which other load on the machine changes less."""
        return self.useful / self.processor_seconds


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
    def thrift(self) -> float:
        return max(timing.thrift for timing in self.timings)

    @property
    def wasted(self) -> float:
        """The share of decoded slot-steps that drew no useful token."""
        return 1 - sum(t.useful for t in self.timings) / sum(t.slot_steps for t in self.timings)


# -- Workloads ---------------------------------------------------------------------------------------------------------


DECODING = {"temperature": CONFIG.temperature, "top_k": CONFIG.top_k}


def fixed_length() -> Workload:
    tiny = load_policy(ASSETS / EMBEDDED["tiny"])
    return Workload(
        title="fixed length",
        policy=_random(dataclasses.replace(tiny.architecture, vocab_size=104), tiny),
        prompts=np.random.default_rng(SEED).integers(1, 104, (64, 24)).tolist(),
        decoding=Decoding(max_new_tokens=48, **DECODING),
    )


def real_work() -> Workload:
    tiny, problems = load_policy(ASSETS / EMBEDDED["tiny"]), stream(SEED, (3.0, 4.5))
    return Workload(
        title="real work",
        policy=tiny,
        prompts=[tiny.tokenizer.encode_prompt(next(problems).question) for _ in range(256)],
        decoding=Decoding(max_new_tokens=CONFIG.max_new_tokens, stop_ids=tiny.tokenizer.stop_ids, **DECODING),
    )


def gemma3_270m() -> Workload:
    shape = KNOWN["gemma3-270m"].architecture
    return Workload(
        title="gemma3-270m",
        policy=_random(shape, load_policy(ASSETS / EMBEDDED["tiny"])),
        prompts=np.random.default_rng(SEED).integers(1, shape.vocab_size, (4, 24)).tolist(),
        decoding=Decoding(max_new_tokens=32, **DECODING),
        samples=4,
        slots=16,
    )


def _random(shape: Architecture, policy: Policy) -> Policy:
    """A policy of this shape with random parameters and another one's tokenizer."""
    return dataclasses.replace(policy, architecture=shape, params=init_params(shape, jax.random.key(SEED)))


WORKLOADS = {"fixed length": fixed_length, "real work": real_work, "gemma3-270m": gemma3_270m}
TINY = ("fixed length", "real work")


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
        "samples": workload.samples,
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
    began, processor = time.perf_counter(), time.process_time()
    keys = np.array([[sample_key(seed, prompt, k) for k in range(workload.samples)] for prompt in range(len(prompts))])
    drawn = sample(
        policy.model,
        policy.params,
        prompts,
        keys,
        workload.decoding,
        Batching(
            padded_length=prompt_length(prompts),
            context_length=policy.architecture.context_length,
            slots=workload.slots,
            prefix_length=shared_prefix(prompts),
            compute=compute,
        ),
        mesh=make_meshes(0, 1).local,
        work=work,
    )
    useful = sum(int(draws.lengths.sum()) for _, draws in drawn)
    return Timing(
        seconds=time.perf_counter() - began,
        processor_seconds=time.process_time() - processor,
        useful=useful,
        slot_steps=work.slot_steps,
    )


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
            slots=workload.slots,
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
    new = timing.useful / (len(workload.prompts) * workload.samples)
    prefill = sum(len(p) * flop(shape, (len(p) + 1) / 2, logits=False) for p in workload.prompts)
    return prefill + timing.useful * flop(shape, prompt + new / 2)


# -- The report --------------------------------------------------------------------------------------------------------


def table(standings: dict[str, Standing]) -> str:
    """A Markdown table, one sampler a line; ratios compare ours, in float32 and mixed, with it."""
    lines = [
        "| sampler | slots | tokens/s, best | median | tokens a processor-second, best"
        " | ours is faster by | by median | by processor time | wasted steps | logits' error |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, standing in standings.items():
        cells = [name, standing.slots, *(f"{value:,.0f}" for value in _speeds(standing))]
        for ratios in zip(*(_speeds(standings[ours]) for ours in OURS), _speeds(standing), strict=True):
            cells.append(" / ".join(f"{our / ratios[-1]:.2f}" for our in ratios[:-1]))
        cells += [f"{standing.wasted:.1%}", f"{standing.logits_error:.0e}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _speeds(standing: Standing) -> tuple[float, float, float]:
    return standing.best, standing.median, standing.thrift


def measured(
    workload: Workload, children: dict[str, Child], rounds: int, note: Callable[[], None]
) -> dict[str, Standing]:
    """All samplers' passes over a workload, round by round."""
    standings = {name: Standing(slots=workload.slots, logits_error=logits_error(workload, name)) for name in OURS}
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
