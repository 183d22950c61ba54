"""Our own M-step as what trains a run; or a command that trains a policy which our network computes.

Takes a run's store, its base and devices; gives trained policies, whose folders stand under `checkpoints/`. It does not
depend on verifiers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from restem.harness.distributed.hosts import Hosts
from restem.harness.loop.learner import Check, Learned, MStep
from restem.harness.loop.stored_policy import ParamsCheck, stored_policy
from restem.harness.model.policy import Policy, save_policy
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.settings import TrainingConfig
from restem.harness.store.records import Checkpoint
from restem.harness.store.store import Store
from restem.harness.training.grpo import Grpo
from restem.harness.training.m_step import Fitted

FOLDER = "checkpoints"
# Takes the id of the checkpoint to be made, what it starts from, the settings and a seed; reads the selection itself.
Trainer = Callable[[str, Policy, TrainingConfig, int], Fitted]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnLearner:
    """Trains policies that our network computes.

    Attributes:
        store: Of the run.
        hosts: The devices that train; this host leads.
        trainer: What trains instead of our own M-step.
    """

    store: Store
    hosts: Hosts
    trainer: Trainer | None = None

    def learn(self, step: MStep, check: Check) -> Learned:
        """Trains, and writes the policy's folder."""
        start = _own(step.start)
        fitted = self._fit(step, lambda number, params: check(number, dataclasses.replace(start, params=params)))
        policy = dataclasses.replace(start, params=fitted.params)
        path = Path(FOLDER) / step.target.replace("/", "-")
        self.store.check_place()  # saving would make a deleted run folder anew
        save_policy(policy, self.store.folder / path)
        return Learned(
            policy=policy,
            path=path,
            steps=fitted.steps,
            losses=fitted.losses,
            validation_reward=fitted.validation_reward,
        )

    def stored(self, row: Checkpoint, base: AnyPolicy, again: Callable[[], MStep]) -> Policy:
        """The policy of a finished M-step."""
        mesh = self.hosts.meshes.local
        return stored_policy(self.store, _own(base), row, mesh, lambda check: self._fit(again(), check))

    def _fit(self, step: MStep, check: ParamsCheck) -> Fitted:
        """The parameters that minimise the loss on the examples."""
        start, settings = _own(step.start), step.settings
        if self.trainer is not None:
            return self.trainer(step.target, start, settings.training, step.seed)
        loss = settings.grpo and Grpo(**settings.grpo.model_dump(), temperature=settings.sampling.temperature)
        return self.hosts.fit(start, step.examples, settings.training, step.seed, check, loss)


def _own(policy: AnyPolicy) -> Policy:
    assert isinstance(policy, Policy), "an outside policy has a learner of its own"
    return policy
