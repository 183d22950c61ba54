"""Public names of a package whose modules are imported at first use.

Takes a package's name and the public names of its modules; gives the functions `__getattr__` and `__dir__` of PEP 562.
Depends on nothing of ours. So importing a light module of a package does not load JAX through the package's surface.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def exports(package: str, names: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: Its `__name__`.
        names: Module, relative to the package -> the public names that it defines.
    """
    modules = {name: f"{package}.{module}" for module, defined in names.items() for name in defined}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return get, lambda: sorted(modules)
