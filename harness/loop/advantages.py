"""The last part of a GRPO arm's E-step: the advantage of each sample over the others of its problem.

Takes one checkpoint's samples with the training verifier's verdicts; gives a Selection whose weights are advantages:
positive for what is made likelier, negative for what is made less likely. It does not depend on JAX.

A rejected sample has reward 0, an accepted one 1, or the number that a graded reward function gave. A sample that the
verifier cannot decide is left out of its group, as if it had not been drawn. One that was cut off at the length limit
stays in it with its reward. A group of equal rewards tells nothing and is left out whole, also of the penalty for
leaving the base.
Source: arXiv:2402.03300, section 4.1.2; the constant and the deviation by n - 1 are those of
huggingface/trl:trl/trainer/grpo_trainer.py.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import groupby

from restem.harness.store.records import Sample, Selected, Selection
from restem.verifiers.verdict import Verdict

SMALLEST_DEVIATION = 1e-4


def advantages(rewards: Sequence[float]) -> list[float]:
    """Of each sample of a group: (reward - mean) / (standard deviation + 1e-4); 0 for all where rewards are equal."""
    if len(set(rewards)) < 2:
        return [0.0] * len(rewards)
    mean, deviation = statistics.fmean(rewards), statistics.stdev(rewards)
    return [(reward - mean) / (deviation + SMALLEST_DEVIATION) for reward in rewards]


def reward_of(verdict: Verdict) -> float | None:
    """The reward of a sample; None where the verifier is undecided."""
    return verdict.reward if verdict.raw_reward is None else verdict.score


def select_by_advantage(checkpoint: str, samples: Sequence[Sample], verdicts: Mapping[int, Verdict]) -> Selection:
    """The Selection that the policy gradient making `checkpoint` trains on; arguments as of `e_step.select`.

    Reasons that drop a sample: `undecided`, and `no_signal` (its advantage is 0, as its group has equal rewards).
    """
    rows: list[Selected] = []
    for _, group in groupby(samples, key=lambda sample: sample.problem):
        rewards = {sample.id: reward_of(verdicts[sample.id]) for sample in group}
        decided = {id: reward for id, reward in rewards.items() if reward is not None}
        weights = dict(zip(decided, advantages([*decided.values()]), strict=True))
        for id in rewards:
            dropped = "undecided" if id not in weights else None if weights[id] else "no_signal"
            rows.append(Selected(sample=id, weight=weights.get(id, 0.0), dropped_by=dropped))
    return Selection(checkpoint=checkpoint, rows=tuple(rows))
