"""The M-step by a command of the user's, for a policy that our network computes: `training.engine = "command"`.

Takes a selection, the policy to start from and the command; gives trained parameters. The command gets the selection
as JSON Lines and the policy as a Hugging Face folder, and leaves such a folder (training_command.py).

    training/start-HASH/       the policy that training starts from, once for all M-steps that do
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax

from restem.harness.app.code_permission import check_command
from restem.harness.app.training_command import FOLDER, TrainingCommand
from restem.harness.config import Suite
from restem.harness.distributed.hosts import Hosts
from restem.harness.errors import ConfigError
from restem.harness.loop.own_learner import OwnLearner
from restem.harness.model.mesh import shardings_of
from restem.harness.model.policy import Policy, policy_hash
from restem.harness.settings import TrainingConfig
from restem.harness.store.store import Store
from restem.harness.training.m_step import Fitted
from restem.harness.weights.huggingface import load_hf_params, save_hf
from restem.harness.weights.huggingface_config import to_config


def check_training(suite: Suite, base: Policy, hosts: Hosts) -> None:
    """Checks that a suite's command, where it has one, may train this policy on these hosts.

    Raises:
        ConfigError: It is not permitted, there are several hosts, or the policy has no form that it could be given in.
    """
    if suite.training.engine == "own":
        return
    check_command(suite.training)
    if hosts.count > 1:
        raise ConfigError(f'training.engine: "command" trains on one host, found --hosts {hosts.count}')
    to_config(base.architecture, base.tokenizer, "float32")


def own_learner(suite: Suite, store: Store, base: Policy, hosts: Hosts) -> OwnLearner:
    """What trains policies that our network computes: our own M-step, or the suite's command."""
    if suite.training.engine == "own":
        return OwnLearner(store=store, hosts=hosts)
    trainer = CommandTrainer(store=store, instruction=base.tokenizer.instruction, hosts=hosts)
    return OwnLearner(store=store, hosts=hosts, trainer=trainer)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandTrainer:
    """Trains by the command of a run.

    Attributes:
        store: Of the run.
        instruction: What follows every question of a prompt.
        hosts: The devices that hold the parameters.
    """

    store: Store
    instruction: str | None
    hosts: Hosts

    def __call__(self, target: str, start: Policy, training: TrainingConfig, seed: int) -> Fitted:
        """The parameters that the command leaves for the checkpoint `target`.

        Raises:
            TrainingFailed: It ended with an error, or left no policy of this shape.
            SaveFailed: The policy to start from cannot be written.
        """
        sha256 = policy_hash(start)

        def written() -> Path:
            folder = self.store.folder / FOLDER / f"start-{sha256[:12]}"
            if not folder.exists():
                save_hf(start, folder)
            return folder

        command = TrainingCommand(store=self.store, instruction=self.instruction)
        params = command.train(
            target, written, sha256, training, seed, lambda folder: load_hf_params(folder, start.architecture)
        )
        params = jax.device_put(params, shardings_of(self.hosts.meshes.local, params, over_data=False))
        return Fitted(params=params, steps=training.steps, losses=(), validation_reward=None)
