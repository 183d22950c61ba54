"""Policies that are not in our own format: known models, and folders of Kaggle or Hugging Face.

Takes a name or a folder; gives a policy, or the folder of a download. The formats of checkpoints, JAX and kagglehub are
imported where they are used, so that a wrong name is reported at once.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restem.benchmarks.hints import did_you_mean
from restem.harness.errors import ConfigError
from restem.harness.model.architecture import EMBEDDED, SETTINGS_FILE
from restem.harness.outside.policy import CONFIG, read_config
from restem.harness.weights.registry import BYTES, KNOWN, MODEL_TYPES, count_text, known_model, size_text

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from restem.harness.model.policy import Policy


def check_policy(name: str) -> None:
    """Checks that there is a policy of that name, or a folder.

    Raises:
        ConfigError: There is none, or the model is not on disk.
    """
    if name not in EMBEDDED:
        _foreign_folder(name)


def is_outside(name: str) -> bool:
    """Whether a policy is a folder in Hugging Face's format of a model that our network cannot compute."""
    folder = Path(name)
    if name in (*EMBEDDED, *KNOWN) or (folder / SETTINGS_FILE).exists() or not (folder / CONFIG).is_file():
        return False
    return read_config(folder)["model_type"] not in MODEL_TYPES


def _foreign_folder(name: str) -> Path:
    if name in KNOWN:
        if folder := KNOWN[name].folder:
            return folder
        size = size_text(BYTES * KNOWN[name].parameters)
        raise ConfigError(f"policy {name!r} is not on disk: `restem models download {name}` fetches {size}")
    if not Path(name).exists():
        raise ConfigError(
            f"policy {name!r}: neither a name that `restem models` lists nor a checkpoint folder"
            f"{did_you_mean(name, [*EMBEDDED, *KNOWN])}"
        )
    return Path(name)


def load_foreign_policy(name: str, mesh: Mesh | None = None) -> Policy:
    """The policy of a known model that is on disk, or of a folder in Kaggle's or Hugging Face's format.

    Args:
        name: A known model's name, or a folder.
        mesh: The devices; None: the first one.

    Raises:
        ConfigError: There is no such name or folder, or the model is not on disk.
        CheckpointMismatch: A leaf differs from what the model or the folder's own config says.
    """
    folder = _foreign_folder(name)
    import jax

    from restem.harness.model.mesh import make_mesh, shardings_of
    from restem.harness.model.stored_params import is_ours
    from restem.harness.weights.huggingface import is_hf, load_hf
    from restem.harness.weights.kaggle import is_weights, load_weights

    if is_ours(folder):  # read as Kaggle's, it would get an architecture that is guessed
        raise ConfigError(f"{folder}: a policy folder whose {SETTINGS_FILE} is missing: put it back from a copy")
    if name in KNOWN:
        return load_weights(folder, KNOWN[name].architecture, mesh)
    if is_hf(folder):
        policy = load_hf(folder)
        shardings = shardings_of(mesh or make_mesh(), policy.params, over_data=False)
        return dataclasses.replace(policy, params=jax.device_put(policy.params, shardings))
    if is_weights(folder):
        return load_weights(folder, mesh=mesh)
    raise ConfigError(f"policy {name!r}: no checkpoint of ours, of Kaggle or of Hugging Face is in this folder")


def fetch(name: str, confirmed: bool) -> Path:
    """The folder of a known model, downloaded if it is not on disk; prints its size and licence before that.

    Args:
        name: The model's name.
        confirmed: Whether the user has accepted size and licence; otherwise the user is asked.

    Raises:
        ConfigError: There is no such model, there are no credentials, or the user refused.
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
    from restem.harness.weights.download import check_credentials, download

    check_credentials()
    if not confirmed and not click.confirm("Download it under this licence?", err=True):
        raise ConfigError("nothing was downloaded")
    return download(model)
