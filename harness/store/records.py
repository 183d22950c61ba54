"""The records that the harness stores: Sample, Selection, Checkpoint.

Plain values; they do not depend on JAX, SQLite or files.
"""

from __future__ import annotations

import dataclasses
import hashlib

FOREIGN = ("references", "source")  # kinds of checkpoints that are no policy of the run, but have training samples


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """One draw from a policy, or one imported rollout; its text is the response.

    Attributes:
        checkpoint: Id of the checkpoint it was drawn from.
        problem: Id of the problem.
        index: 0-based number among the samples of this problem and checkpoint.
        text: The response, control tokens left out.
        token_count: Tokens drawn, the stop token included; None where an imported row does not say, as in the next two.
        mean_logprob: Mean log-probability of the drawn tokens under the sampling distribution, in nats.
        finish_reason: `stop` (end of turn or of sequence) or `length` (cut at the limit); in imported rows also other
            words of their source.
        token_ids: The drawn tokens, the stop token included; None where they are not known, as in imported rows and in
            runs of schema versions before 4.
        source: Where an imported row stood, as `rows.jsonl:3`; None for a sample of our own.
    """

    checkpoint: str
    problem: str
    index: int
    text: str
    token_count: int | None
    mean_logprob: float | None
    finish_reason: str | None
    token_ids: tuple[int, ...] | None = None
    source: str | None = None

    @property
    def id(self) -> int:
        """A 63-bit number that depends on (checkpoint, problem, index) alone, so a resumed run has the same ids."""
        return self.number(self.checkpoint, self.problem, self.index)

    @staticmethod
    def number(checkpoint: str, problem: str, index: int) -> int:
        """The id of the sample of this checkpoint, problem and index."""
        digest = hashlib.sha256(f"{checkpoint}\n{problem}\n{index}".encode()).digest()
        return int.from_bytes(digest[:8]) >> 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selected:
    """The result of an E-step for one sample: the weight it trains with, or the rule that dropped it.

    A sample that the verifier rejected trains with a negative weight, where the arm's selection gives it one.
    """

    sample: int
    weight: float
    dropped_by: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """What an E-step gives the M-step that makes `checkpoint`: every sample of the iteration, kept or dropped."""

    checkpoint: str
    rows: tuple[Selected, ...]

    @property
    def trained(self) -> tuple[Selected, ...]:
        """The samples that train the policy, negative weights among them."""
        return tuple(row for row in self.rows if row.dropped_by is None)

    @property
    def kept(self) -> tuple[Selected, ...]:
        """The samples that the policy learns to write."""
        return tuple(row for row in self.trained if row.weight > 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A policy's parameters at one point of one arm.

    Attributes:
        id: `base`, `<arm>/<iteration>`, or `<arm>/<iteration>@<step>` for a candidate of the M-step; of an imported run
            `<series>/<step>`. In replicate r of a suite, r from 1 on, `~r` follows the arm's name and that of the base.
            What an arm's first samples are drawn from otherwise than the base's has an id of its own: `base~t1.0`
            (another temperature), `base~references`, `base~` and a hash of the arm's `source`.
        arm: The arm, or None for the base.
        iteration: 0 for the base.
        kind: `base`, `references` (no policy: its samples are worked solutions), `source` (another policy, whose
            samples an arm's first iteration trains on), `trained`, `skipped` (nothing was accepted: the parameters are
            those of `started_from`), `candidate` (scored on the validation split during the M-step, not kept on disk),
            or `imported` (a training step of a policy that others trained).
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
