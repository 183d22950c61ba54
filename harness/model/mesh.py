"""The devices as a mesh with two axes: `data` (data parallelism) and `model` (tensor parallelism).

Takes numbers of devices and trees of arrays; gives meshes, shardings and arrays placed by them. Does not depend on what
the arrays mean, nor on the messages between hosts (distributed/).
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
MAX_CPU_DEVICES = 8  # by default
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
# Leaves with fewer elements are replicated, not sharded: all-gathering them would cost more than it saves.
MIN_SHARDED_SIZE = 2**20


class Meshes(NamedTuple):
    """The devices of this host, which samples by itself, and those of all hosts, which train together.

    With one host both are the same. Along `data` of `whole`, the devices of a host are contiguous.
    """

    local: Mesh
    whole: Mesh


def want_cpu_devices(number: int = 0) -> None:
    """Asks JAX for this many CPU devices; without effect once JAX has started, or on other devices than CPUs.

    0 asks for one device a core, at most MAX_CPU_DEVICES: devices that work independently do more than one device with
    several threads, and the tiny policy's batches have too few micro-batches for more of them.
    """
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", number or min(os.cpu_count() or 1, MAX_CPU_DEVICES))


def keep_freed_memory() -> None:
    """Makes the C library keep freed memory, where JAX computes on CPUs under Linux.

    XLA allocates a step's scratch memory anew each time. With memory fresh from the kernel, a training step of the tiny
    policy took 1.3 times as long.
    """
    if jax.default_backend() == "cpu" and sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # a C library other than glibc
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, 2**30)
            library.mallopt(M_TRIM_THRESHOLD, 2**30)


def make_mesh(data: int = 1, model: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh of the first `data x model` of these devices; None: of this host's.

    Raises:
        ConfigError: There are too few.
    """
    devices = jax.local_devices() if devices is None else devices
    if data * model > len(devices):
        raise ConfigError(
            f"mesh: data = {data} times model = {model} needs {data * model} devices; found {len(devices)}"
        )
    return _mesh(np.array(devices[: data * model]).reshape(data, model))


def make_meshes(data: int, model: int) -> Meshes:
    """The meshes of a suite's `[mesh]`.

    Args:
        data: Devices along `data` on all hosts together; 0: as many as there are.
        model: Devices along `model`.

    Raises:
        ConfigError: A host has too few devices, or `data` is no multiple of the number of hosts.
    """
    hosts = jax.process_count()
    by_host = [[device for device in jax.devices() if device.process_index == host] for host in range(hosts)]
    if data == 0:
        data = hosts * max(1, min(map(len, by_host)) // model)
    if data % hosts:
        raise ConfigError(f"mesh: data = {data} cannot be shared out evenly among {hosts} hosts")
    meshes = [make_mesh(data // hosts, model, devices) for devices in by_host]
    return Meshes(meshes[jax.process_index()], _mesh(np.concatenate([mesh.devices for mesh in meshes])))


def _mesh(grid: np.ndarray) -> Mesh:
    return Mesh(grid, (DATA, MODEL), axis_types=(AxisType.Auto, AxisType.Auto))


def replica_meshes(mesh: Mesh) -> list[Mesh]:
    """A mesh for each index along `data`: the devices that hold one replica of the model in sampling."""
    return [_mesh(mesh.devices[index : index + 1]) for index in range(mesh.shape[DATA])]


def shardings_of(mesh: Mesh, shapes: Any, *, over_data: bool) -> Any:
    """A sharding for every leaf: its longest divisible axis over `model`, the longest other one over `data`.

    Args:
        mesh: The devices.
        shapes: A tree of arrays or of their shapes.
        over_data: Whether to shard large leaves over `data` as well (training: devices all-gather a leaf where they
            need it) or to replicate every leaf along it (sampling: each index along `data` has the whole model).
    """

    def sharding(leaf: Any) -> NamedSharding:
        spec: list[str | None] = [None] * len(leaf.shape)
        for axis in (MODEL, DATA) if over_data and math.prod(leaf.shape) >= MIN_SHARDED_SIZE else (MODEL,):
            size = mesh.shape[axis]
            divisible = [i for i, n in enumerate(leaf.shape) if spec[i] is None and n % size == 0]
            if size > 1 and divisible:
                spec[max(divisible, key=lambda i: leaf.shape[i])] = axis
        while spec and spec[-1] is None:  # XLA returns specs without trailing None; an unequal spec recompiles
            spec.pop()
        return NamedSharding(mesh, P(*spec))

    return jax.tree.map(sharding, shapes)


def shard(tree: Any, shardings: Any) -> Any:
    """The arrays on the devices of the shardings; every host passes the same tree and fills its own devices."""

    def shard_leaf(leaf: Any, sharding: NamedSharding) -> jax.Array:
        if sharding.is_fully_addressable or _spans_hosts(leaf):
            return jax.device_put(leaf, sharding)
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    return jax.tree.map(shard_leaf, tree, shardings)


def gather_to_local(tree: Any, mesh: Mesh) -> Any:
    """The arrays on this host's mesh, sharded as sampling needs them; those that span hosts are all-gathered."""

    def gather_leaf(leaf: Any, sharding: NamedSharding) -> jax.Array:
        if _spans_hosts(leaf):
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        return jax.device_put(leaf, sharding)

    return jax.tree.map(gather_leaf, tree, shardings_of(mesh, tree, over_data=False))


def _spans_hosts(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable
