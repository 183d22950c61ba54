"""Whether the extra `train` is installed: JAX, gemma and all that samples from a policy. Imports none of it."""

from __future__ import annotations

import importlib.util
import sys

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
    missing = [name for name in (*PACKAGES, *DOWNLOADING) if importlib.util.find_spec(name) is None]
    if missing:
        version = " in Python 3.12 or newer" if sys.version_info < (3, 12) else ""
        raise ConfigError(f'{what} needs {missing[0]}{version}: pip install "restem-harness[train]"')
