"""How a running server is told to load other weights, for each of the ways that servers have.

Takes a server, a folder in Hugging Face's format and a version; the server then holds these weights. Whether it does is
not believed but compared (parity.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from restem.harness.engines.server import Server
from restem.harness.errors import EngineFailed


def sglang(server: Server, folder: Path, version: str) -> None:
    """SGLang's route, which `restem serve --allow-update` has too."""
    reply = server.post("/update_weights_from_disk", {"model_path": str(folder), "weight_version": version})
    if isinstance(reply, dict) and reply.get("success") is False:
        raise EngineFailed(f"engine at {server}: it does not load {folder}: {str(reply.get('message'))[:300]}")


def prime_rl(server: Server, folder: Path, version: str) -> None:
    """The route that prime-rl adds to vLLM."""
    server.post("/update_weights", {"weight_dir": str(folder)})


def vllm(server: Server, folder: Path, version: str) -> None:
    """vLLM's own routes in development mode; what it kept of prompts under the old weights is forgotten too."""
    server.post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}})
    reply = server.post("/reset_prefix_cache", {})
    if isinstance(reply, dict) and reply.get("success") is False:
        raise EngineFailed(f"engine at {server}: it keeps prompts of the old weights, as others use it meanwhile")


RELOADS: dict[str, Callable[[Server, Path, str], None]] = {"sglang": sglang, "prime-rl": prime_rl, "vllm": vllm}
