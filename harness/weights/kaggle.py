"""Official Gemma checkpoints -> a policy.

Takes a folder as Kaggle gives it (an Orbax checkpoint with `tokenizer.model` beside or above it) in one of the layouts
of `gm.ckpts`: nested, flat (the first releases) or stacked by attention type; gives model, parameters in float32 and
tokenizer as one value. Knows nothing of where a folder came from, nor of Hugging Face's format (hf.py).

The layouts are read here and not by `gm.ckpts.load_params`, because that imports TensorFlow, has no check by leaf, and
hands on the stored bfloat16. Source of the names: google-deepmind/gemma:gemma/gm/ckpts/_compat.py.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.model.architecture import Architecture
from restem.harness.model.policy import Params, Policy, check_shapes, param_shapes, restore_targets, single_host_options
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.weights.registry import FAMILIES, KNOWN

MARKS = ("_METADATA", "_CHECKPOINT_METADATA")  # either stands in every Orbax checkpoint
_STACK = re.compile(r"stacked_layers/attention_type_(\d+)")
# What the text needs nothing of: encoders of images and sounds, and what joins them to the embedder.
_OTHER_MODES = re.compile(r"^(vision_encoder|audio_encoder|SigLiPFromPatches_0|embedder/(mm|audio)_)")


def is_weights(folder: Path) -> bool:
    """Whether the folder is, or directly holds, an Orbax checkpoint."""
    return _checkpoint(folder) is not None


def load_weights(folder: Path, architecture: Architecture | None = None, mesh: Mesh | None = None) -> Policy:
    """The policy of an official checkpoint.

    Args:
        folder: An Orbax checkpoint, or the folder that holds it.
        architecture: What it must be; without it, what its shapes say.
        mesh: The devices; None: the first one.

    Raises:
        ConfigError: The folder holds no checkpoint or no tokenizer.
        CheckpointMismatch: A leaf is missing, is too much, or has another shape than the architecture says.
    """
    place = _checkpoint(folder)
    if place is None:
        raise ConfigError(f"{folder}: no Orbax checkpoint in it (expected one of {', '.join(MARKS)})")
    path = tokenizer_file(folder, place)
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(), multiprocessing_options=single_host_options()) as checkpointer:
        found = checkpointer.metadata(place.absolute()).item_metadata
        if found is None:
            raise CheckpointMismatch(f"{place}: an Orbax checkpoint without a description of its leaves")
        stored = _text_part(getattr(found, "tree", found))
        shapes = nested(stored)
        architecture = architecture or infer_architecture(shapes, place)
        check_shapes(param_shapes(architecture), shapes, place)
        target = restore_targets(stored, mesh)
        how = ocp.args.PyTreeRestore(
            item=target, restore_args=ocp.checkpoint_utils.construct_restore_args(target), partial_restore=True
        )
        params = nested(checkpointer.restore(place.absolute(), args=how))
    return Policy(architecture=architecture, params=params, tokenizer=checked_tokenizer(path, architecture))


def _checkpoint(folder: Path) -> Path | None:
    """The Orbax checkpoint that a folder is or directly holds."""
    places = [folder, *sorted(child for child in folder.glob("*") if child.is_dir())]
    return next((place for place in places if any((place / mark).is_file() for mark in MARKS)), None)


def tokenizer_file(*folders: Path) -> Path:
    """The SentencePiece model in the first folder that has one, or above it.

    Raises:
        ConfigError: There is none.
    """
    for folder in (*folders, folders[0].absolute().parent):
        if found := sorted(folder.glob("*.model")):
            return found[0]
    raise ConfigError(f"{folders[0]}: no SentencePiece file (tokenizer.model) in it")


def checked_tokenizer(path: Path, architecture: Architecture) -> Tokenizer:
    """The tokenizer of a checkpoint, all of whose pieces the embedding has rows for.

    Raises:
        ConfigError: It is another model's.
    """
    tokenizer = Tokenizer(path=path, little_endian=architecture.little_endian)
    try:
        size = tokenizer.vocab_size
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{path}: not a SentencePiece model: {error}") from None
    if size > architecture.vocab_size:
        raise ConfigError(f"{path}: {size} pieces, but the embedding has {architecture.vocab_size} rows")
    return tokenizer


def _text_part(tree: Params, prefix: str = "") -> Params:
    """Shapes of the leaves that text needs, in the tree's own layout, to be restored in float32."""
    result: Params = {}
    for key, value in tree.items():
        name = f"{prefix}{key}".removeprefix("transformer/")
        if _OTHER_MODES.match(name):
            continue
        if isinstance(value, dict):
            result[key] = _text_part(value, f"{name}/")
        else:
            result[key] = jax.ShapeDtypeStruct(tuple(value.shape), jnp.float32)
    return result


def nested(tree: Params) -> Params:
    """A stored tree as `gm.nn` names it, of arrays or of shapes alike.

    A flat tree's keys are paths (`transformer/layer_0/attn/q_einsum`), each over a dictionary of leaves; its
    feed-forward leaves stand one level deeper (`mlp/linear` over `w`). A stacked one holds the layers of the i-th place
    of the attention pattern as one array over `transformer/stacked_layers/attention_type_i/...`.
    """
    leaves = {"/".join(str(entry.key) for entry in path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}
    if all(key.startswith("transformer/") for key in tree):
        leaves = {_gm_name(name): leaf for name, leaf in _unstacked(leaves).items()}
    result: Params = {}
    for name, leaf in leaves.items():
        *parents, last = name.split("/")
        node = result
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = leaf
    return result


def _gm_name(name: str) -> str:
    name = name.removeprefix("transformer/")
    return name.removesuffix("/w") if "/mlp/" in name else name


def _unstacked(leaves: dict[str, Any]) -> dict[str, Any]:
    period = 1 + max((int(found[1]) for name in leaves if (found := _STACK.search(name))), default=0)
    result: dict[str, Any] = {}
    for name, leaf in leaves.items():
        if found := _STACK.search(name):
            for i in range(leaf.shape[0]):
                layer = f"layer_{i * period + int(found[1])}"
                one = jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) if not isinstance(leaf, jax.Array) else leaf[i]
                result[name[: found.start()] + layer + name[found.end() :]] = one
        else:
            result[name] = leaf
    return result


def infer_architecture(shapes: Params, place: Path) -> Architecture:
    """What the shapes say: a known model where they are one's, else its family's usual settings.

    The family shows in the norms: Gemma 1 has none behind attention and feed-forward, Gemma 3 has them on queries and
    keys too. Models of one shape, as the base and the tuned one are, are told apart by the folder's name.

    Raises:
        CheckpointMismatch: It is no Gemma 1, 2 or 3.
    """
    try:
        layer, embedding = shapes["layer_0"], shapes["embedder"]["input_embedding"]
        attention, gates = layer["attn"], layer["mlp"]["gating_einsum"]
        heads, head_dim, embed_dim = attention["attn_vec_einsum"]["w"].shape
        kv_heads = attention["kv_einsum"]["w"].shape[1] if "kv_einsum" in attention else heads
        family = "gemma3" if "_query_norm" in attention else "gemma2" if "post_attention_norm" in layer else "gemma"
        transposed = gates.shape[2] == embed_dim
        hidden_dim = gates.shape[1] if transposed else gates.shape[2]
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise CheckpointMismatch(f"{place}: not a Gemma 1, 2 or 3 text model as its leaves go: {error!r}") from None
    told = {
        "vocab_size": embedding.shape[0],
        "embed_dim": embed_dim,
        "hidden_dim": hidden_dim,
        "num_layers": sum(name.startswith("layer_") for name in shapes),
        "num_heads": heads,
        "head_dim": head_dim,
        "num_kv_heads": kv_heads,
        "transposed_gating": transposed,
        "qk_norm": family == "gemma3",
        "post_norms": family != "gemma",
    }
    alike = [model for model in KNOWN.values() if told.items() <= dataclasses.asdict(model.architecture).items()]
    if alike:
        named = [model for model in alike if model.handle.rpartition("/")[2] == place.name]
        return (named or [model for model in alike if model.architecture.chat])[0].architecture
    return Architecture(**{**FAMILIES[family], **told, "little_endian": False})
