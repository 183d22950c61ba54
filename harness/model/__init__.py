"""A policy on its devices: architecture, parameters, tokenizer, meshes, precision, compilation cache."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.model.architecture import Architecture, load_architecture
    from restem.harness.model.compilation_cache import enable_compilation_cache
    from restem.harness.model.mesh import Meshes, make_mesh, make_meshes, want_cpu_devices
    from restem.harness.model.policy import (
        Params,
        Policy,
        init_params,
        load_policy,
        params_hash,
        policy_hash,
        save_policy,
    )
    from restem.harness.model.tokenizer import Tokenizer

__all__ = [
    "Architecture",
    "Meshes",
    "Params",
    "Policy",
    "Tokenizer",
    "enable_compilation_cache",
    "init_params",
    "load_architecture",
    "load_policy",
    "make_mesh",
    "make_meshes",
    "params_hash",
    "policy_hash",
    "save_policy",
    "want_cpu_devices",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "architecture": (
            "Architecture",
            "load_architecture",
        ),
        "compilation_cache": ("enable_compilation_cache",),
        "mesh": (
            "Meshes",
            "make_mesh",
            "make_meshes",
            "want_cpu_devices",
        ),
        "policy": (
            "Params",
            "Policy",
            "init_params",
            "load_policy",
            "params_hash",
            "policy_hash",
            "save_policy",
        ),
        "tokenizer": ("Tokenizer",),
    },
)
