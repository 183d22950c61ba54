"""Prints how fast samples are drawn, by ours and by other samplers of the same model, and what bounds ours.

    python tests/perf/sampling.py [--peers DIR] [--peer NAME]... [--rounds N] [--json FILE]

Two workloads. Fixed length: a tiny Gemma with random weights, 64 prompts of 24 tokens, 16 samples of 48 tokens each,
none stops. Real work: the shipped policy on 256 linear_1d problems, 16 samples each, which end when the policy says so;
only tokens up to and with the stop token count. Everybody draws at temperature 0.7 and top-k 40 in float32 from the
same weights, and shows it by its logits. The machine's matrix-product peak is measured in the same rounds.

Every round takes each sampler once, one after the other, so that a busy machine is busy for all; figures are the best
and the median of the rounds, without compilation. `--peers` names a folder for the environment of transformers and
tunix, made on first use; gemma's own sampler runs in ours. Asserts nothing: figures belong to the machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.linear_1d import stream
from harness.config import SamplingConfig
from harness.gemma_modules import forward
from harness.hf import save_hf
from harness.policy import ASSETS, EMBEDDED, Architecture, Policy, init_params, load_policy
from harness.sampler import Decoding, Work, prompt_length, row_key, sample, shared_prefix
from tests.perf.sampling_peers import PEERS

REQUIREMENTS = ("torch", "transformers", "safetensors", "google-tunix==0.1.7", f"jax=={jax.__version__}")
OURS = "ours"
IN_OURS = "gm.text.Sampler"  # the peer that runs in our own environment
SEED = 20_261
# Torch's threads sleep while they wait: those that spin are ten times slower where the machine has other work to do.
CHILD = {"HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu", "OMP_WAIT_POLICY": "PASSIVE"}
SAMPLES = 16
CONFIG = SamplingConfig()
PRODUCTS = 16  # in one timing of the small ones


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """Prompts, and who answers them how."""

    title: str
    policy: Policy
    prompts: list[list[int]]
    decoding: Decoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """One pass over a workload: what was asked for, and all that was decoded for it."""

    seconds: float
    useful: int
    row_steps: int

    @property
    def speed(self) -> float:
        return self.useful / self.seconds


@dataclasses.dataclass(kw_only=True)
class Standing:
    """A sampler's passes over a workload."""

    rows: int
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
        """Share of the decoded row-steps that drew no token that was asked for."""
        return 1 - sum(t.useful for t in self.timings) / sum(t.row_steps for t in self.timings)


# -- Workloads ---------------------------------------------------------------------------------------------------------


def workloads() -> list[Workload]:
    tiny = load_policy(ASSETS / EMBEDDED["tiny"])
    shape = Architecture(vocab_size=104)
    rng = np.random.default_rng(SEED)
    how = {"temperature": CONFIG.temperature, "top_k": CONFIG.top_k}
    problems = stream(SEED, (3.0, 4.5))
    return [
        Workload(
            title="fixed length",
            policy=dataclasses.replace(tiny, architecture=shape, params=init_params(shape, jax.random.key(SEED))),
            prompts=rng.integers(1, shape.vocab_size, (64, 24)).tolist(),
            decoding=Decoding(max_new_tokens=48, **how),
        ),
        Workload(
            title="real work",
            policy=tiny,
            prompts=[tiny.tokenizer.encode_prompt(next(problems).question) for _ in range(256)],
            decoding=Decoding(max_new_tokens=CONFIG.max_new_tokens, stop_ids=tiny.tokenizer.stop_ids, **how),
        ),
    ]


def exported(workload: Workload, folder: Path) -> None:
    """Writes what a peer needs to know; see sampling_peers.py."""
    folder.mkdir()
    policy, decoding = workload.policy, workload.decoding
    names = {f"{'/'.join(key.key for key in path)}": leaf for path, leaf in jax.tree.leaves_with_path(policy.params)}
    np.savez(folder / "params.npz", **{name: np.asarray(leaf) for name, leaf in names.items()})
    # Transformers' Gemma 3 has norms behind attention and feed-forward, ours has none: peers take them out again.
    behind = {
        name: {"scale": jnp.zeros(policy.architecture.embed_dim)} for name in ("post_attention_norm", "post_ffw_norm")
    }
    params = {name: leaf | behind if name.startswith("layer_") else leaf for name, leaf in policy.params.items()}
    # It also insists on a window, which no layer here has.
    shape = dataclasses.replace(policy.architecture, post_norms=True, little_endian=False, sliding_window=4096)
    save_hf(dataclasses.replace(policy, architecture=shape, params=params), folder / "hf")
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


def ours(workload: Workload, seed: int) -> Timing:
    """One pass of our sampler, as a run calls it."""
    prompts, policy = workload.prompts, workload.policy
    work = Work()
    began = time.perf_counter()
    keys = np.array([[row_key(seed, prompt, k) for k in range(SAMPLES)] for prompt in range(len(prompts))])
    drawn = sample(
        policy.model,
        policy.params,
        prompts,
        keys,
        workload.decoding,
        padded_length=prompt_length(prompts),
        context_length=policy.architecture.context_length,
        rows=CONFIG.rows,
        prefix_length=shared_prefix(prompts),
        work=work,
    )
    useful = sum(int(draws.lengths.sum()) for _, draws in drawn)
    return Timing(seconds=time.perf_counter() - began, useful=useful, row_steps=work.row_steps)


class Child:
    """A peer in a process of its own, waiting for seeds."""

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


def environment(folder: Path) -> Path:
    """The Python of the peers' environment, made where there is none."""
    python = folder.resolve() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
    return python


# -- The machine -------------------------------------------------------------------------------------------------------


def products(shape: Architecture) -> dict[str, tuple[int, int, int]]:
    """Matrix products whose speed is measured: a large square, and those that decoding makes of its rows."""
    rows, wide = CONFIG.rows, 2 * shape.hidden_dim
    return {
        "square": (2048, 2048, 2048),
        "gates": (rows, shape.embed_dim, wide),
        "feed-forward back": (rows, shape.hidden_dim, shape.embed_dim),
        "query": (rows, shape.embed_dim, shape.num_heads * shape.head_dim),
    }


@jax.jit
def _products(a: jax.Array, b: jax.Array) -> jax.Array:
    return jax.lax.map(lambda one: one @ b, a)


def gflops(m: int, k: int, n: int) -> float:
    """GFLOP a second of matrix products in float32, small ones one after the other in one compiled loop."""
    count = 1 if m == k == n else PRODUCTS
    a, b = jnp.ones((count, m, k)), jnp.ones((k, n))
    _products(a, b).block_until_ready()
    began = time.perf_counter()
    _products(a, b).block_until_ready()
    return 2e-9 * count * m * k * n / (time.perf_counter() - began)


def flop(shape: Architecture, context: float, *, logits: bool = True) -> float:
    """FLOP of one token that sees `context` tokens: the multiplications and additions of its matrix products.

    Per layer the projections to queries, keys, values and back, the three of the feed-forward block, and attention's
    two products over the context; once the product with the embeddings.
    """
    heads = shape.num_heads * shape.head_dim
    weights = (
        2 * shape.embed_dim * (heads + shape.num_kv_heads * shape.head_dim) + 3 * shape.embed_dim * shape.hidden_dim
    )
    per_layer = 2 * weights + 4 * heads * context
    return shape.num_layers * per_layer + 2 * shape.embed_dim * shape.vocab_size * logits


def prefill_only(workload: Workload, seed: int) -> tuple[float, float]:
    """FLOP and seconds of one token for every prompt: prompts are computed, hardly anything is decoded."""
    policy, prompts = workload.policy, workload.prompts
    keys = np.array([[row_key(seed, prompt)] for prompt in range(len(prompts))])
    began = time.perf_counter()
    for _ in sample(
        policy.model,
        policy.params,
        prompts,
        keys,
        dataclasses.replace(workload.decoding, max_new_tokens=1),
        padded_length=prompt_length(prompts),
        context_length=policy.architecture.context_length,
        rows=CONFIG.rows,
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


# -- Where the time goes -----------------------------------------------------------------------------------------------

# Which part of the work an operation of the compiled program belongs to, by the name of what it was compiled from; the
# first match decides. What is not the model's is the choice of tokens in `decode`, and moving rows elsewhere.
PARTS = (
    (
        "attention over the cache",
        r"BTNH,BSNH|BTNS,BSNH|BTKGH|BTKGS|/attn/(jit\(_where\)|reduce_max|reduce_sum|exp|sub|div)",
    ),
    ("writing the cache", r"Transformer.*(dynamic_update_slice|scatter)"),
    ("matrix products with weights", r"Transformer.*dot_general"),
    ("norms, gates, rotary embeddings", r"Transformer|__call__"),
    ("choosing tokens", r"^jit\(decode\)"),
    ("moving rows", r"^jit\("),
)
UNNAMED = "operations without a name"


def part(source: str) -> str:
    """The part of an operation compiled from this source."""
    return next((title for title, pattern in PARTS if re.search(pattern, source)), UNNAMED)


def profiled(folder: Path) -> dict[str, dict[str, float]]:
    """For each workload, the share of each part in the time of all operations, both cores together.

    A process of its own, because the compiled programs are written down only where XLA is told so at its start.
    """
    command = [sys.executable, str(Path(__file__)), "--profile", str(folder)]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to={folder} --xla_dump_hlo_as_text"
    done = subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def shares(folder: Path) -> dict[str, dict[str, float]]:
    """What `profiled` gives, in the process that XLA writes for."""
    result: dict[str, dict[str, float]] = {}
    for workload in workloads():
        ours(workload, seed=0)
        place = folder / workload.title.replace(" ", "_")
        with jax.profiler.trace(str(place)):
            ours(workload, seed=1)
        total: Counter[str] = Counter()
        for (program, name), nanoseconds in operations(place).items():
            total[part(sources(folder, program).get(name, ""))] += nanoseconds
        result[workload.title] = {title: time / total.total() for title, time in total.most_common()}
    return result


def operations(place: Path) -> Counter[tuple[str, str]]:
    """Nanoseconds of every operation of every program in a trace; a loop is none, what it repeats is."""
    total: Counter[tuple[str, str]] = Counter()
    (trace,) = place.rglob("*.xplane.pb")
    for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
        for line in plane.lines:
            for event in line.events if line.name != "python" else ():
                facts = {str(name): value for name, value in event.stats}
                if "hlo_module" in facts and not event.name.startswith(("while", "call", "conditional")):
                    program = f"module_{facts['program_id']:04d}.{facts['hlo_module']}"
                    total[program, event.name] += int(event.duration_ns)
    return total


@functools.cache
def sources(folder: Path, program: str) -> dict[str, str]:
    """For every operation of a compiled program, the name of what it was compiled from.

    A fusion without one has that of its first part, or else of its first operand: what it goes on with.
    """
    text = (folder / f"{program}.cpu_after_optimizations.txt").read_text()
    bodies = dict(re.findall(r"^%([\w.-]+) \(.*?\{$(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    named: dict[str, str] = {}
    for name, operand, rest in re.findall(r"^\s*(?:ROOT )?%([\w.-]+) = .*?\((?:%([\w.-]+))?(.*)$", text, re.MULTILINE):
        called = re.search(r"calls=%([\w.-]+)", rest)
        inside = bodies.get(called[1], "") if called else ""
        source = re.search(r'op_name="([^"]*)"', rest + inside)
        named[name] = source[1] if source else named.get(operand, "")
    return named


# -- The report --------------------------------------------------------------------------------------------------------


def table(standings: dict[str, Standing]) -> str:
    """A Markdown table, one sampler a line; ratios are ours to it."""
    first = standings[OURS]
    lines = [
        "| sampler | rows | tokens/s, best | median | ours is faster by | by median | wasted row-steps | logits off |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, standing in standings.items():
        lines.append(
            f"| {name} | {standing.rows} | {standing.best:,.0f} | {standing.median:,.0f}"
            f" | {first.best / standing.best:.2f} | {first.median / standing.median:.2f}"
            f" | {standing.wasted:.1%} | {standing.logits_error:.0e} |"
        )
    return "\n".join(lines)


def measured(
    workload: Workload, children: dict[str, Child], rounds: int, note: Callable[[], None]
) -> dict[str, Standing]:
    """Everybody's passes over a workload, a round at a time."""
    standings = {OURS: Standing(rows=CONFIG.rows, logits_error=0.0)}
    standings |= {name: Standing(**child.ready) for name, child in children.items()}
    ours(workload, seed=0)
    for seed in range(1, rounds + 1):
        standings[OURS].timings.append(ours(workload, seed))
        for name, child in children.items():
            standings[name].timings.append(child.timing(seed))
        note()
    return standings


@contextlib.contextmanager
def started(folder: Path, pythons: dict[str, Path]) -> Iterator[dict[str, Child]]:
    """The peers, loaded, compiled and tried one after the other."""
    children: dict[str, Child] = {}
    try:
        for name, python in pythons.items():
            children[name] = Child(python, name, folder)
        yield children
    finally:
        for child in children.values():
            child.close()


def sentences(peaks: dict[str, float], reached: dict[str, float], parts: dict[str, dict[str, float]]) -> Iterator[str]:
    """What bounds each phase, from the figures."""
    for name, speed in peaks.items():
        yield f"matrix product, {name}: {speed:.0f} GFLOP/s"
    for phase, speed in reached.items():
        yield f"{phase}: {speed:.0f} GFLOP/s, {speed / peaks['square']:.0%} of the peak"
    for title, share in parts.items():
        listed = ", ".join(f"{name} {value:.0%}" for name, value in share.items())
        yield f"time of all operations, {title}: {listed}; bound by {next(iter(share))}"


@click.command(help=__doc__)
@click.option("--peers", type=click.Path(path_type=Path), help="Folder of the peers' environment.")
@click.option("--peer", "names", type=click.Choice([*PEERS]), multiple=True, help="Only these peers.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Writes all figures there.")
@click.option("--profile", type=click.Path(path_type=Path), hidden=True)
def main(peers: Path | None, names: Sequence[str], rounds: int, output: Path | None, profile: Path | None) -> None:
    if profile:
        click.echo(json.dumps(shares(profile)))
        return
    theirs = environment(peers) if peers else None
    pythons = {name: Path(sys.executable) if name == IN_OURS else theirs for name in names or PEERS}
    pythons = {name: python for name, python in pythons.items() if python}
    found: dict[str, Any] = {"rounds": rounds, "load_before": os.getloadavg()[0], "workloads": {}}
    peaks: dict[str, float] = {}
    reached: dict[str, float] = {}
    for workload in workloads():

        def note(workload: Workload = workload) -> None:
            for name, shape in products(workload.policy.architecture).items():
                peaks[name] = max(peaks.get(name, 0.0), gflops(*shape))
            asked, seconds = prefill_only(workload, seed=1)
            phase = f"prefill, {workload.title}"
            reached[phase] = max(reached.get(phase, 0.0), 1e-9 * asked / seconds)

        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "work"
            exported(workload, folder)
            prefill_only(workload, seed=0)
            with started(folder, pythons) as children:
                standings = measured(workload, children, rounds, note)
        best = max(standings[OURS].timings, key=lambda timing: timing.speed)
        reached[f"all of {workload.title}"] = 1e-9 * whole(workload, best) / best.seconds
        found["workloads"][workload.title] = {name: dataclasses.asdict(one) for name, one in standings.items()}
        click.echo(f"\n{workload.title}: {len(workload.prompts)} prompts, {SAMPLES} samples each\n\n{table(standings)}")
    with tempfile.TemporaryDirectory() as place:
        parts = profiled(Path(place))
    found |= {"peaks": peaks, "reached": reached, "parts": parts, "load_after": os.getloadavg()[0]}
    click.echo("\n" + "\n".join(sentences(peaks, reached, parts)))
    click.echo(f"load {found['load_before']:.1f} before, {found['load_after']:.1f} after; {os.cpu_count()} cores")
    if output:
        output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
