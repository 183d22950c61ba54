"""What a run shows, checkpoint by checkpoint: accuracy, reward, reward quality, training data.

Takes a Run; gives estimates with names. Every figure is computed from rows here and nowhere else: tables, figures and
the answer at the top of the report all read these values.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from restem.harness.names import BASE, unmarked
from restem.harness.store.records import Checkpoint
from restem.reports.data.run import Arm, Choice, Run
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Counts, Difference, Estimate, Floats, Ints
from restem.reports.stats.majority import majority_at

TEST, TRAIN = "test", "train"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """One checkpoint on a test split, seen from one arm (None: the base by itself).

    Of an arm with several replicates: their checkpoints of one iteration together. Intervals are by problem, so they
    hold for these seeds; `restem.reports.stats.seeds` computes those over seeds.

    Attributes:
        checkpoint: Its id; that of the first replicate.
        kind: `base`, `trained` or `skipped`.
        accuracy: Gold accuracy of the decided samples: pass@1.
        bounds: Accuracy if all samples that the gold left undecided were wrong, and if all were correct.
        counts: Correct and decided samples of each problem, by the gold.
        audited: Counts by the training verifier and by the gold, of the samples that both decided.
        gain: Accuracy minus the base's, paired by problem.
        reward: Mean reward of the arm's training verifier.
        gap: Reward minus gold accuracy on the samples that both decided, paired by problem; None for the gold's own
            arm, where it is 0 by definition.
        passed: k -> pass@k.
        majority: maj@k with the largest k.
        wrong_steps: Share of the gold's correct responses whose written steps do not hold.
        replicates: Each replicate by itself, where there are several.
    """

    checkpoint: str
    arm: Arm | None
    iteration: int
    kind: str
    n: int
    accuracy: Estimate
    bounds: tuple[float, float]
    counts: Counts
    audited: tuple[Counts, Counts]
    gain: Difference | None
    reward: Estimate
    gap: Difference | None
    passed: Mapping[int, Estimate]
    majority: Estimate
    wrong_steps: Estimate
    tokens: float
    cut: float
    replicates: tuple[Standing, ...] = ()

    @property
    def coverage(self) -> float:
        """Share of the samples that the gold decided."""
        return self.accuracy.n / self.n if self.n else float("nan")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What the E-steps of an arm's iteration gave to its M-step; sums over the arm's replicates.

    Attributes:
        steps: Each replicate, and the checkpoint that it trained.
        accepted: Samples the training verifier calls correct.
        dropped: Rule -> samples it dropped.
        kept: Samples that the policy learnt to write.
        negatives: Rejected samples that trained it with a negative weight.
        accepted_precision: Share of the accepted samples that the gold calls correct.
        precision: The same of the kept ones: after duplicates and the cap, what the policy was really trained on.
        problems: All that there are, once a replicate.
        covered: Problems with a kept sample.
        poisoned: Problems whose kept samples are all wrong by the gold.
    """

    arm: Arm
    iteration: int
    steps: tuple[tuple[Arm, Checkpoint], ...]
    sampled: int
    accepted: int
    undecided: int
    dropped: Mapping[str, int]
    kept: int
    negatives: int
    accepted_precision: Estimate
    precision: Estimate
    problems: int
    covered: int
    poisoned: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """All findings of a run; `standings` by (arm name, iteration), with ("", 0) for the base by itself."""

    run: Run
    standings: Mapping[tuple[str, int], Standing]
    samples_per_problem: int

    @functools.cached_property
    def data(self) -> tuple[TrainingData, ...]:
        """What every M-step was given."""
        items: list[TrainingData] = []
        for arm in self.run.arms:
            steps = [(replica, c) for replica in self.run.replicates(arm) for c in self.run.chain(replica.name)]
            for iteration in sorted({checkpoint.iteration for _, checkpoint in steps}):
                same = tuple(step for step in steps if step[1].iteration == iteration)
                items.append(_training_data(self.run, arm, iteration, same))
        return tuple(items)

    @property
    def base(self) -> Standing | None:
        return self.standings.get(("", 0))

    def last(self, arm: Arm) -> Standing | None:
        """The arm's latest trained (or skipped) checkpoint that has gold verdicts."""
        reached = [s for (name, _), s in self.standings.items() if name == arm.name and s.iteration and s.accuracy.n]
        return max(reached, key=lambda s: s.iteration, default=None)

    def alone(self, replica: Arm, iteration: int) -> Standing | None:
        """What one replicate of an arm has reached by itself."""
        pooled = self.standings.get((unmarked(replica.name), iteration))
        single = (pooled.replicates or (pooled,)) if pooled else ()
        return next((s for s in single if s.arm and s.arm.name == replica.name), None)

    def trained(self, arm: Arm, iteration: int) -> bool:
        """Whether any step up to `iteration` trained on something: else the policy is still the base."""
        steps = (self.standings.get((arm.name, i)) for i in range(1, iteration + 1))
        return any(s is not None and s.kind == "trained" for s in steps)


def find(run: Run, *, brief: bool = False, split: str = TEST) -> Findings:
    """Everything the report shows, from rows; of a brief run, all but pass@k, maj@k and tokens.

    Args:
        run: The run.
        brief: Whether to leave these out.
        split: The split of a further test set, on which the standings then are.
    """
    most = 0 if brief else max((_most_samples(run, c, split) for c in run.checkpoints), default=0)
    stand = functools.partial(_standing, run, split, most)
    base = stand([(BASE, "")], None, None) if len(run.rows(BASE, split)) else None
    standings = {("", 0): base} if base else {}
    for arm in run.arms:
        reached: dict[int, list[tuple[str, Arm]]] = {0: [(BASE, arm) for arm in run.replicates(arm)]} if base else {}
        for replica in run.replicates(arm):
            for checkpoint in run.chain(replica.name):
                if len(run.rows(checkpoint.id, split)):
                    reached.setdefault(checkpoint.iteration, []).append((checkpoint.id, replica))
        for iteration, parts in sorted(reached.items()):
            standing = stand([(id, replica.verifier) for id, replica in parts], arm, base)
            if len(parts) > 1:
                alone = tuple(stand([(id, replica.verifier)], replica, base) for id, replica in parts)
                standing = dataclasses.replace(standing, replicates=alone)
            standings[arm.name, iteration] = standing
    return Findings(run=run, standings=standings, samples_per_problem=most)


def _most_samples(run: Run, checkpoint: str, split: str) -> int:
    rows = run.rows(checkpoint, split)
    return int(np.bincount(run.samples.problem[rows]).max()) if len(rows) else 0


def steps_of_two(most: int) -> list[int]:
    """1, 2, 4, ... and `most` itself: the k of pass@k."""
    return sorted({1 << power for power in range(most.bit_length())} | {most}) if most else []


def _standing(
    run: Run, split: str, most: int, checkpoints: Sequence[tuple[str, str]], arm: Arm | None, base: Standing | None
) -> Standing:
    """The standing of checkpoints (each with the verifier that trained it, if any) together."""
    size, checkpoint = run.size(split), checkpoints[0][0]
    parts = [_part(run, split, id, verifier, most) for id, verifier in checkpoints]
    rows = np.concatenate([part.rows for part in parts])
    counts, rewarded = _summed([part.counts for part in parts]), _summed([part.rewarded for part in parts])
    audited = (_summed([part.audited[0] for part in parts]), _summed([part.audited[1] for part in parts]))
    stored = [run.checkpoints[id] for id, _ in checkpoints if id in run.checkpoints]
    kinds = {record.kind for record in stored} or {"base"}
    return Standing(
        checkpoint=checkpoint,
        arm=arm,
        iteration=stored[0].iteration if stored else 0,
        kind="trained" if "trained" in kinds else min(kinds),
        n=len(rows),
        accuracy=estimates.proportion(*counts),
        bounds=estimates.undecided_bounds(int(counts.correct.sum()), int(counts.decided.sum()), len(rows)),
        counts=counts,
        audited=audited,
        gain=estimates.paired(counts, base.counts) if base and checkpoint != BASE else None,
        reward=estimates.proportion(*rewarded),
        gap=None if arm is None or arm.gold else estimates.paired(*audited),
        passed={k: estimates.mean(averaged([part.passed[k] for part in parts])) for k in steps_of_two(most)},
        majority=estimates.mean(averaged([part.majority for part in parts])) if most else estimates.NOTHING,
        wrong_steps=_wrong_steps(run, rows, size),
        tokens=float(run.samples.tokens[rows].mean()) if most else math.nan,
        cut=float(run.samples.cut[rows].mean()) if most else math.nan,
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """One checkpoint's test samples: rows, counts by gold and by a verifier; pass@k and maj@k of each problem."""

    rows: Ints
    counts: Counts
    rewarded: Counts
    audited: tuple[Counts, Counts]
    passed: Mapping[int, Floats]
    majority: Floats


def _part(run: Run, split: str, checkpoint: str, verifier: str, most: int) -> _Part:
    rows, size = run.rows(checkpoint, split), run.size(split)
    problem, gold = run.samples.problem[rows], run.outcome(run.gold, rows)
    counts, reward = estimates.per_problem(gold, problem, size), run.outcome(verifier, rows)
    either = np.isnan(reward) | np.isnan(gold)
    audited = [estimates.per_problem(np.where(either, np.nan, outcome), problem, size) for outcome in (reward, gold)]
    return _Part(
        rows=rows,
        counts=counts,
        rewarded=estimates.per_problem(reward, problem, size),
        audited=(audited[0], audited[1]),
        passed={k: estimates.pass_at_k(*counts, k) for k in steps_of_two(most)},
        majority=majority_by_problem(run, rows, gold, size, (most,))[most] if most else np.full(size, np.nan),
    )


def _summed(parts: Sequence[Counts]) -> Counts:
    return Counts(np.sum([p.correct for p in parts], axis=0), np.sum([p.decided for p in parts], axis=0))


def averaged(parts: Sequence[Floats]) -> Floats:
    """Mean over the parts that have a value."""
    table = np.stack(parts)
    return estimates.ratio(np.nansum(table, axis=0), (~np.isnan(table)).sum(axis=0))


def majority_by_problem(run: Run, rows: Ints, gold: Floats, size: int, ks: tuple[int, ...]) -> dict[int, Floats]:
    """k -> expected maj@k of each problem over subsets of its decided samples.

    The gold's correct answers equal the reference and so each other: they vote together, however they are written.
    Wrong answers vote by their text, spacing folded.
    """
    votes: list[Counter[str]] = [Counter() for _ in range(size)]
    right, silent = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for row, position, outcome in zip(rows, run.samples.problem[rows], gold, strict=True):
        answer = "".join(run.answers[int(row)].split())
        if outcome == 1:
            right[position] += 1
        elif outcome == 0 and answer:
            votes[position][answer] += 1
        elif outcome == 0:
            silent[position] += 1
    chances = [
        majority_at(int(c), tuple(sorted(v.values(), reverse=True)), int(s), ks)
        for c, v, s in zip(right, votes, silent, strict=True)
    ]
    return dict(zip(ks, np.array(chances).reshape(size, len(ks)).T, strict=True))


def _wrong_steps(run: Run, rows: Ints, size: int) -> Estimate:
    if run.steps is None:
        return estimates.NOTHING
    steps = np.where(run.outcome(run.gold, rows) == 1, run.outcome(run.steps, rows), np.nan)
    held, decided = estimates.per_problem(steps, run.samples.problem[rows], size)
    return estimates.proportion(decided - held, decided)


def confusion(run: Run, rows: Ints, split: str, verifier: str, against: str | None = None) -> Ints:
    """Counts per problem of a verifier against another (the gold, unless named) on rows of a split."""
    left, right = run.outcome(verifier, rows), run.outcome(against or run.gold, rows)
    return reward_quality.confusion(left, right, run.samples.problem[rows], run.size(split))


def _training_data(run: Run, arm: Arm, iteration: int, steps: tuple[tuple[Arm, Checkpoint], ...]) -> TrainingData:
    size = run.size(TRAIN)
    nothing = Choice(rows=np.zeros(0, np.int64), weight=np.zeros(0), dropped_by=())
    choices = [run.choices.get(checkpoint.id, nothing) for _, checkpoint in steps]
    rows = np.concatenate([choice.rows for choice in choices])
    kept = [_gold_counts(run, choice.kept, size) for choice in choices]
    covered = [np.bincount(run.samples.problem[choice.kept], minlength=size) > 0 for choice in choices]
    verdict = np.concatenate(
        [run.outcome(replica.verifier, choice.rows) for (replica, _), choice in zip(steps, choices, strict=True)]
    )
    scored = sum(run.scored(replica.verifier, choice.rows) for (replica, _), choice in zip(steps, choices, strict=True))
    known = _by_definition if arm.gold else lambda estimate: estimate
    return TrainingData(
        arm=arm,
        iteration=iteration,
        steps=steps,
        sampled=len(rows),
        accepted=int((verdict == 1).sum()),
        undecided=scored - int((~np.isnan(verdict)).sum()),
        dropped=dict(sorted(Counter(rule for choice in choices for rule in choice.dropped_by if rule).items())),
        kept=sum(len(choice.kept) for choice in choices),
        negatives=sum(choice.negatives for choice in choices),
        accepted_precision=known(estimates.proportion(*_gold_counts(run, rows[verdict == 1], size))),
        precision=known(estimates.proportion(*_summed(kept))),
        problems=size * len(steps),
        covered=sum(int(some.sum()) for some in covered),
        poisoned=sum(
            int((some & (counts.decided > 0) & (counts.correct == 0)).sum())
            for some, counts in zip(covered, kept, strict=True)
        ),
    )


def _gold_counts(run: Run, rows: Ints, size: int) -> Counts:
    return estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], size)


def _by_definition(estimate: Estimate) -> Estimate:
    """The precision of the gold's own selection: known by definition, so its interval has no width."""
    return dataclasses.replace(estimate, low=estimate.value, high=estimate.value)
