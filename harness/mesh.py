"""The devices as one mesh: `data`, along which rows lie side by side, times `model`, along which a matrix is split.

Takes numbers of devices and arrays; gives meshes and shardings. Knows nothing of what the arrays mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from harness.errors import ConfigError

DATA, MODEL = "data", "model"


def make_mesh(data: int = 1, model: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh of the first `data x model` devices.

    Raises:
        ConfigError: There are not so many.
    """
    devices = jax.devices() if devices is None else devices
    if data * model > len(devices):
        raise ConfigError(
            f"mesh: data = {data} times model = {model} needs {data * model} devices; found {len(devices)}"
        )
    grid = np.array(devices[: data * model]).reshape(data, model)
    return Mesh(grid, (DATA, MODEL), axis_types=(AxisType.Auto, AxisType.Auto))


def by_row(mesh: Mesh) -> NamedSharding:
    """First axis over `data`."""
    return NamedSharding(mesh, P(DATA))


def split(mesh: Mesh, shapes: Any, *, over_data: bool) -> Any:
    """A sharding for every leaf: its longest fitting axis over `model`, the longest other one over `data`.

    Args:
        mesh: The devices.
        shapes: A tree of arrays or of their shapes.
        over_data: Whether to use `data` as well (training: each device holds a part of everything, and gathers what it
            needs) or to repeat every leaf along it (sampling: each row of devices has the whole model).
    """

    def of(leaf: Any) -> NamedSharding:
        spec: list[str | None] = [None] * len(leaf.shape)
        for axis in (MODEL, DATA) if over_data else (MODEL,):
            size = mesh.shape[axis]
            fitting = [i for i, n in enumerate(leaf.shape) if spec[i] is None and n % size == 0]
            if size > 1 and fitting:
                spec[max(fitting, key=lambda i: leaf.shape[i])] = axis
        return NamedSharding(mesh, P(*spec))

    return jax.tree.map(of, shapes)
