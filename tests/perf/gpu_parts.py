"""The parts of gpu.py, each in a process of its own: prints a figure as a JSON line as soon as it is measured.

    python -m tests.perf.gpu_parts PART FOLDER PEAKS (small | MODEL)

`machine` measures what the device gives at most: memory by a copy, products by a large one. What the others predict is
counted from shapes: bytes that must move over the memory's speed, or products over their speed, whichever is longer.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from restem.harness.model.architecture import ASSETS, Architecture
from restem.harness.model.mesh import make_meshes
from restem.harness.model.policy import Policy, init_params, load_policy, params_hash, save_policy
from restem.harness.sampling.decoding import Decoding
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.kv_slots import Network, Refill, Slots, carried, decode, empty, refill
from restem.harness.settings import TrainingConfig
from restem.harness.training.packing import Example
from restem.harness.weights.huggingface import save_hf
from restem.harness.weights.registry import known_model
from tests.perf.gpu import Figure
from tests.perf.machine import flop
from tests.perf.training import Learner, needed

MEMORY, PRODUCTS = "memory, read and written", "products in bfloat16"  # figures of `machine` that others look up
K = 16  # samples of a prompt
FEW = ["replicates=1", "iterations=1", "benchmark.train=4", "benchmark.test=4", "training.steps=2"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is computed; the cache has prompt and room, of which `new` tokens are drawn."""

    slots: int = 256
    prompt: int = 256
    room: int = 1024
    new: int = 128
    rows: int = 4
    row_length: int = 1024
    steps: int = 6
    square: int = 8192
    copied: int = 2**31  # bytes


SMALL = Sizes(slots=32, prompt=16, room=32, new=8, rows=2, row_length=64, steps=3, square=512, copied=2**24)
SMALL_SHAPE = dataclasses.replace(
    known_model("gemma3-1b").architecture, vocab_size=512, embed_dim=64, hidden_dim=128, num_layers=2, head_dim=32
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What a part is given.

    Attributes:
        shape: Of the network; its parameters are random.
        sizes: How much is computed.
        folder: A place for files.
        peaks: What `machine` measured, by its figures' names: GB/s and TFLOP/s.
        small: Whether all is small.
    """

    shape: Architecture
    sizes: Sizes
    folder: Path
    peaks: dict[str, float]
    small: bool

    def policy(self) -> Policy:
        tiny = load_policy(ASSETS / "tiny")  # for its tokenizer
        params = jax.jit(init_params, static_argnums=0)(self.shape, jax.random.key(0))
        return dataclasses.replace(tiny, architecture=self.shape, params=params)

    def seconds_at_peaks(self, moved: float, computed: float) -> float | None:
        """The least seconds for so many bytes and FLOP."""
        if not {MEMORY, PRODUCTS} <= self.peaks.keys():
            return None
        return max(moved / (1e9 * self.peaks[MEMORY]), computed / (1e12 * self.peaks[PRODUCTS]))


Emit = Callable[[Figure], None]


def timed(run: Callable[[], Any], times: int = 3) -> float:
    """The best seconds of a few calls after one that compiles."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def machine(setting: Setting, emit: Emit) -> None:
    """What the device gives at most."""
    data = jnp.zeros(setting.sizes.copied // 4, jnp.float32)
    copy = jax.jit(lambda data: data + 1)
    emit(Figure(what=MEMORY, value=2e-9 * data.nbytes / timed(lambda: copy(data)), unit="GB/s"))
    side = setting.sizes.square
    a = jax.random.normal(jax.random.key(0), (side, side)).astype("bfloat16")
    multiply = jax.jit(lambda a: a @ a)
    emit(Figure(what=PRODUCTS, value=2e-12 * side**3 / timed(lambda: multiply(a)), unit="TFLOP/s"))


# -- Decoding ----------------------------------------------------------------------------------------------------------


def bytes_of_step(shape: Architecture, sizes: Sizes, compute: str) -> int:
    """Bytes that a decoding step must move: all weights once, all columns of the cache, logits written and read."""
    network = Network(shape.model(), compute)
    weights = jax.eval_shape(lambda: network.prepared(init_params(shape, jax.random.key(0))))
    cache = jax.eval_shape(lambda: carried(network.empty_cache(sizes.slots, sizes.prompt + sizes.room)))
    moved = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((weights, cache)))
    return moved + 2 * 4 * sizes.slots * shape.vocab_size


def filled(network: Network, params: Any, setting: Setting, decoding: Decoding) -> Slots:
    """Slots that all hold a prompt."""
    sizes, mesh = setting.sizes, make_meshes(1, 1).local
    count = sizes.slots // K
    rng = np.random.default_rng(0)
    entering = Refill(
        prompts=rng.integers(1, setting.shape.vocab_size, (count, sizes.prompt), dtype=np.int32),
        lengths=np.full(count, sizes.prompt, np.int32),
        slots=np.arange(sizes.slots, dtype=np.int32).reshape(count, K),
        keys=np.array([[sample_key(0, prompt, k) for k in range(K)] for prompt in range(count)]),
    )
    slots = empty(network, mesh, sizes.slots, sizes.prompt + sizes.room, decoding.max_new_tokens)
    return jax.block_until_ready(refill(network, mesh, params, slots, None, entering))


def decoding_of(setting: Setting) -> Decoding:
    return Decoding(temperature=0.7, top_k=40, max_new_tokens=setting.sizes.new)


def measure_decoding(setting: Setting, emit: Emit) -> None:
    """Tokens a second of full slots, for each type to compute in; prompts are not counted."""
    policy, sizes, decoding = setting.policy(), setting.sizes, decoding_of(setting)
    mesh = make_meshes(1, 1).local
    context = sizes.prompt + sizes.room  # attention is over all columns
    computed = sizes.slots * flop(setting.shape, context)
    for compute in ("bfloat16", "mixed"):
        network = Network(policy.model, compute)
        params = network.prepared(policy.params)
        seconds = []
        for _ in range(3):  # the first one compiles
            slots = filled(network, params, setting, decoding)
            began = time.perf_counter()
            _, steps = jax.block_until_ready(decode(network, mesh, decoding, params, slots, np.int32(sizes.slots)))
            seconds.append((time.perf_counter() - began) / int(steps))
        of_step = min(seconds)
        least = setting.seconds_at_peaks(bytes_of_step(setting.shape, sizes, compute), computed)
        emit(
            Figure(
                what=f"tokens drawn, {compute}, {sizes.slots} slots of {context} columns",
                value=sizes.slots / of_step,
                unit="tokens/s",
                predicted=None if least is None else sizes.slots / least,
                share=None if least is None else least / of_step,
            )
        )


# -- Training and saving -----------------------------------------------------------------------------------------------


def random_examples(setting: Setting) -> list[Example]:
    """As many as fill all steps, two a row, none with a prefix of another."""
    rng = np.random.default_rng(1)
    length = setting.sizes.row_length // 2
    ids = rng.integers(1, setting.shape.vocab_size, (2 * setting.sizes.rows * setting.sizes.steps, length + 1)).tolist()
    return [Example(prompt_ids=(*row[: length // 4],), response_ids=(*row[length // 4 :],)) for row in ids]


def measure_training(setting: Setting, emit: Emit) -> None:
    """The share of the peak that a step of the M-step reaches, of the FLOP that it needs at least."""
    policy, sizes = setting.policy(), setting.sizes
    for compute in ("bfloat16", "mixed"):
        settings = TrainingConfig(
            rows=sizes.rows, row_length=sizes.row_length, steps=sizes.steps, compute_dtype=compute, remat=True
        )  # type: ignore[call-arg]
        learner = Learner(policy, random_examples(setting), settings)
        learner.learn(1)
        began = time.perf_counter()
        batches = learner.learn(sizes.steps - 1)
        seconds = (time.perf_counter() - began) / len(batches)
        computed = 1e9 * needed(setting.shape, batches[0])
        least = setting.seconds_at_peaks(0, computed)
        emit(
            Figure(
                what=f"training, {compute}, {sizes.rows} rows of {sizes.row_length}",
                value=1e-12 * computed / seconds,
                unit="TFLOP/s",
                predicted=setting.peaks.get(PRODUCTS),
                share=None if least is None else least / seconds,
            )
        )
        emit(Figure(what=f"a step, {compute}", value=1e3 * seconds, unit="ms"))


def measure_saving(setting: Setting, emit: Emit) -> None:
    """What a checkpoint costs: to fetch its parameters from the device and hash them, and to save it hashed."""
    policy = setting.policy()
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
    began = time.perf_counter()
    params_hash(policy.params)
    emit(Figure(what="a checkpoint fetched and hashed", value=time.perf_counter() - began, unit="s"))
    began = time.perf_counter()
    save_policy(policy, setting.folder / "policy")
    emit(Figure(what=f"a checkpoint of {size / 1e9:.2g} GB saved", value=time.perf_counter() - began, unit="s"))


# -- A run, and another engine -----------------------------------------------------------------------------------------


def run_or_exit(command: list[str]) -> None:
    """Runs a command; where it fails, this part ends, and the command's last line says why."""
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        sys.exit(1)


def measure_suite(setting: Setting, emit: Emit) -> None:
    """The default suite, as `restem run` does it, and where its seconds went."""
    out = setting.folder / "run"
    command = [sys.executable, "-m", "restem.harness.cli", "run", "linear_1d", "--out", str(out), "--quiet"]
    began = time.perf_counter()
    run_or_exit([*command, *(word for setting in FEW * setting.small for word in ("--set", setting))])
    emit(Figure(what="default suite" + ", small" * setting.small, value=time.perf_counter() - began, unit="s"))
    spent: Counter[str] = Counter()
    with sqlite3.connect(out / "run.db") as connection:
        for kind, detail in connection.execute("SELECT kind, detail FROM event WHERE kind != 'finished'"):
            spent[kind] += json.loads(detail).get("seconds", 0)
    for kind, seconds in spent.most_common(4):
        emit(Figure(what=f"of these: {kind}", value=seconds, unit="s"))


def measure_vllm(setting: Setting, emit: Emit) -> None:
    """vLLM on the same network, prompts and number of tokens, in bfloat16."""
    python = os.environ.get("RESTEM_VLLM_PYTHON") or (sys.executable if importlib.util.find_spec("vllm") else None)
    if python is None:
        sys.exit("vLLM is not installed, and RESTEM_VLLM_PYTHON does not name a Python that has it")
    save_hf(setting.policy(), setting.folder / "hf", "bfloat16")
    sizes = setting.sizes
    work = {
        "prompts": np.random.default_rng(0).integers(1, setting.shape.vocab_size, (sizes.slots // K, sizes.prompt)),
        "samples": K,
        "new": sizes.new,
        "columns": sizes.prompt + sizes.room,
    }
    (setting.folder / "work.json").write_text(json.dumps(work, default=np.ndarray.tolist))
    script = Path(__file__).with_name("gpu_vllm.py")
    result = setting.folder / "result.json"
    arguments = [str(setting.folder / "hf"), str(setting.folder / "work.json"), str(result)]
    run_or_exit([python, str(script), *arguments])
    given = json.loads(result.read_text())
    emit(Figure(what=f"vLLM {given['version']}: tokens drawn, bfloat16", value=given["speed"], unit="tokens/s"))


PARTS: dict[str, Callable[[Setting, Emit], None]] = {
    "machine": machine,
    "decode": measure_decoding,
    "train": measure_training,
    "save": measure_saving,
    "suite": measure_suite,
    "vllm": measure_vllm,
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no figure
    name, folder, peaks, model = sys.argv[1:]
    small = model == "small"
    setting = Setting(
        shape=SMALL_SHAPE if small else known_model(model).architecture,
        sizes=SMALL if small else Sizes(),
        folder=Path(folder),
        peaks=json.loads(peaks),
        small=small,
    )

    def emit(figure: Figure) -> None:
        if not math.isfinite(figure.value):
            raise ValueError(f"{figure.what}: {figure.value}")
        print(json.dumps(dataclasses.asdict(figure)), file=answers, flush=True)

    if name == "machine":
        device = jax.devices()[0]
        emit(Figure(what=f"{device.device_kind}, JAX {jax.__version__}", value=len(jax.devices()), unit="devices"))
    PARTS[name](setting, emit)


if __name__ == "__main__":
    main()
