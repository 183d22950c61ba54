"""TPR, FPR, precision of the kept data, and gain, by how difficult the problems are for the base.

Takes Findings; gives one ByDifficulty an arm and band. Were a problem sorted by the very samples that its figures are
taken from, the hardest band would gain from an arm that changes nothing: what was unlucky once is less so the second
time (regression to the mean). So the base's even-numbered samples of a problem sort it, and every figure is of samples
that did not: the odd-numbered ones of the base, and those of later checkpoints. Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, TRAIN, Findings, Standing
from restem.reports.analysis.selection import selected
from restem.reports.analysis.verifier_quality import called
from restem.reports.data.run import EM, Arm, Bools, Run
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Counts, Difference, Estimate, Ints

EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the pass rate; a band holds its lower edge, the last one both
BANDS = len(EDGES) - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByDifficulty:
    """An arm on the problems whose pass rate, in the half of the base's samples that sorts them, lies in one band.

    Attributes:
        band: Its number, the hardest first; it lies between EDGES[band] and EDGES[band + 1].
        problems: Test problems.
        base: The base's accuracy on them, from the other half of its samples.
        tpr: Of the arm's verifier, on that other half; so is the next.
        precision: Share of the gold's correct ones among what the arm's selection keeps of the base's other half of
            training samples, on training problems of the same band.
        gain: Accuracy after the arm's last iteration less `base`, paired by problem.
    """

    arm: Arm
    iteration: int
    band: int
    problems: int
    base: Estimate
    tpr: Estimate
    fpr: Estimate
    precision: Estimate
    gain: Difference | None


def by_difficulty(findings: Findings) -> list[ByDifficulty]:
    """Every arm's last iteration on each band of test problems; nothing where each problem has one sample."""
    run, lasts = findings.run, [last for arm in findings.run.arms if (last := findings.last(arm))]
    bands, rows = sorted_by(run, TEST, [run.rows(BASE, TEST)])
    if not len(rows) or not (bands >= 0).any():
        return []
    return [item for last in lasts for item in _of_arm(run, last, bands, rows)]


def sorted_by(run: Run, split: str, drawn: list[Ints]) -> tuple[Ints, Ints]:
    """The band of each problem of a split by the even-numbered of the rows drawn, and the rows that did not sort.

    A problem's band is -1 where the gold decided none of the samples that sort it.
    """
    size, problem = run.size(split), run.samples.problem
    sorting = np.concatenate([rows[even_numbered(problem[rows])] for rows in drawn])
    counts = estimates.per_problem(run.outcome(run.gold, sorting), problem[sorting], size)
    rate = estimates.ratio(*counts)
    bands = np.where(np.isnan(rate), -1, np.minimum(np.searchsorted(EDGES, rate, "right") - 1, BANDS - 1))
    return bands, np.concatenate([rows[~even_numbered(problem[rows])] for rows in drawn])


def even_numbered(problem: Ints) -> Bools:
    """Every second sample of each problem, the first one included; a problem's samples stand together."""
    first = np.searchsorted(problem, problem)
    return (np.arange(len(problem)) - first) % 2 == 0


def _of_arm(run: Run, last: Standing, bands: Ints, rows: Ints) -> list[ByDifficulty]:
    arm = last.arm
    assert arm
    size, problem = run.size(TEST), run.samples.problem
    base = estimates.per_problem(run.outcome(run.gold, rows), problem[rows], size)
    names = [verifier for _, (verifier,) in called(run, _bases(run), (arm.verifier,))]
    tables = [
        reward_quality.confusion(run.outcome(name, rows), run.outcome(run.gold, rows), problem[rows], size)
        for name in names
    ]
    table = np.sum(tables, axis=0)
    correct, wrong = table[:, 0] + table[:, 2], table[:, 1] + table[:, 3]
    kept = _kept_by_band(run, arm)
    results: list[ByDifficulty] = []
    for band in range(BANDS):
        here = bands == band
        if not here.any():
            continue
        results.append(
            ByDifficulty(
                arm=arm,
                iteration=last.iteration,
                band=band,
                problems=int(here.sum()),
                base=estimates.proportion(*_on(base, here)),
                tpr=estimates.proportion(table[here, 0], correct[here]),
                fpr=estimates.proportion(table[here, 1], wrong[here]),
                precision=kept[band],
                gain=estimates.paired(_on(last.counts, here), _on(base, here)),
            )
        )
    return results


def _bases(run: Run) -> list[tuple[str, int]]:
    return [(BASE, number) for number in range(int(run.suite.get("replicates", 1)))]


def _on(counts: Counts, here: Bools) -> Counts:
    return Counts(counts.correct[here], counts.decided[here])


def _kept_by_band(run: Run, arm: Arm) -> list[Estimate]:
    """Precision by band of what the arm keeps of the base's training samples that did not sort; all replicates."""
    replicas = run.replicates(arm)
    drawn = [run.first_rows(replica) for replica in replicas]
    if not any(len(rows) for rows in drawn) or arm.algorithm != EM:  # GRPO has no selection to run on them
        return [estimates.NOTHING] * BANDS
    bands, _ = sorted_by(run, TRAIN, drawn)
    kept = [_kept(run, replica, rows) for replica, rows in zip(replicas, drawn, strict=True)]
    rows = np.concatenate(kept)
    counts = estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(TRAIN))
    return [estimates.proportion(*_on(counts, bands == band)) for band in range(BANDS)]


def _kept(run: Run, replica: Arm, rows: Ints) -> Ints:
    rows = rows[~even_numbered(run.samples.problem[rows])]
    return selected(run, replica, rows) if len(rows) else rows
