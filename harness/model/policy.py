"""A policy: a `gm.nn` model, its parameters and its tokenizer as one value; and how it is stored.

A policy folder holds `policy.json` (architecture and tokenizer settings), `tokenizer.model` and `params/` (Orbax, the
nested layout of `gm.ckpts`). Every checkpoint a run writes is such a folder, and so are the embedded tiny ones.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.model.gemma import config as gemma_config
from restem.harness.model.gemma import nn
from restem.harness.model.mesh import make_mesh, split
from restem.harness.model.tokenizer import Tokenizer

Params = dict[str, Any]
ASSETS = Path(__file__).parents[1] / "assets"
EMBEDDED = {"tiny": "tiny", "tiny-judge": "judge"}  # name -> folder in ASSETS
_KINDS = {"L": nn.AttentionType.LOCAL_SLIDING, "G": nn.AttentionType.GLOBAL}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a text-only Gemma network: what tells the configs of `gm.nn` apart, from the tiny one to 27B.

    Attributes:
        context_length: Prompt and response tokens together; `gm.nn` has no limit of its own.
        little_endian: See `Tokenizer`.
        attention: The layers' kinds, `L` for a sliding window and `G` for global, repeated over all layers.
        post_norms: Whether attention and feed-forward are normalised once more behind, as from Gemma 2 on.
        scale_by_embed: Queries are scaled by 1/sqrt(embed_dim / num_heads) and not by 1/sqrt(head_dim): the 27B models.
        transposed_gating: How `gm.nn` stores the gates' matrix; says nothing of the function.
        chat: Whether the model was tuned on turns; a base model is shown examples instead (`Tokenizer.few_shot`).
        network: A class of `gm.nn` that is taken whole, for Gemma 3n and 4, whose layers the other fields cannot say.
    """

    vocab_size: int
    embed_dim: int = 128
    hidden_dim: int = 512
    num_layers: int = 4
    num_heads: int = 4
    head_dim: int = 32
    num_kv_heads: int = 1
    context_length: int = 256
    little_endian: bool = True
    attention: str = "G"
    sliding_window: int | None = None
    post_norms: bool = False
    qk_norm: bool = True
    final_softcap: float | None = None
    attention_softcap: float | None = None
    scale_by_embed: bool = False
    transposed_gating: bool = False
    local_rope_base: int = 10_000
    global_rope_base: int = 10_000
    global_rope_scale: float = 1.0
    chat: bool = True
    network: str | None = None

    @property
    def layers(self) -> str:
        """The kind of every layer, `L` or `G`."""
        return (self.attention * self.num_layers)[: self.num_layers]

    def model(self) -> nn.Transformer:
        """The `gm.nn.Transformer` of this shape, in float32: bfloat16 rounds the M-step's small updates to nothing."""
        if self.network is not None:
            return getattr(nn, self.network)(text_only=True, dtype=jnp.float32)
        scale = gemma_config.QueryPreAttentionNormalisation
        return nn.Transformer(
            config=gemma_config.TransformerConfig(
                num_embed=self.vocab_size,
                embed_dim=self.embed_dim,
                hidden_dim=self.hidden_dim,
                num_heads=self.num_heads,
                head_dim=self.head_dim,
                num_kv_heads=self.num_kv_heads,
                final_logit_softcap=self.final_softcap,
                use_post_attn_norm=self.post_norms,
                use_post_ffw_norm=self.post_norms,
                use_qk_norm=self.qk_norm,
                attention_types=tuple(_KINDS[kind] for kind in self.layers),
                query_pre_attn_norm=scale.BY_ONE_OVER_SQRT_EMBED_DIM_DIV_NUM_HEADS
                if self.scale_by_embed
                else scale.BY_ONE_OVER_SQRT_HEAD_DIM,
                attn_logits_soft_cap=self.attention_softcap,
                sliding_window_size=self.sliding_window,
                transpose_gating_einsum=self.transposed_gating,
                local_base_frequency=self.local_rope_base,
                global_base_frequency=self.global_rope_base,
                global_scale_factor=self.global_rope_scale,
            ),
            dtype=jnp.float32,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
    """What is trained and sampled. Replacing `params` gives another checkpoint of the same policy."""

    architecture: Architecture
    params: Params
    tokenizer: Tokenizer

    @property
    def model(self) -> nn.Transformer:
        return self.architecture.model()


def param_shapes(architecture: Architecture) -> Params:
    """The shape and type of every leaf; nothing is computed."""
    tokens = jnp.ones((1, 2), jnp.int32)
    with jax.numpy_dtype_promotion("standard"):  # see gemma_modules.forward
        return jax.eval_shape(lambda: architecture.model().init(jax.random.key(0), tokens)["params"])


def init_params(architecture: Architecture, key: jax.Array) -> Params:
    """Fresh parameters: matrices at 1/sqrt(fan in), embeddings at 1/sqrt(embed_dim), norm scales at zero.

    `gm.nn`'s own initialisation (standard deviation 0.01) is far too small for narrow models: signals die out.
    """
    leaves, tree = jax.tree.flatten_with_path(param_shapes(architecture))
    keys = jax.random.split(key, len(leaves))

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct, key: jax.Array) -> jax.Array:
        name = jax.tree_util.keystr(path)
        if "scale" in name:
            return jnp.zeros(leaf.shape, leaf.dtype)
        if "input_embedding" in name:
            fan_in = leaf.shape[-1]
        elif "attn_vec_einsum" in name:
            fan_in = leaf.shape[0] * leaf.shape[1]
        else:
            fan_in = leaf.shape[-2]
        return jax.random.normal(key, leaf.shape, leaf.dtype) / np.sqrt(fan_in)

    return jax.tree.unflatten(tree, [draw(path, leaf, k) for (path, leaf), k in zip(leaves, keys, strict=True)])


def params_hash(params: Params) -> str:
    """SHA-256 over names, shapes and bytes of every leaf: equal exactly when the parameters are equal."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_policy(policy: Policy, folder: Path) -> str:
    """Writes a policy folder, whole or not at all; gives the hash of its parameters."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    digest = params_hash(policy.params)
    settings: dict[str, Any] = {"architecture": dataclasses.asdict(policy.architecture), "params_sha256": digest}
    if policy.tokenizer.few_shot is not None:
        settings["few_shot"] = policy.tokenizer.few_shot
    (partial / "policy.json").write_text(json.dumps(settings, indent=1) + "\n")
    shutil.copyfile(policy.tokenizer.path, partial / "tokenizer.model")
    with ocp.StandardCheckpointer(multiprocessing_options=by_itself()) as checkpointer:
        # As NumPy's: with several hosts, Orbax refuses arrays of one host's devices.
        checkpointer.save((partial / "params").absolute(), jax.device_get(policy.params))
        checkpointer.wait_until_finished()
    # Orbax writes the folder's absolute path into this file; that it exists is what counts.
    (partial / "params" / "commit_success.txt").write_text("")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return digest


def load_policy(folder: Path, mesh: Mesh | None = None) -> Policy:
    """Reads a policy folder, each device its part of the parameters.

    Args:
        folder: What `save_policy` wrote.
        mesh: The devices; None: the first one.

    Raises:
        ConfigError: The folder is not a policy folder.
        CheckpointMismatch: A leaf has another shape than the architecture says, or the bytes changed since saving.
    """
    architecture, digest, few_shot = _read_settings(folder)
    if not (folder / "params").is_dir():
        raise ConfigError(f"{folder}: not a policy folder: no params/")
    expected = param_shapes(architecture)
    with ocp.StandardCheckpointer(multiprocessing_options=by_itself()) as checkpointer:
        stored = checkpointer.metadata((folder / "params").absolute()).item_metadata
        check_shapes(expected, getattr(stored, "tree", stored), folder)
        params = checkpointer.restore((folder / "params").absolute(), placed(expected, mesh))
    if params_hash(params) != digest:
        raise CheckpointMismatch(f"{folder}: parameters changed since they were saved (SHA-256 differs)")
    tokenizer = Tokenizer(
        path=folder / "tokenizer.model",
        little_endian=architecture.little_endian,
        few_shot=few_shot,
    )
    return Policy(architecture=architecture, params=params, tokenizer=tokenizer)


def load_architecture(folder: Path) -> Architecture:
    """The architecture of a policy folder, without its parameters.

    Raises:
        ConfigError: The folder is not a policy folder.
    """
    return _read_settings(folder)[0]


def _read_settings(folder: Path) -> tuple[Architecture, str, str | None]:
    """Architecture, hash of the parameters and few-shot prompt."""
    try:
        settings = json.loads((folder / "policy.json").read_text())
        return Architecture(**settings["architecture"]), settings["params_sha256"], settings.get("few_shot")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{folder}: not a policy folder: policy.json: {error}") from None


def placed(shapes: Params, mesh: Mesh | None = None) -> Params:
    """Shapes that Orbax restores to arrays on the mesh, as sampling needs them; None: on the first device."""
    mesh = mesh or make_mesh()
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        shapes,
        split(mesh, shapes, over_data=False),
    )


def by_itself() -> ocp.options.MultiprocessingOptions:
    """Orbax waits for no other host: each reads for itself, and one alone writes."""
    host = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=host, active_processes={host}, barrier_sync_key_prefix=f"host_{host}"
    )


def check_shapes(expected: Params, stored: Params, folder: Path) -> None:
    """Every leaf that the architecture has is stored in its shape, and no other leaf is.

    Raises:
        CheckpointMismatch: Naming the first leaf that differs, the shape expected and the shape found.
    """

    def shapes(tree: Params) -> dict[str, tuple[int, ...]]:
        return {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in jax.tree.leaves_with_path(tree)}

    want, have = shapes(expected), shapes(stored)
    for name in sorted(want.keys() | have.keys()):
        if want.get(name) != have.get(name):
            raise CheckpointMismatch(
                f"{folder}: leaf {name}: expected {_shape(want.get(name))}, found {have.get(name, 'none')} on disk"
            )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no such leaf" if shape is None else f"shape {shape}"
