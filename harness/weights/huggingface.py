"""Policies to and from Hugging Face's format: `config.json`, `*.safetensors` and the tokenizer's files.

Takes a folder or a policy; gives the other. Does not depend on Orbax. Covers the text models of Gemma 1, 2 and 3, so
that other engines load what was trained here, and vice versa; of a Gemma 3 with an image encoder, the text part is
loaded. The tensors' names are those of transformers' `Gemma2ForCausalLM` and its relatives; the mapping is ours.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
from safetensors import SafetensorError, safe_open

from restem.harness.errors import CheckpointMismatch, ConfigError, SaveFailed
from restem.harness.model.architecture import Architecture
from restem.harness.model.policy import Params, Policy, param_shapes
from restem.harness.model.stored_params import check_shapes
from restem.harness.weights.huggingface_config import from_config, to_config
from restem.harness.weights.huggingface_tokenizer import FEW_SHOT_MARK, tokenizer_files
from restem.harness.weights.kaggle import checked_tokenizer, tokenizer_file
from restem.harness.weights.shards import SHARD_BYTES, Dtype, write_shards

# Prefixes of the text part of a Gemma 3 with an image encoder, in older and newer files.
_TEXT_PREFIXES = ("language_model.", "model.language_model.")
_NOT_TEXT = (
    "vision_tower.",
    "multi_modal_projector.",
    "model.vision_tower.",
    "model.multi_modal_projector.",
    "lm_head.",
)

# What a network computes depends on these; their tensors' shapes say the rest.
_FUNCTION = (
    "layers",
    "sliding_window",
    "num_heads",
    "num_kv_heads",
    "qk_norm",
    "post_norms",
    "final_softcap",
    "attention_softcap",
    "scale_by_embed",
    "local_rope_base",
    "global_rope_base",
    "global_rope_scale",
)


def is_hf(folder: Path) -> bool:
    """Whether the folder is in Hugging Face's format."""
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def hf_architecture(folder: Path) -> Architecture:
    """The architecture that the `config.json` of a Hugging Face folder describes.

    Raises:
        ConfigError: It is not that of a Gemma 1, 2 or 3.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{folder / 'config.json'}: {error!s:.200}") from None
    return from_config(config, _has_chat_template(folder), str(folder / "config.json"))


def load_hf(folder: Path) -> Policy:
    """The policy of a Hugging Face folder, in float32.

    Raises:
        ConfigError: Its config, or another file, is not that of a Gemma 1, 2 or 3.
        CheckpointMismatch: A tensor is missing, is unknown, or has another shape than the config says.
    """
    architecture = hf_architecture(folder)
    params = _read(folder, architecture)
    return Policy(
        architecture=architecture,
        params=params,
        tokenizer=checked_tokenizer(tokenizer_file(folder), architecture),
    )


def load_hf_params(folder: Path, architecture: Architecture) -> Params:
    """The parameters, in float32, of a Hugging Face folder that holds a policy of this architecture.

    Raises:
        ConfigError: The folder is not in this format, or a file of it cannot be read.
        CheckpointMismatch: It is another architecture, or a tensor is missing, unknown, or of another shape.
    """
    if not is_hf(folder):
        raise ConfigError(f"{folder}: no config.json and *.safetensors of a whole model")
    stored = hf_architecture(folder)
    for name in _FUNCTION:
        if (theirs := getattr(stored, name)) != (ours := getattr(architecture, name)):
            raise CheckpointMismatch(f"{folder}: config.json: {name}: expected {ours!r}, found {theirs!r}")
    return _read(folder, architecture)


def _read(folder: Path, architecture: Architecture) -> Params:
    readers: dict[str, Callable[[], jax.Array]] = {}  # name -> reads the tensor
    shapes: Params = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            opened = safe_open(file, framework="flax")
            names = opened.keys()
            for stored in names:
                if not stored.startswith(_NOT_TEXT):
                    name = _text_name(stored)
                    shapes[name] = jax.ShapeDtypeStruct(tuple(opened.get_slice(stored).get_shape()), jnp.float32)
                    readers[name] = lambda opened=opened, stored=stored: opened.get_tensor(stored).astype(jnp.float32)
        except SafetensorError as error:
            raise ConfigError(f"{file}: {error}") from None
    expected = jax.eval_shape(lambda params: dict(_tensors(params, architecture)), param_shapes(architecture))
    check_shapes(expected, shapes, folder)
    return _params(readers, architecture)


def _text_name(name: str) -> str:
    for prefix in _TEXT_PREFIXES:
        if name.startswith(prefix):
            return "model." + name.removeprefix(prefix).removeprefix("model.")
    return name


def _has_chat_template(folder: Path) -> bool:
    """Whether the folder has a template of turns; ours of a base model's examples is none."""
    try:
        if files := sorted(folder.glob("chat_template.*")):  # as transformers 5 writes it
            return not any(FEW_SHOT_MARK in file.read_text("utf-8") for file in files)
        template = json.loads((folder / "tokenizer_config.json").read_text("utf-8")).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return False
    return bool(template) and FEW_SHOT_MARK not in template


def save_hf(policy: Policy, folder: Path, dtype: Dtype = "float32", shard_bytes: int = SHARD_BYTES) -> None:
    """Writes a policy as a new Hugging Face folder, atomically.

    Args:
        policy: The policy.
        folder: The folder.
        dtype: The type of the stored parameters.
        shard_bytes: The size of the largest file of parameters, where no single one is larger.

    Raises:
        ConfigError: The folder exists already, or transformers has no model of this architecture.
        SaveFailed: It cannot be written; nothing stays behind.
    """
    config = to_config(policy.architecture, policy.tokenizer, dtype)
    if folder.exists():
        raise ConfigError(f"{folder} is there already")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write_shards(_tensors(policy.params, policy.architecture), partial, dtype, shard_bytes)
        _write_texts(policy, config, partial)
        partial.rename(folder)
    except SafetensorError as error:  # of a full disk, too
        shutil.rmtree(partial, ignore_errors=True)
        raise SaveFailed(f"{folder}: {error}; with more space the same command makes it") from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_texts(policy: Policy, config: Mapping[str, object], partial: Path) -> None:
    """Writes all files but those of the parameters."""
    generation = {key: config[key] for key in ("bos_token_id", "pad_token_id")}
    generation["eos_token_id"] = list(policy.tokenizer.stop_ids)  # of a base model, whatever ends its answer
    files = {
        "config.json": config,
        "generation_config.json": generation,
        **tokenizer_files(policy.tokenizer, policy.architecture),
    }
    for name, content in files.items():
        (partial / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    (partial / "tokenizer.model").write_bytes(policy.tokenizer.model_bytes)


_NORMS = {"input_layernorm": "pre_attention_norm", "post_attention_layernorm": "pre_ffw_norm"}
_NORMS_FROM_2_ON = {
    "input_layernorm": "pre_attention_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "pre_ffw_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_QK_NORMS = {"q_norm": "_query_norm", "k_norm": "_key_norm"}


def _norms(architecture: Architecture) -> dict[str, str]:
    return _NORMS_FROM_2_ON if architecture.post_norms else _NORMS


def _tensors(params: Params, architecture: Architecture) -> Iterator[tuple[str, jax.Array]]:
    """Every parameter with its Hugging Face name; matrices are (out, in) there, with heads concatenated."""

    def by_head(leaf: jax.Array) -> jax.Array:  # N D H -> NH D
        return leaf.transpose(0, 2, 1).reshape(-1, leaf.shape[1])

    yield "model.embed_tokens.weight", params["embedder"]["input_embedding"]
    yield "model.norm.weight", params["final_norm"]["scale"]
    for i in range(architecture.num_layers):
        layer, at = params[f"layer_{i}"], f"model.layers.{i}."
        attention, mlp = layer["attn"], layer["mlp"]
        if "qkv_einsum" in attention:
            query, key, value = (attention["qkv_einsum"]["w"][part] for part in range(3))
        else:
            query, (key, value) = attention["q_einsum"]["w"], (attention["kv_einsum"]["w"][part] for part in range(2))
        for name, leaf in {"q_proj": query, "k_proj": key, "v_proj": value}.items():
            yield f"{at}self_attn.{name}.weight", by_head(leaf)
        yield f"{at}self_attn.o_proj.weight", attention["attn_vec_einsum"]["w"].reshape(-1, architecture.embed_dim).T
        if architecture.qk_norm:
            for name, ours in _QK_NORMS.items():
                yield f"{at}self_attn.{name}.weight", attention[ours]["scale"]
        gates = mlp["gating_einsum"] if architecture.transposed_gating else mlp["gating_einsum"].swapaxes(1, 2)
        yield f"{at}mlp.gate_proj.weight", gates[0]
        yield f"{at}mlp.up_proj.weight", gates[1]
        yield f"{at}mlp.down_proj.weight", mlp["linear"].T
        for name, ours in _norms(architecture).items():
            yield f"{at}{name}.weight", layer[ours]["scale"]


def _params(readers: Mapping[str, Callable[[], jax.Array]], architecture: Architecture) -> Params:
    """The inverse of `_tensors`; reads the tensors one by one."""
    a = architecture

    def by_head(name: str) -> jax.Array:  # NH D -> N D H
        return readers[name]().reshape(-1, a.head_dim, a.embed_dim).transpose(0, 2, 1)

    params: Params = {
        "embedder": {"input_embedding": readers["model.embed_tokens.weight"]()},
        "final_norm": {"scale": readers["model.norm.weight"]()},
    }
    for i in range(a.num_layers):
        at = f"model.layers.{i}."
        query, key, value = (by_head(f"{at}self_attn.{name}_proj.weight") for name in "qkv")
        output = readers[f"{at}self_attn.o_proj.weight"]().T.reshape(a.num_heads, a.head_dim, a.embed_dim)
        attention: Params = {"attn_vec_einsum": {"w": output}}
        if a.num_heads == a.num_kv_heads:
            attention["qkv_einsum"] = {"w": jnp.stack([query, key, value])}
        else:
            attention |= {"q_einsum": {"w": query}, "kv_einsum": {"w": jnp.stack([key, value])}}
        if a.qk_norm:
            attention |= {
                ours: {"scale": readers[f"{at}self_attn.{name}.weight"]()} for name, ours in _QK_NORMS.items()
            }
        gates = jnp.stack([readers[f"{at}mlp.{name}_proj.weight"]() for name in ("gate", "up")])
        gating = gates if a.transposed_gating else gates.swapaxes(1, 2)
        linear = readers[f"{at}mlp.down_proj.weight"]().T
        norms = {ours: {"scale": readers[f"{at}{name}.weight"]()} for name, ours in _norms(a).items()}
        params[f"layer_{i}"] = {"attn": attention, "mlp": {"gating_einsum": gating, "linear": linear}, **norms}
    return params
