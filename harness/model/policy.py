"""A policy: architecture, parameters and tokenizer as one value; and how it is stored.

Takes an architecture or a policy folder; gives a `Policy`, hashes of parameters and policy folders. Does not depend on
the formats of other tools (weights/).

A policy folder holds `policy.json` (architecture, prompt, hashes), `tokenizer.model` and `params/` (Orbax's format,
the nested layout of `gm.ckpts`). Every checkpoint that a run writes is such a folder, and so are the embedded policies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from restem.harness.errors import CheckpointMismatch, ConfigError, SaveFailed
from restem.harness.model.architecture import SETTINGS_FILE, Architecture, read_settings
from restem.harness.model.gemma import nn
from restem.harness.model.stored_params import FOLDER, Params, read_params, write_params
from restem.harness.model.tokenizer import Tokenizer

TOKENIZER_FILE = "tokenizer.model"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
    """What is trained and sampled. Replacing `params` gives another checkpoint of the same policy."""

    architecture: Architecture
    params: Params
    tokenizer: Tokenizer

    @property
    def model(self) -> nn.Transformer:
        """The network."""
        return self.architecture.model()

    @cached_property
    def params_sha256(self) -> str:
        """The parameters' hash; of a large policy it takes a while, so it is computed once."""
        return params_hash(self.params)

    @property
    def sha256(self) -> str:
        """The hash of all that samples come from: parameters, architecture, prompt and vocabulary."""
        return policy_hash(self)

    @property
    def context_length(self) -> int:
        """Tokens of prompt and response together."""
        return self.architecture.context_length

    @property
    def chat(self) -> bool:
        """Whether it was tuned on turns."""
        return self.architecture.chat

    def with_prompt(self, few_shot: str | None, instruction: str | None) -> Policy:
        """The policy that is asked in this way, see `Tokenizer`."""
        tokenizer = dataclasses.replace(self.tokenizer, few_shot=few_shot, instruction=instruction)
        return dataclasses.replace(self, tokenizer=tokenizer)


def param_shapes(architecture: Architecture) -> Params:
    """The shape and type of every leaf, without computing any."""
    tokens = jnp.ones((1, 2), jnp.int32)
    with jax.numpy_dtype_promotion("standard"):  # see gemma.forward
        return jax.eval_shape(lambda: architecture.model().init(jax.random.key(0), tokens)["params"])


def init_params(architecture: Architecture, key: jax.Array) -> Params:
    """Fresh parameters: matrices at 1/sqrt(fan in), embeddings at 1/sqrt(embed_dim), norm scales at zero.

    `gm.nn` initialises with standard deviation 0.01, with which the signals of narrow models vanish.
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
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # no copy of the bytes is made
    return digest.hexdigest()


def policy_hash(policy: Policy, params_sha256: str | None = None) -> str:
    """SHA-256 over all that samples come from: parameters, architecture, prompt and vocabulary.

    Args:
        policy: The policy.
        params_sha256: The hash of other parameters, for the policy that has these instead of its own.
    """
    return _hash(policy.architecture, params_sha256 or policy.params_sha256, policy.tokenizer)


def _hash(architecture: Architecture, params_sha256: str, tokenizer: Tokenizer) -> str:
    # What has its default is left out, so that a later version's new field leaves the hashes of older policies as they
    # are. So a default must not change.
    shape = {
        field.name: value
        for field in dataclasses.fields(architecture)
        if (value := getattr(architecture, field.name)) != field.default
    }
    vocabulary = hashlib.sha256(tokenizer.model_bytes).hexdigest()
    content = {"architecture": shape, "params": params_sha256, "vocabulary": vocabulary, **_prompt(tokenizer)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _prompt(tokenizer: Tokenizer) -> dict[str, str]:
    prompt = {"few_shot": tokenizer.few_shot, "instruction": tokenizer.instruction}
    return {name: text for name, text in prompt.items() if text is not None}


def save_policy(policy: Policy, folder: Path) -> str:
    """Writes a policy folder atomically; gives the policy's hash.

    Raises:
        SaveFailed: It could not be written; what the folder held before stays.
    """
    partial = folder.with_name(folder.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        _write(policy, partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except (OSError, ValueError) as error:  # ValueError: of tensorstore
        shutil.rmtree(partial, ignore_errors=True)  # it may fill the disk
        reason = str(error).partition("\n")[0]
        if len(reason) > 200:  # of tensorstore, whose reason stands at the end
            reason = f"[...] {reason[-120:]}"
        remedy = "make room or give another folder; the same command goes on from the rows that are stored"
        raise SaveFailed(f"{folder}: the policy could not be saved: {reason}: {remedy}") from error
    return policy_hash(policy)


def _write(policy: Policy, folder: Path) -> None:
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(policy_hash, policy)  # of a large policy it takes as long as writing it
        write_params(policy.params, folder)
    settings = {
        "architecture": dataclasses.asdict(policy.architecture),
        "params_sha256": policy.params_sha256,
        "policy_sha256": hashed.result(),
        **_prompt(policy.tokenizer),
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
    (folder / TOKENIZER_FILE).write_bytes(policy.tokenizer.model_bytes)


def load_policy(folder: Path, mesh: Mesh | None = None) -> Policy:
    """The policy of a policy folder; each device reads its part of the parameters.

    Args:
        folder: What `save_policy` wrote.
        mesh: The devices; None: the first one.

    Raises:
        ConfigError: The folder is not a policy folder, or a file of it cannot be read.
        CheckpointMismatch: A leaf has another shape than the architecture says, or something changed since saving.
    """
    settings = read_settings(folder)
    architecture = settings.architecture
    tokenizer = Tokenizer(
        path=folder / TOKENIZER_FILE,
        little_endian=architecture.little_endian,
        few_shot=settings.few_shot,
        instruction=settings.instruction,
    )
    # Before a network is built, whose shape a changed file may make absurd. Folders of earlier versions have no hash.
    if settings.policy_sha256 not in (None, _hash(architecture, settings.params_sha256, tokenizer)):
        changed = f"{SETTINGS_FILE} or {TOKENIZER_FILE} changed since they were saved (SHA-256 differs)"
        raise CheckpointMismatch(f"{folder}: {changed}")
    if tokenizer.vocab_size > architecture.vocab_size:
        rows = f"the embedding has {architecture.vocab_size} rows"
        raise CheckpointMismatch(f"{tokenizer.path}: {tokenizer.vocab_size} pieces, but {rows}")
    policy = Policy(architecture=architecture, params=load_params(folder, architecture, mesh), tokenizer=tokenizer)
    if policy.params_sha256 != settings.params_sha256:
        raise CheckpointMismatch(f"{folder}: parameters changed since they were saved (SHA-256 differs)")
    return policy


def load_params(folder: Path, architecture: Architecture, mesh: Mesh | None = None) -> Params:
    """The parameters of a policy folder, whose hash the caller checks.

    Raises:
        ConfigError: The folder has none.
        CheckpointMismatch: A leaf has another shape than the architecture says, or a file cannot be read.
    """
    if not (folder / FOLDER).is_dir():
        raise ConfigError(f"{folder}: not a policy folder: no {FOLDER}/")
    return read_params(folder, param_shapes(architecture), mesh)
