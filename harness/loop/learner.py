"""What trains: one protocol, behind which our own M-step, or a program of the user's, stands.

Takes what a selection holds and the policy to start from; gives the trained policy and the folder that keeps it. It
does not say how it is trained. own_learner.py trains on the devices of this run, harness/app/outside_training.py has a
policy trained that no network of ours computes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from restem.harness.arms import ArmSettings
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.store.records import Checkpoint
from restem.harness.training.example import Example

Source = Callable[[], AnyPolicy]  # gives a policy when it is needed
Check = Callable[[int, AnyPolicy], float | None]  # takes a step and the policy after it; gives its validation reward


@dataclasses.dataclass(frozen=True, kw_only=True)
class MStep:
    """What an M-step begins with.

    Attributes:
        target: The id of the checkpoint to be made.
        start: The policy that training starts from.
        examples: Prompts and responses with their weights.
        settings: Of the arm.
        seed: Decides the order of the batches.
    """

    target: str
    start: AnyPolicy
    examples: Sequence[Example]
    settings: ArmSettings
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learned:
    """The result of an M-step.

    Attributes:
        policy: The trained policy.
        path: Its folder, inside the run folder.
        steps: The step that it is from.
        losses: Those of every step that was taken; none where a program trained that does not tell them.
        validation_reward: That of the best check.
    """

    policy: AnyPolicy
    path: Path
    steps: int
    losses: Sequence[float]
    validation_reward: float | None


class Learner(Protocol):
    """Trains the policies of a run, and loads them."""

    def learn(self, step: MStep, check: Check) -> Learned:
        """Trains, and writes the policy's folder.

        Raises:
            SaveFailed: The folder cannot be written.
            TrainingFailed: The user's program failed.
            NonFiniteLoss: The loss is not a number.
        """
        ...

    def stored(self, row: Checkpoint, base: AnyPolicy, again: Callable[[], MStep]) -> AnyPolicy:
        """The policy of a finished M-step; where its folder is lost or damaged, it is trained again.

        Args:
            row: The checkpoint's row.
            base: The run's base.
            again: What the M-step began with.

        Raises:
            CheckpointMismatch: Trained again, it has other weights than the row says.
        """
        ...


class Later:
    """A policy that is made when it is first needed, and kept."""

    def __init__(self, make: Source) -> None:
        self._make: Source | None = make
        self._policy: AnyPolicy | None = None

    def __call__(self) -> AnyPolicy:
        if self._make is not None:
            self._policy = self._make()
            self._make = None  # with it goes the policy that it started from
        assert self._policy is not None
        return self._policy
