"""Public names of a package whose modules are imported at first use.

Takes a package's name and the public names of its modules; gives the functions `__getattr__` and `__dir__` of PEP 562.
So importing a light module of a package does not load JAX, SymPy or matplotlib through the package's surface. It stands
in the lowest package because all packages use it, and depends on nothing of ours.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def exports(package: str, names: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package; the latter lists its `__all__`.

    Args:
        package: Its `__name__`.
        names: Module, relative to the package -> the public names that it defines.
    """
    modules = {name: f"{package}.{module}" for module, defined in names.items() for name in defined}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return get, lambda: sorted(sys.modules[package].__all__)
