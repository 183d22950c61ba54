"""Official Gemma checkpoints -> a policy.

Takes a folder as Kaggle gives it (an Orbax checkpoint with `tokenizer.model` beside or above it) in one of the layouts
of `gm.ckpts`: nested, flat (the first releases) or stacked by attention type; gives model, parameters in float32 and
tokenizer as one value. Does not depend on where a folder came from, nor on Hugging Face's format (huggingface.py).

The layouts are read here and not by `gm.ckpts.load_params`, which needs TensorFlow (not installed with this project),
does not check the leaves, and keeps the stored bfloat16. Source of the names:
google-deepmind/gemma:gemma/gm/ckpts/_compat.py.
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
from restem.harness.model.policy import Params, Policy, param_shapes
from restem.harness.model.stored_params import check_shapes, restore_targets, tree_of
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.weights.registry import FAMILIES, KNOWN

MARKER_FILES = ("_METADATA", "_CHECKPOINT_METADATA")  # every Orbax checkpoint holds one of them
_STACK = re.compile(r"stacked_layers/attention_type_(\d+)")
# Parameters that text does not need: encoders of images and sounds, and their projections to the embedder.
_OTHER_MODALITIES = re.compile(r"^(vision_encoder|audio_encoder|SigLiPFromPatches_0|embedder/(mm|audio)_)")


def is_weights(folder: Path) -> bool:
    """Whether the folder is an Orbax checkpoint, or directly holds one."""
    return _checkpoint(folder) is not None


def load_weights(folder: Path, architecture: Architecture | None = None, mesh: Mesh | None = None) -> Policy:
    """The policy of an official checkpoint.

    Args:
        folder: An Orbax checkpoint, or the folder that holds it.
        architecture: The expected one; None: inferred from the shapes.
        mesh: The devices; None: the first one.

    Raises:
        ConfigError: The folder holds no checkpoint or no tokenizer.
        CheckpointMismatch: A leaf is missing, is too much, or has another shape than the architecture says.
    """
    checkpoint = _checkpoint(folder)
    if checkpoint is None:
        raise ConfigError(f"{folder}: no Orbax checkpoint in it (expected one of {', '.join(MARKER_FILES)})")
    path = tokenizer_file(folder, checkpoint)
    try:
        architecture, params = _restored(checkpoint, architecture, mesh)
    except Exception as error:
        # Orbax raises many kinds on damaged files, of which the commonest has no class of its own.
        if type(error) is not Exception and not isinstance(error, OSError | ValueError | KeyError | TypeError):
            raise
        reason = str(error).partition("\n")[0][:300]
        raise CheckpointMismatch(f"{checkpoint}: the parameters cannot be read: {reason}") from None
    return Policy(architecture=architecture, params=params, tokenizer=checked_tokenizer(path, architecture))


def _restored(checkpoint: Path, architecture: Architecture | None, mesh: Mesh | None) -> tuple[Architecture, Params]:
    """Architecture and parameters of an Orbax checkpoint."""
    with ocp.Checkpointer(
        ocp.PyTreeCheckpointHandler(), multiprocessing_options=_single_host_options()
    ) as checkpointer:
        metadata = checkpointer.metadata(checkpoint.absolute()).item_metadata
        if metadata is None:
            raise CheckpointMismatch(f"{checkpoint}: an Orbax checkpoint without a description of its leaves")
        stored = _text_part(getattr(metadata, "tree", metadata))
        shapes = nested(stored)
        architecture = architecture or infer_architecture(shapes, checkpoint)
        check_shapes(param_shapes(architecture), shapes, checkpoint)
        targets = restore_targets(stored, mesh)
        arguments = ocp.args.PyTreeRestore(
            item=targets, restore_args=ocp.checkpoint_utils.construct_restore_args(targets), partial_restore=True
        )
        return architecture, nested(checkpointer.restore(checkpoint.absolute(), args=arguments))


def _single_host_options() -> ocp.options.MultiprocessingOptions:
    """Options with which Orbax waits for no other host: each host reads by itself."""
    host = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=host, active_processes={host}, barrier_sync_key_prefix=f"host_{host}"
    )


def _checkpoint(folder: Path) -> Path | None:
    """The Orbax checkpoint that a folder is or directly holds; None where there is none."""
    folders = [folder, *sorted(child for child in folder.glob("*") if child.is_dir())]
    return next((path for path in folders if any((path / name).is_file() for name in MARKER_FILES)), None)


def tokenizer_file(*folders: Path) -> Path:
    """The SentencePiece model in the first folder that has one, or beside the first folder.

    Raises:
        ConfigError: There is none.
    """
    for folder in (*folders, folders[0].absolute().parent):
        if files := sorted(folder.glob("*.model")):
            return files[0]
    raise ConfigError(f"{folders[0]}: no SentencePiece file (tokenizer.model) in it")


def checked_tokenizer(path: Path, architecture: Architecture) -> Tokenizer:
    """The tokenizer of a checkpoint; its pieces have rows in the embedding.

    Raises:
        ConfigError: The file is no SentencePiece model, or belongs to another model.
    """
    tokenizer = Tokenizer(path=path, little_endian=architecture.little_endian)
    size = tokenizer.vocab_size
    if size > architecture.vocab_size:
        raise ConfigError(f"{path}: {size} pieces, but the embedding has {architecture.vocab_size} rows")
    return tokenizer


def _text_part(tree: Params, prefix: str = "") -> Params:
    """Shapes of the leaves that text needs, in the layout of the given tree; types are float32, to restore to."""
    result: Params = {}
    for key, value in tree.items():
        name = f"{prefix}{key}".removeprefix("transformer/")
        if _OTHER_MODALITIES.match(name):
            continue
        if isinstance(value, dict):
            result[key] = _text_part(value, f"{name}/")
        else:
            result[key] = jax.ShapeDtypeStruct(tuple(value.shape), jnp.float32)
    return result


def nested(tree: Params) -> Params:
    """A stored tree of arrays or shapes in the nested layout of `gm.nn`.

    A flat tree has paths as keys (`transformer/layer_0/attn/q_einsum`), each with a dictionary of leaves; feed-forward
    leaves are one level deeper (`mlp/linear` with `w`). A stacked tree holds the layers at the i-th position of the
    attention pattern as one array, in `transformer/stacked_layers/attention_type_i/...`.
    """
    leaves = {"/".join(str(entry.key) for entry in path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}
    if all(key.startswith("transformer/") for key in tree):
        leaves = {_gm_name(name): leaf for name, leaf in _unstacked(leaves).items()}
    return tree_of({tuple(name.split("/")): leaf for name, leaf in leaves.items()})


def _gm_name(name: str) -> str:
    name = name.removeprefix("transformer/")
    return name.removesuffix("/w") if "/mlp/" in name else name


def _unstacked(leaves: dict[str, Any]) -> dict[str, Any]:
    """Leaves by path, with stacked layers taken apart."""
    matches = {name: _STACK.search(name) for name in leaves}
    period = 1 + max((int(match[1]) for match in matches.values() if match), default=0)
    result: dict[str, Any] = {}
    for name, leaf in leaves.items():
        match = matches[name]
        if match is None:
            result[name] = leaf
            continue
        for i in range(leaf.shape[0]):
            layer = f"layer_{i * period + int(match[1])}"
            part = leaf[i] if isinstance(leaf, jax.Array) else jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
            result[name[: match.start()] + layer + name[match.end() :]] = part
    return result


def infer_architecture(shapes: Params, checkpoint: Path) -> Architecture:
    """The architecture with these shapes: that of a known model if one has them, else the usual settings of the family.

    Norms identify the family: Gemma 1 has none after attention and feed-forward, Gemma 3 has them on queries and keys
    too. Known models of the same shape, such as a base model and its tuned one, are distinguished by the folder's name.

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
        raise CheckpointMismatch(f"{checkpoint}: not the leaves of a Gemma 1, 2 or 3 text model: {error!r}") from None
    settings = {
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
    alike = [model for model in KNOWN.values() if settings.items() <= dataclasses.asdict(model.architecture).items()]
    if alike:
        same_name = [model for model in alike if model.handle.rpartition("/")[2] == checkpoint.name]
        return (same_name or [model for model in alike if model.architecture.chat])[0].architecture
    return Architecture(**{**FAMILIES[family], **settings})
