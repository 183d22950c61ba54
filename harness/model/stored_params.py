"""Parameters on disk: `params/` of a policy folder, which Orbax can read too (`gm.ckpts`, other tools).

Takes a tree of arrays, or the shapes that an architecture has; gives files, or the arrays on their devices. Does not
depend on policies. Each leaf is a zarr array, named by its path, in one OCDBT key-value store; two JSON files tell
Orbax so (google/orbax:checkpoint/orbax/checkpoint/_src/metadata/tree.py).

tensorstore, with which Orbax writes and reads, is used here without it: where a file is damaged or the disk is full,
Orbax fails in several threads at once, and each prints a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tensorstore as ts
from jax.sharding import Mesh, Sharding

from restem.harness.errors import CheckpointMismatch
from restem.harness.model.mesh import make_mesh, shardings_of

Params = dict[str, Any]  # a tree: names -> arrays or further dictionaries
FOLDER = "params"
MARKER = "commit_success.txt"
_HANDLER = "orbax.checkpoint._src.handlers.standard_checkpoint_handler.StandardCheckpointHandler"
_CHUNK_BYTES = 64 * 2**20
_CACHE_BYTES = 100_000_000  # of the key-value store's index, read once for all leaves


def write_params(params: Params, folder: Path) -> None:
    """Writes `params/` into a policy folder; raises what tensorstore raises (ValueError) and OSError."""
    path = folder / FOLDER
    path.mkdir()
    kvstore, context = _kvstore(path)
    leaves = [([key.key for key in keys], np.asarray(leaf)) for keys, leaf in jax.tree.leaves_with_path(params)]
    created: list[Any] = []
    for keys, array in leaves:
        spec = _array(kvstore, ".".join(keys))
        spec["metadata"] = {"chunks": _chunks(array), "compressor": {"id": "zstd", "level": 1}}
        created.append(ts.open(spec, context=context, create=True, dtype=array.dtype, shape=array.shape))
    stored = _results(created)
    _results(
        [
            each.write(array, can_reference_source_data_indefinitely=True)
            for each, (_, array) in zip(stored, leaves, strict=True)
        ]
    )
    tree = {str(tuple(keys)): _described(keys) for keys, _ in leaves}
    settings = {"use_ocdbt": True, "use_zarr3": False, "store_array_data_equal_to_fill_value": True}
    (path / "_METADATA").write_text(json.dumps({"tree_metadata": tree, **settings}))
    (path / "_CHECKPOINT_METADATA").write_text(json.dumps({"item_handlers": _HANDLER, "custom_metadata": {}}))
    (path / MARKER).write_text("")


def _results(futures: Sequence[Any]) -> list[Any]:
    """The results of all, or the first error once none of them works on in a folder that may be removed then."""
    for error in [future.exception() for future in futures]:
        if error is not None:
            raise error
    return [future.result() for future in futures]


def _chunks(array: np.ndarray[Any, Any]) -> list[int]:
    """The shape of the parts that are compressed one by one: whole rows of the first axis, of a limited size."""
    if not array.ndim:
        return []
    rows = max(1, _CHUNK_BYTES * array.shape[0] // max(1, array.nbytes))
    return [min(rows, array.shape[0]), *array.shape[1:]]


def _described(keys: list[str]) -> dict[str, Any]:
    names = [{"key": key, "key_type": 2} for key in keys]  # 2: a dictionary's key
    return {"key_metadata": names, "value_metadata": {"value_type": "np.ndarray", "skip_deserialize": False}}


def is_ours(folder: Path) -> bool:
    """Whether `write_params` wrote parameters into a folder."""
    marker = folder / FOLDER / MARKER
    return marker.is_file() and not marker.stat().st_size


def read_params(folder: Path, expected: Params, mesh: Mesh | None = None) -> Params:
    """The parameters of a policy folder; each device reads its part. The caller compares their hash.

    Args:
        folder: The policy folder.
        expected: The shape and type of every leaf.
        mesh: The devices; None: the first one.

    Raises:
        CheckpointMismatch: A leaf has another shape or type than expected, or a file cannot be read.
    """
    try:
        kvstore, context = _kvstore(folder / FOLDER)
        keys = ts.KvStore.open(kvstore, context=context).result().list().result()
        names = sorted({key.decode().rpartition("/")[0] for key in keys})
        opened = {name: ts.open(_array(kvstore, name), context=context, open=True, read=True) for name in names}
        stored = tree_of({tuple(name.split(".")): array.result() for name, array in opened.items()})
        check_shapes(expected, stored, folder)
        targets = restore_targets(expected, mesh)
        return jax.tree.map(lambda target, array: _read(target, array, folder), targets, stored)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:300]
        raise CheckpointMismatch(f"{folder}: the parameters cannot be read: {reason}") from None


def _kvstore(path: Path) -> tuple[dict[str, Any], ts.Context]:
    str(path.absolute()).encode()  # a ValueError where it is not UTF-8; tensorstore's error is a RuntimeError
    base = {"driver": "file", "path": f"{path.absolute()}/"}
    return {"driver": "ocdbt", "base": base}, ts.Context({"cache_pool": {"total_bytes_limit": _CACHE_BYTES}})


def _array(kvstore: dict[str, Any], name: str) -> dict[str, Any]:
    place = {**kvstore, "path": f"{name}/"}
    return {"driver": "zarr", "kvstore": place, "fill_missing_data_reads": False}


def tree_of(leaves: Mapping[tuple[str, ...], Any]) -> Params:
    """The tree whose leaves have these paths."""
    result: Params = {}
    for (*parents, last), leaf in leaves.items():
        node = result
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return result


def _read(target: jax.ShapeDtypeStruct, array: ts.TensorStore, folder: Path) -> jax.Array:
    if array.dtype.numpy_dtype != target.dtype:
        raise CheckpointMismatch(f"{folder}: a leaf is {array.dtype.numpy_dtype} on disk, expected {target.dtype}")
    parts: dict[str, np.ndarray[Any, Any]] = {}  # read once for all devices that hold the same part

    def part(index: tuple[slice, ...] | None) -> np.ndarray[Any, Any]:
        key = str(index)
        if key not in parts:
            parts[key] = np.asarray(array[index].read().result())
        return parts[key]

    assert isinstance(target.sharding, Sharding)
    return jax.make_array_from_callback(target.shape, target.sharding, part)


def restore_targets(shapes: Params, mesh: Mesh | None = None) -> Params:
    """Shapes with the shardings to read parameters to: those of sampling on the mesh; None: on the first device."""
    mesh = mesh or make_mesh()
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        shapes,
        shardings_of(mesh, shapes, over_data=False),
    )


def check_shapes(expected: Params, stored: Params, folder: Path) -> None:
    """Checks that the stored leaves are those that the architecture has, in their shapes.

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
