"""The policies of finished M-steps: loaded when they are needed, and trained again where they are lost or damaged.

Takes a run's store, its base and a checkpoint's row; gives the policy that the row names. Does not depend on verifiers.

A checkpoint is the base with other parameters, so its row's hash of the parameters and the base say what its folder
must hold. Nothing that a damaged folder holds is used: where the parameters are whole, the other files are written
anew; where they are not, the M-step is repeated, and must give the parameters of the row.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path

from jax.sharding import Mesh

from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.model.policy import Params, Policy, load_params, load_policy, policy_hash, save_policy
from restem.harness.store.records import Checkpoint
from restem.harness.store.store import Store
from restem.harness.training.m_step import Fitted

ParamsCheck = Callable[[int, Params], float | None]  # what `m_step.fit` calls
logger = logging.getLogger(__name__)


def stored_policy(
    store: Store, base: Policy, row: Checkpoint, mesh: Mesh, train: Callable[[ParamsCheck], Fitted]
) -> Policy:
    """The policy of a finished M-step; its folder is made again where it is lost or damaged.

    Args:
        store: Of the run.
        base: The run's base.
        row: The checkpoint's row.
        mesh: The devices.
        train: Repeats the M-step; takes what scores the candidates.

    Raises:
        CheckpointMismatch: The M-step, repeated, gives other parameters.
        SaveFailed: The folder cannot be written.
    """
    loaded = load_checked(store, base, row, mesh)
    if isinstance(loaded, Policy):
        return loaded
    started = time.monotonic()
    policy = _with_stored_params(store, base, row, mesh)
    how = "written anew" if policy else "trained again"
    policy = policy or _trained_again(store, base, row, loaded, train)
    store.check_place()
    save_policy(policy, store.folder / _path(row))
    store.log("restored", checkpoint=row.id, damage=loaded, how=how, seconds=time.monotonic() - started)
    logger.warning("%s: %s; %s, as its row in run.db says", row.id, loaded, how)
    return policy


def load_checked(store: Store, base: Policy, row: Checkpoint, mesh: Mesh | None = None) -> Policy | str:
    """The policy of a checkpoint's folder, or what is wrong with the folder."""
    folder = store.folder / _path(row)
    try:
        policy = load_policy(folder, mesh)
    except (CheckpointMismatch, ConfigError) as error:
        return str(error)
    if policy_hash(policy) != policy_hash(base, row.params_sha256):
        return f"{folder}: not the policy of {row.id} (SHA-256 differs)"
    return policy


def damage_of(folder: Path, row: Checkpoint) -> str | None:
    """What is wrong with a checkpoint of a run folder; its base, which need not be here, is not compared."""
    try:
        policy = load_policy(folder / _path(row))
    except (CheckpointMismatch, ConfigError) as error:
        return str(error)
    return None if policy.params_sha256 == row.params_sha256 else f"{row.path}: not the parameters of {row.id}"


def _path(row: Checkpoint) -> str:
    assert row.path is not None
    return row.path


def _with_stored_params(store: Store, base: Policy, row: Checkpoint, mesh: Mesh) -> Policy | None:
    """The base with the parameters of the folder, where these are whole."""
    try:
        params = load_params(store.folder / _path(row), base.architecture, mesh)
    except (CheckpointMismatch, ConfigError):
        return None
    policy = dataclasses.replace(base, params=params)
    return policy if policy.params_sha256 == row.params_sha256 else None


def _trained_again(
    store: Store, base: Policy, row: Checkpoint, damage: str, train: Callable[[ParamsCheck], Fitted]
) -> Policy:
    logger.warning("%s: %s; it is trained again", row.id, damage)

    def stored_reward(step: int, params: Params) -> float | None:
        """The reward that the candidate got: its samples and verdicts are in run.db."""
        candidate = store.checkpoint(f"{row.id}@{step}")
        if candidate is None:
            raise CheckpointMismatch(f"{damage}; it cannot be trained again: run.db lacks {row.id}@{step}")
        _compare(dataclasses.replace(base, params=params), candidate, damage)
        return candidate.validation_reward

    policy = dataclasses.replace(base, params=train(stored_reward).params)
    _compare(policy, row, damage)
    return policy


def _compare(policy: Policy, row: Checkpoint, damage: str) -> None:
    if policy.params_sha256 != row.params_sha256:
        raise CheckpointMismatch(
            f"{damage}; trained again, {row.id} has other parameters than its row in run.db says, as another machine "
            "or other versions give them: put the folder back from a copy, or go on with the machine and the versions "
            "that made it (`restem report` names them), or begin anew with another --out"
        )
