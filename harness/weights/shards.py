"""Named tensors as the `*.safetensors` files of a Hugging Face folder, no larger than a given size each.

Takes names and tensors one by one; gives the files, and of several their index. Holds the tensors of one file at a
time. Does not depend on policies or on what the names mean.
Source of the files' names and of the index: huggingface/transformers:src/transformers/modeling_utils.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from safetensors.flax import save_file

Dtype: TypeAlias = Literal["float32", "bfloat16"]
SHARD_BYTES = 5_000_000_000
_METADATA = {"format": "pt"}  # transformers requires it


def write_shards(tensors: Iterable[tuple[str, jax.Array]], folder: Path, dtype: Dtype, most: int) -> None:
    """Writes the tensors in files of at most `most` bytes; a tensor that is larger has a file of its own."""
    names: list[list[str]] = []  # of each file
    total = 0
    for shard in _shards(tensors, jnp.dtype(dtype), most):
        save_file(shard, _part(folder, len(names)), metadata=_METADATA)
        names.append([*shard])
        total += sum(leaf.nbytes for leaf in shard.values())
    if len(names) == 1:
        _part(folder, 0).rename(folder / "model.safetensors")
        return
    files: dict[str, str] = {}
    for number, held in enumerate(names):
        final = f"model-{number + 1:05}-of-{len(names):05}.safetensors"
        _part(folder, number).rename(folder / final)
        files |= dict.fromkeys(held, final)
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _part(folder: Path, number: int) -> Path:
    """The name of a file while the number of files is not known."""
    return folder / f"part-{number}"


def _shards(tensors: Iterable[tuple[str, jax.Array]], dtype: jnp.dtype, most: int) -> Iterator[dict[str, jax.Array]]:
    shard: dict[str, jax.Array] = {}
    size = 0
    for name, leaf in tensors:
        leaf = jnp.asarray(leaf, dtype)
        if shard and size + leaf.nbytes > most:
            yield shard
            shard, size = {}, 0
        shard[name] = leaf
        size += leaf.nbytes
    yield shard
