"""Decodes and trains in the shape of an official model, with random weights; prints what share of the device that is.

    python tests/perf/large.py [--policy NAME] [--slots N] [--compute TYPE] [--set training.KEY=VALUE]...

Uses the first device. A decoding step has to read every weight, and the keys and values of every slot, once: its share
is that of the bandwidth which a change of a large array in place reaches. A training step's share is that of the peak
of matrix products, in float32 and in bfloat16. Figures are the best of the rounds, without compilation.
Nothing is downloaded: the name stands for the shape alone. Asserts nothing: figures belong to the machine.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.harness.config import load_suite
from restem.harness.model.architecture import ASSETS
from restem.harness.model.mesh import keep_freed_memory
from restem.harness.model.policy import Policy, init_params, load_policy
from restem.harness.sampling.decoding import Decoding
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.kv_slots import Network
from restem.harness.sampling.sampler import Batching, prompt_length, sample
from restem.harness.settings import Compute
from restem.harness.training.example import Example
from restem.harness.weights.registry import KNOWN
from tests.perf import machine, training

COPIED = 2**28  # float32 numbers: 1 GiB
SETTINGS = ("training.rows=2", "training.row_length=256", "training.accumulate=1", "training.remat=true")


def bandwidth() -> float:
    """GB a second that a change of every number in place reads and writes."""
    change = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = change(jnp.zeros(COPIED)).block_until_ready()
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        x = change(x).block_until_ready()
        best = max(best, 2e-9 * x.nbytes / (time.perf_counter() - began))
    return best


def seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """Sequences decoded together from prompts of one length, `samples` of each."""

    policy: Policy
    compute: Compute
    slots: int
    samples: int
    prompt: int
    new: int

    def draw(self, new: int) -> None:
        """Samples this many tokens in every slot."""
        shape = self.policy.architecture
        rng = np.random.default_rng(0)
        prompts = rng.integers(3, shape.vocab_size, (self.slots // self.samples, self.prompt)).tolist()
        keys = np.array([[sample_key(0, prompt, k) for k in range(self.samples)] for prompt in range(len(prompts))])
        for _ in sample(
            self.policy.model,
            self.policy.params,
            prompts,
            keys,
            Decoding(max_new_tokens=new),
            Batching(
                padded_length=prompt_length(prompts),
                context_length=shape.context_length,
                slots=self.slots,
                compute=self.compute,
            ),
        ):
            pass

    def gigabytes(self) -> float:
        """The least that a decoding step reads."""
        network = Network(self.policy.model, self.compute)
        cache = jax.eval_shape(lambda: network.empty_cache(self.slots, self.prompt + self.new // 2))
        read = [leaves[name] for leaves in cache.values() for name in ("k", "v")]
        prepared = jax.eval_shape(network.prepared, self.policy.params)
        read += jax.tree.leaves(prepared)
        return 1e-9 * sum(leaf.size * leaf.dtype.itemsize for leaf in read)


def examples(policy: Policy, length: int) -> list[Example]:
    """Random ones that fill rows of this length: two samples of a prompt in each row."""
    rng, part = np.random.default_rng(0), length // 3
    result = []
    for _ in range(16):
        prompt, *responses = rng.integers(3, policy.architecture.vocab_size, (3, part)).tolist()
        result += [Example(prompt_ids=tuple(prompt), response_ids=tuple(ids)) for ids in responses]
    return result


@click.command(help=__doc__)
@click.option("--policy", "name", type=click.Choice([*KNOWN]), default="gemma3-1b-it", show_default=True)
@click.option("--slots", default=64, show_default=True, help="Sequences decoded together.")
@click.option("--samples", default=16, show_default=True, help="Of each prompt.")
@click.option("--prompt", default=64, show_default=True, help="Tokens.")
@click.option("--new", default=32, show_default=True, help="Tokens drawn in each slot.")
@click.option("--compute", type=click.Choice(["float32", "mixed", "bfloat16"]), default="bfloat16", show_default=True)
@click.option("--steps", default=2, show_default=True, help="Of training, in a round; 0: none at all.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--set", "overrides", multiple=True, help=f"Settings of training; first: {', '.join(SETTINGS)}.")
def main(
    name: str,
    slots: int,
    samples: int,
    prompt: int,
    new: int,
    compute: Compute,
    steps: int,
    rounds: int,
    overrides: tuple[str, ...],
) -> None:
    keep_freed_memory()
    shape = KNOWN[name].architecture
    policy = Policy(
        architecture=shape,
        params=init_params(shape, jax.random.key(0)),
        tokenizer=load_policy(ASSETS / "tiny").tokenizer,
    )
    click.echo(f"{name}, random weights, on {jax.devices()[0].device_kind}")
    speed = bandwidth()
    peaks = {dtype: max(machine.gflops(2048, 2048, 2048, dtype) for _ in range(3)) for dtype in ("float32", "bfloat16")}
    click.echo(f"memory: {speed:.0f} GB/s; products: " + ", ".join(f"{p:.0f} GFLOP/s in {t}" for t, p in peaks.items()))

    decoded = Decoded(policy=policy, compute=compute, slots=slots, samples=samples, prompt=prompt, new=new)
    once, whole = (min(seconds(lambda n=n: decoded.draw(n)) for _ in range(rounds + 1)) for n in (1, new))
    step = (whole - once) / (new - 1)
    read = decoded.gigabytes() / step
    click.echo(
        f"decoding {slots} slots in {compute}: {1e3 * step:.1f} ms a step, {slots / step:,.0f} tokens/s, "
        f"{read:.0f} GB/s read at least: {read / speed:.0%} of the bandwidth"
    )
    if not steps:
        return
    settings = load_suite("linear_1d", (*SETTINGS, *overrides)).training
    learner = training.Learner(policy, examples(policy, settings.row_length), settings)
    learner.learn(1)
    best = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        batches = learner.learn(steps)
        took = time.perf_counter() - began
        # With LoRA nothing is computed for the gradients of frozen matrices: two thirds of it all.
        share = 2 / 3 if settings.trainable == "lora" else 1.0
        best = max(best, share * sum(training.needed(shape, batch) for batch in batches) / took)
    shares = ", ".join(f"{best / peak:.0%} of the peak in {dtype}" for dtype, peak in peaks.items())
    click.echo(f"training ({settings.trainable}, {settings.compute_dtype}): {best:.0f} GFLOP/s needed: {shares}")


if __name__ == "__main__":
    main()
