"""Samples with the sampler of another project: reads a seed a line, writes figures as JSON lines; run by sampling.py.

    python sampling_peers.py PEER FOLDER < seeds

Only gemma's sampler runs in our environment, the others have environments without our packages. FOLDER holds
`workload.json`, the model as `hf/` (Hugging Face) and `params.npz` (gemma's names), and the expected logits.

Every peer samples at the workload's temperature and top-k, never greedily, with the fastest of its batch sizes: it
compiles and tries each of them before it reports that it is ready.
"""

from __future__ import annotations

import enum
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SLOTS = (256, 1024)
NEVER = 1_000_000  # a stop token that no vocabulary here has


class Drawn(NamedTuple):
    """Tokens of every row, the stop token included or not yet cut off behind it, and the mean steps that a row took."""

    rows: Sequence[Sequence[int]]
    steps: float


class Peer(NamedTuple):
    """A loaded peer.

    Attributes:
        logits: Of rows of ids, at all positions or at the last one, up to a constant for each.
        draw: Samples of prompts; in rows of `work["size"]` where it makes its batches itself.
        sizes: Numbers of rows that are tried.
        in_batches: Whether it makes its batches itself, and so takes all prompts at once.
    """

    logits: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[list[list[int]], int], Drawn]
    sizes: Sequence[int] = SLOTS
    in_batches: bool = False


def transformers(folder: Path, work: dict[str, Any], dtype: str = "float32") -> Peer:
    """`generate` with `num_return_sequences`, which repeats the prompt's row before it is computed."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(folder / "hf", dtype=getattr(torch, dtype)).eval()
    model.generation_config.eos_token_id = work["stop_ids"] or None

    def draw(prompts: list[list[int]], seed: int) -> Drawn:
        torch.manual_seed(seed)
        length = max(map(len, prompts))
        ids = torch.tensor([[0] * (length - len(prompt)) + prompt for prompt in prompts])
        out = model.generate(
            ids,
            attention_mask=(torch.arange(length) >= length - torch.tensor([[len(p)] for p in prompts])).long(),
            do_sample=True,
            temperature=work["temperature"],
            top_k=work["top_k"],
            top_p=1.0,
            max_new_tokens=work["new_tokens"],
            num_return_sequences=work["samples"],
            pad_token_id=0,
        )
        return Drawn(rows=out[:, length:].tolist(), steps=out.shape[1] - length)

    return Peer(logits=lambda ids: model(torch.tensor(ids)).logits.float().numpy(), draw=draw)


class _Ids:
    """A tokenizer for samplers that take text: the text is a JSON list of ids."""

    def encode(self, text: str, **_: object) -> list[int]:
        return json.loads(text)

    def decode(self, ids: object, **_: object) -> str:
        return ""

    def bos_id(self) -> int:
        return 0  # tunix adds none where this is 0

    def eos_id(self) -> int:
        return NEVER

    def pad_id(self) -> int:
        return 0


def tunix(folder: Path, work: dict[str, Any]) -> Peer:
    """tunix's own `Sampler` over its Gemma 3; `top_p=1` because without it the sampler is greedy."""
    import jax
    import jax.numpy as jnp
    from tunix.generate.sampler import CacheConfig, Sampler
    from tunix.models.gemma3 import model as gemma3
    from tunix.models.gemma3 import params_safetensors

    shape = work["architecture"]
    names = ("num_layers", "embed_dim", "hidden_dim", "num_heads", "head_dim", "num_kv_heads")
    config = gemma3.ModelConfig(
        num_embed=shape["vocab_size"],
        param_dtype=jnp.float32,
        local_base_frequency=shape["local_rope_base"],
        global_base_frequency=shape["global_rope_base"],
        **{name: shape[name] for name in names},
    )
    gemma3.GEMMA3_ATTENTION_PATTERN = (gemma3.AttentionType.GLOBAL,)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("fsdp", "tp"))
    model = params_safetensors.create_model_from_safe_tensors(str(folder / "hf"), config, mesh, jnp.float32)
    length = work["prompt_length"]
    cache = CacheConfig(
        cache_size=length + work["new_tokens"],
        num_layers=shape["num_layers"],
        num_kv_heads=shape["num_kv_heads"],
        head_dim=shape["head_dim"],
    )
    sampler = Sampler(model, _Ids(), cache)

    def draw(prompts: list[list[int]], seed: int) -> Drawn:
        out = sampler(
            [json.dumps(prompt) for prompt in prompts for _ in range(work["samples"])],
            max_generation_steps=work["new_tokens"],
            max_prompt_length=length,
            temperature=work["temperature"],
            top_p=1.0,
            top_k=work["top_k"],
            eos_tokens=work["stop_ids"] or [NEVER],
            seed=seed,
        )
        stop = work["stop_ids"][:1]  # it cuts the stop token off
        rows = [[*row.tolist(), *(stop if len(row) < work["new_tokens"] else ())] for row in out.tokens]
        return Drawn(rows=rows, steps=max(map(len, rows)))

    def logits(ids: np.ndarray) -> np.ndarray:
        positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
        mask = jnp.broadcast_to(jnp.tril(jnp.ones((ids.shape[1],) * 2, bool)), (*ids.shape, ids.shape[1]))
        return np.asarray(model(jnp.asarray(ids), positions, None, mask)[0])

    return Peer(logits=logits, draw=draw)


def gemma(folder: Path, work: dict[str, Any]) -> Peer:
    """`gm.text.Sampler` on the very same `gm.nn` model; it has no number of samples, so prompts are repeated."""
    import jax.numpy as jnp
    from gemma import gm
    from gemma.gm.text import _sampler, _tokenizer

    import restem.harness.model.gemma  # noqa: F401  (imports gemma without TensorFlow)
    from restem.harness.model.architecture import Architecture

    stops = [*work["stop_ids"], NEVER, NEVER + 1][:2]

    class Special(_tokenizer.SpecialTokens, enum.IntEnum):
        PAD, EOS, BOS, END_OF_TURN, BEGIN_OF_TOOL_RESPONSE = 0, stops[0], NEVER + 2, stops[1], NEVER + 3

    class Adapter(_Ids, _tokenizer.Tokenizer):
        special_tokens = Special

    model = Architecture(**work["architecture"]).model()
    params: dict[str, Any] = {}
    for name, leaf in np.load(folder / "params.npz").items():
        *path, last = name.split("/")
        place = params
        for part in path:
            place = place.setdefault(part, {})
        place[last] = jnp.asarray(leaf)
    sampler = _sampler.Sampler(
        model=model,
        params=params,
        tokenizer=Adapter(path=""),
        sampling=gm.text.TopkSampling(temperature=work["temperature"], k=work["top_k"]),
        cache_length=work["prompt_length"] + work["new_tokens"],
        max_out_length=work["new_tokens"],
        pad_length=work["prompt_length"],
    )

    def draw(prompts: list[list[int]], seed: int) -> Drawn:
        texts = [json.dumps(prompt) for prompt in prompts for _ in range(work["samples"])]
        state = sampler.sample(texts, max_new_tokens=work["new_tokens"], rng=seed, return_state=True).state
        return Drawn(rows=np.asarray(state.predicted_tokens).tolist(), steps=int(state.step))

    return Peer(
        logits=lambda ids: np.asarray(model.apply({"params": params}, jnp.asarray(ids)).logits),
        draw=draw,
    )


def ctranslate2(folder: Path, work: dict[str, Any], dtype: str = "float32") -> Peer:
    """CTranslate2's generator, with a worker a core, and its own batches of `size` rows."""
    import types

    import ctranslate2 as ct2
    from ctranslate2.converters import transformers as converters

    shape = work["architecture"]
    words = [f"<{number}>" for number in range(shape["vocab_size"])]
    loader: Any = type(converters._MODEL_LOADERS["Gemma3TextConfig"])
    specify = loader.get_model_spec

    def with_bases(self: Any, model: Any) -> Any:
        """Its loader looks for the rotary bases where transformers 5 has them no longer, and takes another one."""
        spec = specify(self, model)
        for layer, kind in zip(spec.decoder.layer, itertools.cycle(shape["attention"]), strict=False):
            base = shape["global_rope_base" if kind == "G" else "local_rope_base"]
            layer.self_attention.rotary_base = np.dtype("float32").type(base)
        return spec

    def without_tokenizer(self: Any, config: Any, *_: object) -> None:
        config.bos_token, config.unk_token, config.eos_token = words[2], words[3], words[1]

    loader.get_vocabulary, loader.set_config, loader.get_model_spec = lambda *_: words, without_tokenizer, with_bases
    converters.TransformersConverter.load_tokenizer = lambda *_, **__: types.SimpleNamespace()
    place = str(folder / f"ct2-{dtype}")
    converters.TransformersConverter(str(folder / "hf")).convert(place, quantization=dtype)
    cores = len(os.sched_getaffinity(0))
    generator = ct2.Generator(place, compute_type=dtype, inter_threads=cores, intra_threads=1)

    def draw(prompts: list[list[int]], seed: int) -> Drawn:
        ct2.set_random_seed(seed + 1)
        results = generator.generate_batch(
            [[words[token] for token in prompt] for prompt in prompts for _ in range(work["samples"])],
            max_batch_size=work["size"],
            sampling_topk=work["top_k"],
            sampling_temperature=work["temperature"],
            max_length=work["new_tokens"],
            include_prompt_in_result=False,
            end_token=[words[token] for token in work["stop_ids"]] or words[0],
            return_end_token=True,
        )
        rows = [result.sequences_ids[0] for result in results]
        parts = [rows[start : start + work["size"]] for start in range(0, len(rows), work["size"])]
        return Drawn(rows=rows, steps=sum(len(part) * max(map(len, part)) for part in parts) / len(rows))

    def logits(ids: np.ndarray) -> np.ndarray:
        given = ct2.StorageView.from_array(ids.astype(np.int32))
        lengths = ct2.StorageView.from_array(np.full(len(ids), ids.shape[1], np.int32))
        return np.array(generator.forward_batch(given, lengths).to_device(ct2.Device.cpu), np.float32)

    return Peer(logits=logits, draw=draw, sizes=(16, 32, 64, 128), in_batches=True)


def engine(folder: Path, work: dict[str, Any], name: str, **options: str) -> Peer:
    """An engine of sampling_engines.py, which decodes nothing behind a stop token."""
    import sampling_engines

    made: sampling_engines.Engine = getattr(sampling_engines, name)(folder, work, **options)

    def draw(prompts: list[list[int]], seed: int) -> Drawn:
        rows = made.rows(prompts, seed)
        return Drawn(rows=rows, steps=sum(map(len, rows)) / len(rows))

    return Peer(logits=made.logits, draw=draw, sizes=made.sizes, in_batches=True)


PEERS: dict[str, Callable[[Path, dict[str, Any]], Peer]] = {
    "gm.text.Sampler": gemma,
    "tunix": tunix,
    "transformers": transformers,
    "transformers, bfloat16": functools.partial(transformers, dtype="bfloat16"),
    "CTranslate2": ctranslate2,
    "CTranslate2, int8": functools.partial(ctranslate2, dtype="int8"),
    "llama.cpp": functools.partial(engine, name="llama_cpp"),
    "llama.cpp, int8": functools.partial(engine, name="llama_cpp", dtype="Q8_0"),
    "vLLM": functools.partial(engine, name="vllm"),
    "vLLM, bfloat16": functools.partial(engine, name="vllm", dtype="bfloat16"),
    "OpenVINO GenAI": functools.partial(engine, name="openvino"),
    "OpenVINO GenAI, int8": functools.partial(engine, name="openvino", weights="int8"),
}


def useful(row: Sequence[int], stop_ids: Sequence[int], limit: int) -> int:
    """Tokens up to and with the first stop token."""
    return next((place + 1 for place, token in enumerate(row[:limit]) if token in stop_ids), min(len(row), limit))


def figures(peer: Peer, work: dict[str, Any], prompts: list[list[int]], size: int, seed: int) -> dict[str, float]:
    """Seconds (of the clock, of the processor), useful tokens and slot-steps of all prompts, `size` rows at a time."""
    together = len(prompts) if peer.in_batches else size // work["samples"]
    work["size"] = size
    began, processor = time.perf_counter(), time.process_time()
    drawn = [peer.draw(prompts[start : start + together], seed + start) for start in range(0, len(prompts), together)]
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    limit, stop_ids = work["new_tokens"], work["stop_ids"]
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "useful": sum(useful(row, stop_ids, limit) for part in drawn for row in part.rows),
        "slot_steps": sum(len(part.rows) * part.steps for part in drawn),
    }


def centred(logits: np.ndarray) -> np.ndarray:
    """Logits whose mean is 0: some peers give log-probabilities, which differ from them by a constant."""
    return logits - logits.mean(axis=-1, keepdims=True)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is no answer of ours
    folder = Path(sys.argv[2])
    work = json.loads((folder / "workload.json").read_text())
    peer = PEERS[sys.argv[1]](folder, work)
    stored = np.load(folder / "logits.npz")
    actual = peer.logits(stored["ids"])
    expected = stored["logits"] if actual.ndim == 3 else stored["logits"][:, -1]
    error = float(np.abs(centred(actual) - centred(expected)).max() / np.abs(centred(expected)).max())
    most = max(SLOTS) // work["samples"]
    rows = work["samples"] * len(work["prompts"])
    speeds: dict[int, float] = {}
    for size in [size for size in peer.sizes if size // 2 < rows] or peer.sizes[:1]:
        figures(peer, work, work["prompts"][: size // work["samples"]], size, seed=0)  # compiles
        tried = figures(peer, work, work["prompts"][:most], size, seed=1)
        speeds[size] = tried["useful"] / tried["seconds"]
    size = max(speeds, key=lambda size: speeds[size])
    print(json.dumps({"slots": size, "logits_error": error}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(figures(peer, work, work["prompts"], size, int(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
