"""The M-step of a policy that no network of ours computes: a command of the user's trains it. Loads no JAX.

Takes a run's store and an M-step; gives the folder that the command left, which is the checkpoint. Files that a server
needs and the command did not write, such as those of the tokenizer, are copied from the folder that it started from.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from restem.harness.app.training_command import TrainingCommand, place_of
from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.loop.learner import Check, Learned, MStep
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.outside.policy import SETTINGS, OutsidePolicy, read_config, text_part, weight_files, weights_sha256
from restem.harness.store.records import Checkpoint
from restem.harness.store.store import Store

_KEPT = ("model_type", "vocab_size")  # what the prompts' ids mean, and what a server has to hold
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutsideLearner:
    """Trains by the command of a run.

    Attributes:
        store: Of the run.
        instruction: What follows every question of a prompt.
    """

    store: Store
    instruction: str | None

    def learn(self, step: MStep, check: Check) -> Learned:
        """Trains; the policy's folder is the one that the command left."""
        return self._learn(step)

    def stored(self, row: Checkpoint, base: AnyPolicy, again: Callable[[], MStep]) -> OutsidePolicy:
        """The policy of a finished M-step; where its folder is lost or damaged, it is trained again.

        Raises:
            CheckpointMismatch: The command left other weights than those in run.db.
        """
        damage = damage_of(self.store.folder, row)
        if damage is None:
            return dataclasses.replace(_outside(base), folder=self.store.folder / str(row.path))
        _log.warning("%s: %s; it is trained again", row.id, damage)
        started = time.monotonic()
        shutil.rmtree(self.store.folder / str(row.path), ignore_errors=True)
        policy = _outside(self._learn(again()).policy)
        if policy.params_sha256 != row.params_sha256:
            raise CheckpointMismatch(
                f"{damage}; trained again, {row.id} has other weights than its row in run.db says: training.command "
                "does not give the same twice. Put the folder back from a copy, or begin anew with another --out"
            )
        seconds = time.monotonic() - started
        self.store.log("restored", checkpoint=row.id, damage=damage, how="trained again", seconds=seconds)
        return policy

    def _learn(self, step: MStep) -> Learned:
        start, training = _outside(step.start), step.settings.training
        command = TrainingCommand(store=self.store, instruction=self.instruction)

        def load(folder: Path) -> OutsidePolicy:
            _check(folder, start)
            _complete(folder, start)
            return dataclasses.replace(start, folder=folder)

        policy = command.train(step.target, lambda: start.folder, start.sha256, training, step.seed, load)
        path = place_of(step.target)
        return Learned(
            policy=dataclasses.replace(policy, folder=self.store.folder / path),
            path=path,
            steps=training.steps,
            losses=(),
            validation_reward=None,
        )


def damage_of(run: Path, row: Checkpoint) -> str | None:
    """What is wrong with a checkpoint's folder that a command left."""
    folder = run / str(row.path)
    try:
        sha256 = weights_sha256(folder)
    except (ConfigError, OSError) as error:
        return str(error)
    return None if sha256 == row.params_sha256 else f"{folder}: not the weights of {row.id} (SHA-256 differs)"


def _check(folder: Path, start: OutsidePolicy) -> None:
    """Checks that a folder holds a whole model of the same kind."""
    weight_files(folder)
    theirs, ours = text_part(read_config(folder)), text_part(start.config)
    for key in _KEPT:
        if theirs.get(key) != ours.get(key):
            raise CheckpointMismatch(
                f"{folder}: config.json: {key}: expected {ours.get(key)!r}, found {theirs.get(key)!r}"
            )


def _complete(folder: Path, start: OutsidePolicy) -> None:
    for name in SETTINGS:
        if (start.folder / name).is_file() and not (folder / name).exists():
            shutil.copy(start.folder / name, folder / name)


def _outside(policy: AnyPolicy) -> OutsidePolicy:
    assert isinstance(policy, OutsidePolicy), "our own networks have a learner of their own"
    return policy
