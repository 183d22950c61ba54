"""JAX's persistent compilation cache: programs that were compiled once start at once in the next run.

Takes nothing but the environment; changes JAX's configuration. Independent of the rest of the package.

JAX executes what the cache folder holds, so the folder must belong to the user alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import jax


def enable_compilation_cache() -> None:
    """Makes JAX keep compiled programs in the user's cache folder, or where JAX_COMPILATION_CACHE_DIR says.

    A folder that other users can write to is not used. JAX_ENABLE_COMPILATION_CACHE=false disables the cache.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "restem" / "xla"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.stat()
        except OSError:
            return  # the home folder is read-only: run without a cache
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
