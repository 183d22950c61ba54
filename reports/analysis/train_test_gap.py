"""Accuracy on training problems against accuracy on test problems, of each checkpoint that was sampled on both.

Takes Findings; gives one TrainTest a checkpoint of an arm. The E-step of iteration t + 1 samples the training problems
from checkpoint t, so that an arm's last checkpoint has no training samples, unless the suite asks for them
(`sampling.train_at_end`). Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from restem.harness.store.records import FOREIGN
from restem.reports.analysis.findings import TRAIN, Findings, Standing
from restem.reports.data.run import Arm, Run, base_of
from restem.reports.stats import estimates
from restem.reports.stats.estimates import NOTHING, Counts, Estimate, Ints


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainTest:
    """A checkpoint by the gold on both splits; of an arm with replicates, all of them together.

    Attributes:
        train: Nothing where the training problems were not sampled from it; then the next two are nothing as well.
        gap: `train` less `test`: other problems, so as of independent ones.
        beyond: What was gained over the base on training problems less what was gained on test problems; in which the
            difficulty of the problems cancels. Nothing for the base itself.
    """

    arm: Arm | None
    iteration: int
    train: Estimate
    test: Estimate
    gap: Estimate
    beyond: Estimate


def train_test_gaps(findings: Findings) -> list[TrainTest]:
    """The base and every arm's checkpoints; empty where no training problem was sampled."""
    run, base = findings.run, findings.base
    sampled = [arm for arm in run.arms if trained_from(run, arm)]
    if base is None or not sampled:
        return []
    before = _counts(run, _bases(run, sampled))
    results = [_train_test(None, base, before, None, None)]
    for arm in run.arms:
        drawn = trained_from(run, arm)
        own = _counts(run, drawn.get(0, ()))
        for iteration in range(1, findings.run.iterations + 1):
            standing = findings.standings.get((arm.name, iteration))
            if standing and standing.accuracy.n:
                results.append(_train_test(arm, standing, _counts(run, drawn.get(iteration, ())), own, base.counts))
    return results


def trained_from(run: Run, arm: Arm) -> dict[int, list[Ints]]:
    """Iteration -> the stored training samples of it on the problems that the arm uses, one array a replicate."""
    drawn: dict[int, list[Ints]] = {}
    for replica in run.replicates(arm):
        chain = run.chain(replica.name)
        for source in dict.fromkeys([*map(base_of, chain), *(checkpoint.id for checkpoint in chain)]):
            row = run.checkpoints.get(source)
            rows = run.rows(source, TRAIN) if row and row.iteration else run.first_rows(replica)
            if len(rows) and (row is None or row.kind not in FOREIGN):
                drawn.setdefault(row.iteration if row else 0, []).append(rows)
    return drawn


def _bases(run: Run, arms: Sequence[Arm]) -> list[Ints]:
    """The training samples of what the arms begin with, each once."""
    firsts = sorted({replica.first for arm in arms for replica in run.replicates(arm)})
    own = [first for first in firsts if first not in run.checkpoints or run.checkpoints[first].kind not in FOREIGN]
    return [run.rows(first, TRAIN) for first in own]


def _counts(run: Run, drawn: Sequence[Ints]) -> Counts | None:
    """The gold's counts on training samples; None where it decided none."""
    rows = np.concatenate([np.zeros(0, np.int64), *drawn])
    counts = estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(TRAIN))
    return counts if counts.decided.any() else None


def _where(train: Counts, base: Counts) -> Counts:
    """The base's counts on the problems of the other: an arm may use some of the training problems alone."""
    used = train.decided > 0
    return Counts(base.correct * used, base.decided * used)


def _train_test(
    arm: Arm | None, standing: Standing, train: Counts | None, base: Counts | None, tested: Counts | None
) -> TrainTest:
    accuracy = estimates.proportion(*train) if train else NOTHING
    gains = (
        estimates.paired(train, _where(train, base)) if train and base else None,
        (estimates.paired(standing.counts, tested) if tested else None),
    )
    return TrainTest(
        arm=arm,
        iteration=standing.iteration,
        train=accuracy,
        test=standing.accuracy,
        gap=estimates.apart(accuracy, standing.accuracy) if train else NOTHING,
        beyond=estimates.apart(gains[0], gains[1]) if gains[0] and gains[1] else NOTHING,
    )
