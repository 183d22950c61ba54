"""Samples with the sampler of another project: reads a seed a line, writes figures as JSON lines; run by sampling.py.

    python sampling_peers.py PEER FOLDER < seeds

transformers and tunix run in environments without our packages, gemma's sampler in ours. FOLDER holds `workload.json`,
the model as `hf/` (Hugging Face) and `params.npz` (gemma's names), and the expected logits.

Every peer samples at the workload's temperature and top-k, never greedily, with the fastest of the batch sizes `SLOTS`:
it compiles and tries each of them before it reports that it is ready.
"""

from __future__ import annotations

import enum
import functools
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
    """Tokens of every row, the stop token included or not yet cut off behind it, and the steps that were decoded."""

    rows: Sequence[Sequence[int]]
    steps: int


class Peer(NamedTuple):
    """A loaded peer: its logits for rows of ids, and its samples of a chunk of prompts."""

    logits: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[list[list[int]], int], Drawn]


def transformers(folder: Path, work: dict[str, Any], dtype: str = "float32") -> Peer:
    """`generate` with `num_return_sequences`, which repeats the prompt's row before it is computed."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(folder / "hf", dtype=getattr(torch, dtype)).eval()
    for layer in model.model.layers:  # ours has no norms behind: exported with some, taken out again here
        layer.post_attention_layernorm = layer.post_feedforward_layernorm = torch.nn.Identity()
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
        num_embed=shape["vocab_size"], param_dtype=jnp.float32, **{name: shape[name] for name in names}
    )
    gemma3.GEMMA3_ATTENTION_PATTERN = (gemma3.AttentionType.GLOBAL,)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("fsdp", "tp"))
    model = params_safetensors.create_model_from_safe_tensors(str(folder / "hf"), config, mesh, jnp.float32)
    gemma3.DecoderLayer.__call__ = _without_norms_behind
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


def _without_norms_behind(layer: Any, x: Any, positions: Any, cache: Any, mask: Any) -> tuple[Any, Any]:
    cache, attended = layer.attn(layer.pre_attention_norm(x), positions, cache, mask)
    x = x + attended
    return cache, x + layer.mlp(layer.pre_ffw_norm(x))


def gemma(folder: Path, work: dict[str, Any]) -> Peer:
    """`gm.text.Sampler` on the very same `gm.nn` model; it has no number of samples, so prompts are repeated."""
    import jax.numpy as jnp
    from gemma import gm
    from gemma.gm.nn import config as gemma_config
    from gemma.gm.text import _sampler, _tokenizer

    import restem.harness.model.gemma  # noqa: F401  (imports gemma without TensorFlow)

    stops = [*work["stop_ids"], NEVER, NEVER + 1][:2]

    class Special(_tokenizer.SpecialTokens, enum.IntEnum):
        PAD, EOS, BOS, END_OF_TURN, BEGIN_OF_TOOL_RESPONSE = 0, stops[0], NEVER + 2, stops[1], NEVER + 3

    class Adapter(_Ids, _tokenizer.Tokenizer):
        special_tokens = Special

    shape = work["architecture"]
    names = ("embed_dim", "hidden_dim", "num_heads", "head_dim", "num_kv_heads")
    model = gm.nn.Transformer(
        config=gemma_config.TransformerConfig(
            num_embed=shape["vocab_size"],
            final_logit_softcap=None,
            use_post_attn_norm=False,
            use_post_ffw_norm=False,
            use_qk_norm=True,
            attention_types=(gm.nn.AttentionType.GLOBAL,) * shape["num_layers"],
            **{name: shape[name] for name in names},
        ),
        dtype=jnp.float32,
    )
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


PEERS: dict[str, Callable[[Path, dict[str, Any]], Peer]] = {
    "gm.text.Sampler": gemma,
    "tunix": tunix,
    "transformers": transformers,
    "transformers, bfloat16": functools.partial(transformers, dtype="bfloat16"),
}


def useful(row: Sequence[int], stop_ids: Sequence[int], limit: int) -> int:
    """Tokens up to and with the first stop token."""
    return next((place + 1 for place, token in enumerate(row[:limit]) if token in stop_ids), min(len(row), limit))


def figures(peer: Peer, work: dict[str, Any], prompts: list[list[int]], size: int, seed: int) -> dict[str, float]:
    """Seconds, useful tokens and decoded slot-steps of all prompts, `size` at a time."""
    began = time.perf_counter()
    drawn = [peer.draw(prompts[start : start + size], seed + start) for start in range(0, len(prompts), size)]
    seconds = time.perf_counter() - began
    limit, stop_ids = work["new_tokens"], work["stop_ids"]
    return {
        "seconds": seconds,
        "useful": sum(useful(row, stop_ids, limit) for part in drawn for row in part.rows),
        "slot_steps": sum(len(part.rows) * part.steps for part in drawn),
    }


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is no answer of ours
    folder = Path(sys.argv[2])
    work = json.loads((folder / "workload.json").read_text())
    peer = PEERS[sys.argv[1]](folder, work)
    expected = np.load(folder / "logits.npz")
    actual = peer.logits(expected["ids"])
    error = float(np.abs(actual - expected["logits"]).max() / np.abs(expected["logits"]).max())
    most = max(SLOTS) // work["samples"]
    speeds: dict[int, float] = {}
    for size in (slots // work["samples"] for slots in SLOTS):
        figures(peer, work, work["prompts"][:size], size, seed=0)  # compiles
        tried = figures(peer, work, work["prompts"][:most], size, seed=1)
        speeds[size] = tried["useful"] / tried["seconds"]
    size = max(speeds, key=lambda size: speeds[size])
    ready = {"slots": size * work["samples"], "logits_error": error}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(figures(peer, work, work["prompts"], size, int(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
