"""What XLA compiled is kept on disk, so that the next run of the same shapes starts at once.

What lies there is executed: the folder must belong to the user alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import jax


def keep_compiled() -> None:
    """Has JAX keep compiled programs in the user's cache folder, or wherever JAX_COMPILATION_CACHE_DIR says.

    A folder that others can write to is left alone. JAX_ENABLE_COMPILATION_CACHE=false switches it off.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "restem" / "xla"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
        except OSError:
            return  # a home that cannot be written: everything is compiled anew, as without this
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
