"""What the harness writes down: Sample, Selection, Checkpoint. No JAX, no files."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable

BASE = "base"
MARK = "~"  # before a replicate's number; no name that a user gives has one
HUMAN = "human:"  # begins the names of those who marked samples by hand: nobody can ask them about another one


def replicate(name: str, number: int) -> str:
    """An arm's, a verifier's or the base's name in a replicate of a suite: `sympy`, `sympy~1`, `sympy~2`."""
    return f"{name}{MARK}{number}" if number else name


def unmarked(name: str) -> str:
    """The name in the suite of what is called so in a replicate."""
    return name.partition(MARK)[0]


def first_sampled(arm: str) -> str:
    """The id of the base under which an arm draws its first training samples: every replicate draws its own."""
    return BASE + arm.removeprefix(unmarked(arm))


def measuring(verifiers: Iterable[str], own: str) -> tuple[str, ...]:
    """Those of a run's verifiers that judge the test samples of an arm trained on `own`.

    All of them; but of those that err under another seed in each replicate only the arm's own, as what the others say
    of its samples is known beforehand.
    """
    names = tuple(verifiers)
    seeded = {unmarked(name) for name in names if MARK in name}
    return tuple(name for name in names if name == own or unmarked(name) not in seeded)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """One draw from a policy; its text is the response.

    Attributes:
        checkpoint: Id of the checkpoint it was drawn from.
        problem: Id of the problem.
        index: 0-based number among the samples of this problem and checkpoint.
        text: The response, control tokens left out.
        token_count: Tokens drawn, the stop token included.
        mean_logprob: Mean log-probability of the drawn tokens under the sampling distribution, in nats.
        finish_reason: `stop` (end of turn or of sequence) or `length` (cut at the limit).
    """

    checkpoint: str
    problem: str
    index: int
    text: str
    token_count: int
    mean_logprob: float
    finish_reason: str

    @property
    def id(self) -> int:
        """A 63-bit number that depends on (checkpoint, problem, index) alone, so a resumed run has the same ids."""
        digest = hashlib.sha256(f"{self.checkpoint}\n{self.problem}\n{self.index}".encode()).digest()
        return int.from_bytes(digest[:8]) >> 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selected:
    """One sample's fate in an E-step: the weight it trains with, or the rule that dropped it."""

    sample: int
    weight: float
    dropped_by: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """What an E-step gives the M-step that makes `checkpoint`: every sample of the iteration, kept or dropped."""

    checkpoint: str
    rows: tuple[Selected, ...]

    @property
    def kept(self) -> tuple[Selected, ...]:
        return tuple(row for row in self.rows if row.dropped_by is None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A policy's parameters at one point of one arm.

    Attributes:
        id: `base`, `<arm>/<iteration>`, or `<arm>/<iteration>@<step>` for a candidate of the M-step. In replicate r of
            a suite, r from 1 on, `~r` follows the arm's name and that of the base.
        arm: The arm, or None for the base.
        iteration: 0 for the base.
        kind: `base`, `trained`, `skipped` (nothing was accepted: the parameters are those of `started_from`),
            or `candidate` (scored on the validation split during the M-step, not kept on disk).
        started_from: Id of the checkpoint whose parameters training started from.
        sampled_from: Id of the checkpoint whose samples it was trained on.
        path: Folder of the parameters, relative to the run folder; None for candidates and skipped ones.
        params_sha256: Hash of the parameters.
        steps: Optimizer steps taken.
        losses: Loss of each batch, also of the steps after the best check where training was stopped.
        validation_reward: Mean reward of the training verifier on the validation split; None where not measured.
        seconds: Time the M-step took.
    """

    id: str
    arm: str | None
    iteration: int
    kind: str
    started_from: str | None = None
    sampled_from: str | None = None
    path: str | None = None
    params_sha256: str | None = None
    steps: int = 0
    losses: tuple[float, ...] = ()
    validation_reward: float | None = None
    seconds: float = 0.0
