"""Whether the extra `train` is installed: JAX, gemma and all that samples from a policy. Imports none of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from restem.harness.errors import ConfigError

PACKAGES = ("jax", "flax", "orbax", "gemma", "kauldron", "jaxtyping", "optax", "safetensors", "sentencepiece")
DOWNLOADING = ("kagglehub",)


def need_train(what: str) -> None:
    """Checks that the extra is installed.

    Args:
        what: What needs it: `restem run`.

    Raises:
        ConfigError: It is not; the message holds the command that installs it.
    """
    if missing := lacking((*PACKAGES, *DOWNLOADING)):
        version = " in Python 3.12 or newer" if sys.version_info < (3, 12) else ""
        raise ConfigError(f'{what} needs {missing[0]}{version}: pip install "restem-harness[train]"')


def lacking(names: Sequence[str] = PACKAGES) -> list[str]:
    """The packages of the extra that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]
