"""What `restem models` and `restem export` do, and policies that are not in our own format.

Takes a name or a folder; gives a policy, a download or a folder that transformers reads.
"""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path

import click
import jax
from jax.sharding import Mesh

from restem.harness.errors import ConfigError
from restem.harness.model.architecture import EMBEDDED
from restem.harness.model.mesh import make_mesh, shardings_of
from restem.harness.model.policy import Policy
from restem.harness.weights.huggingface import is_hf, load_hf
from restem.harness.weights.kaggle import is_weights, load_weights
from restem.harness.weights.registry import (
    BYTES,
    KNOWN,
    check_credentials,
    count_text,
    download,
    known_model,
    size_text,
)


def load_foreign_policy(name: str, mesh: Mesh | None = None) -> Policy:
    """A known model from where it was downloaded to, or a folder in Kaggle's or Hugging Face's format.

    Raises:
        ConfigError: There is no such name or folder, or the model is not on disk.
        CheckpointMismatch: A leaf differs from what the model or the folder's own config says.
    """
    if name in KNOWN:
        model = KNOWN[name]
        if model.folder is None:
            size = size_text(BYTES * model.parameters)
            raise ConfigError(f"policy {name!r} is not on disk: `restem models download {name}` fetches {size}")
        return load_weights(model.folder, model.architecture, mesh)
    folder = Path(name)
    if is_hf(folder):
        policy = load_hf(folder)
        shardings = shardings_of(mesh or make_mesh(), policy.params, over_data=False)
        return dataclasses.replace(policy, params=jax.device_put(policy.params, shardings))
    if is_weights(folder):
        return load_weights(folder, mesh=mesh)
    close = difflib.get_close_matches(name, [*EMBEDDED, *KNOWN], 1)
    hint = f": did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"policy {name!r}: neither a name that `restem models` lists nor a checkpoint folder{hint}")


def fetch(name: str, confirmed: bool) -> Path:
    """Downloads a known model after its size and licence were shown; gives its folder, at once where it is on disk.

    Raises:
        ConfigError: No such model, no credentials, or the user did not want it.
        RestemError: Kaggle cannot be reached, or failed.
    """
    model = known_model(name)
    if model.folder is not None:
        return model.folder
    click.echo(
        f"{name}: {count_text(model.parameters)} parameters, about {size_text(BYTES * model.parameters)} "
        f"from kaggle.com/models/{model.handle}\nlicence: {model.licence}",
        err=True,
    )
    check_credentials()
    if not confirmed and not click.confirm("Download it under this licence?", err=True):
        raise ConfigError("nothing was downloaded")
    return download(model)
