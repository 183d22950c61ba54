"""The devices as one mesh: `data`, along which rows lie side by side, times `model`, along which a matrix is split.

Takes numbers of devices and arrays; gives meshes, shardings and arrays laid out by them. Knows nothing of what the
arrays mean, nor of what hosts say to each other (hosts.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from restem.harness.errors import ConfigError

DATA, MODEL = "data", "model"
MOST_CPU_DEVICES = 8
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
SPLIT_FROM = (
    2**20
)  # numbers in a leaf: a smaller one is repeated along `data`, as gathering it costs more than it saves


class Meshes(NamedTuple):
    """The devices of this host, on which it samples by itself, and those of all hosts, which train together.

    With one host they are the same. Along `data` the devices of all hosts lie host by host.
    """

    local: Mesh
    whole: Mesh


def want_cpu_devices(number: int = 0) -> None:
    """Asks JAX for so many CPU devices; in vain once it has begun, and nothing to a machine with other devices.

    0: one for each core, as two that work by themselves do more than one with two threads; but no more than there are
    micro-batches of a tiny policy to share out.
    """
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", number or min(os.cpu_count() or 1, MOST_CPU_DEVICES))


def keep_memory() -> None:
    """Has the C library keep the memory that is freed, where JAX computes on CPUs under Linux.

    XLA asks for a step's scratch memory anew each time; in fresh pages a training step of a tiny policy took 1.3 times
    as long.
    """
    if jax.default_backend() == "cpu" and sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # not every Linux has glibc
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, 2**30)
            library.mallopt(M_TRIM_THRESHOLD, 2**30)


def make_mesh(data: int = 1, model: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh of the first `data x model` devices of this host.

    Raises:
        ConfigError: There are not so many.
    """
    devices = jax.local_devices() if devices is None else devices
    if data * model > len(devices):
        raise ConfigError(
            f"mesh: data = {data} times model = {model} needs {data * model} devices; found {len(devices)}"
        )
    return _mesh(np.array(devices[: data * model]).reshape(data, model))


def make_meshes(data: int, model: int) -> Meshes:
    """The meshes of a suite's `[mesh]`; `data` counts devices of all hosts, and 0 takes as many as there are.

    Raises:
        ConfigError: A host has too few devices, or `data` is not the same on each.
    """
    hosts = jax.process_count()
    by_host = [[device for device in jax.devices() if device.process_index == host] for host in range(hosts)]
    if data == 0:
        data = hosts * max(1, min(map(len, by_host)) // model)
    if data % hosts:
        raise ConfigError(f"mesh: data = {data} cannot be shared out evenly among {hosts} hosts")
    each = [make_mesh(data // hosts, model, devices) for devices in by_host]
    return Meshes(each[jax.process_index()], _mesh(np.concatenate([mesh.devices for mesh in each])))


def _mesh(grid: np.ndarray) -> Mesh:
    return Mesh(grid, (DATA, MODEL), axis_types=(AxisType.Auto, AxisType.Auto))


def rows_of(mesh: Mesh) -> list[Mesh]:
    """Each row of devices along `data` as a mesh of its own."""
    return [_mesh(mesh.devices[row : row + 1]) for row in range(mesh.shape[DATA])]


def split(mesh: Mesh, shapes: Any, *, over_data: bool) -> Any:
    """A sharding for every leaf: its longest fitting axis over `model`, the longest other one over `data`.

    Args:
        mesh: The devices.
        shapes: A tree of arrays or of their shapes.
        over_data: Whether to use `data` as well (training: each device holds a part of every large leaf, and gathers
            what it needs) or to repeat every leaf along it (sampling: each row of devices has the whole model).
    """

    def of(leaf: Any) -> NamedSharding:
        spec: list[str | None] = [None] * len(leaf.shape)
        for axis in (MODEL, DATA) if over_data and math.prod(leaf.shape) >= SPLIT_FROM else (MODEL,):
            size = mesh.shape[axis]
            fitting = [i for i, n in enumerate(leaf.shape) if spec[i] is None and n % size == 0]
            if size > 1 and fitting:
                spec[max(fitting, key=lambda i: leaf.shape[i])] = axis
        while spec and spec[-1] is None:  # as XLA writes it: another spelling would be compiled for again
            spec.pop()
        return NamedSharding(mesh, P(*spec))

    return jax.tree.map(of, shapes)


def spread(tree: Any, shardings: Any) -> Any:
    """The arrays laid out by the shardings; each host has the same tree and puts its own devices' parts in place."""

    def put(leaf: Any, sharding: NamedSharding) -> jax.Array:
        if sharding.is_fully_addressable or _on_all_hosts(leaf):
            return jax.device_put(leaf, sharding)
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    return jax.tree.map(put, tree, shardings)


def brought_home(tree: Any, mesh: Mesh) -> Any:
    """Arrays that may lie on all hosts' devices, as this host's mesh holds them for sampling."""

    def bring(leaf: Any, sharding: NamedSharding) -> jax.Array:
        if _on_all_hosts(leaf):
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        return jax.device_put(leaf, sharding)

    return jax.tree.map(bring, tree, split(mesh, tree, over_data=False))


def _on_all_hosts(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable
