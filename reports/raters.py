"""Verifiers side by side on the test samples of all checkpoints: pairs, all together, and against their own consensus.

Takes a Run; gives estimates with names. Controls take part in pairs only: together with them a coefficient says how
many controls there are. So do humans, who marked a few samples: of all together only those few would remain. Every
figure counts a problem's samples, of all checkpoints, as one cluster.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from harness.records import BASE, unmarked
from reports import contests, dawid_skene, metrics, quality
from reports.agreement import Reliability, reliability
from reports.best_of import best_of_k
from reports.contests import Flips, Homogeneity
from reports.correction import excess, rogan_gladen
from reports.dawid_skene import LatentClasses
from reports.dispersion import error_correlation
from reports.findings import TEST, Findings, Standing, averaged, confusion, majority_by_problem
from reports.metrics import Estimate, Floats, Ints
from reports.quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT
from reports.rows import Run

HUMAN = "human:"  # what the names of those begin with who marked samples by hand (harness/marks.py)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Two verifiers on the same samples; `flips` are samples that the left alone, and the right alone, accepts."""

    left: str
    right: str
    agreement: quality.Agreement
    flips: Flips
    adjusted_p: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Together:
    """All verifiers but the controls: how far they agree, and whether they accept equally often (Cochran's Q)."""

    names: tuple[str, ...]
    reliability: Reliability
    homogeneity: Homogeneity


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SecondOpinion:
    """Dawid and Skene's model of the verifiers without the gold, and the gold's figures on the same samples.

    Attributes:
        samples: All that there are; the model's own are those that enough verifiers decided.
    """

    names: tuple[str, ...]
    samples: int
    classes: LatentClasses
    tpr: tuple[float, ...]
    fpr: tuple[float, ...]
    prevalence: float

    @property
    def worst(self) -> tuple[str, str, float] | None:
        """The pair whose verdicts hang together most beyond what the model explains."""
        residual = self.classes.residual
        if np.isnan(residual).all():
            return None
        left, right = divmod(int(np.nanargmax(np.abs(residual))), len(self.names))
        return self.names[left], self.names[right], float(residual[left, right])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Correction:
    """A verifier's mean reward on a checkpoint, raw, corrected by its rates at the base, and beside the gold."""

    verifier: str
    checkpoint: str
    reward: Estimate
    bounds: tuple[float, float]
    corrected: Estimate
    gold: Estimate
    excess: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Errors:
    """A verifier's two kinds of errors over all test samples, and how far each clusters within problems."""

    verifier: str
    fpr: Estimate
    accepts: Estimate
    fnr: Estimate
    rejects: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choosing:
    """Accuracy of one answer out of k samples, as somebody chooses it: k -> estimate."""

    standing: Standing
    by: str
    accuracy: dict[int, Estimate]


def _rows(run: Run) -> Ints:
    """Test samples of all checkpoints but candidates."""
    kept = [c.id for c in run.checkpoints.values() if c.kind != "candidate"]
    return np.concatenate([np.zeros(0, np.int64), *(run.rows(c, TEST) for c in kept)])


def informed(run: Run) -> list[str]:
    """The verifiers that are compared, controls and humans left out."""
    return [name for name in run.compared if name not in run.controls and not name.startswith(HUMAN)]


def pairs(run: Run) -> list[Pair]:
    """Every pair of verifiers; p-values that both accept equally often are corrected for all pairs (Holm)."""
    rows = _rows(run)
    names = [*([run.gold] if run.gold in run.outcomes else []), *run.compared]
    found = [(a, b, confusion(run, rows, TEST, a, b)) for i, a in enumerate(names) for b in names[i + 1 :]]
    flips = [contests.mcnemar(table[:, FALSE_ACCEPT], table[:, FALSE_REJECT]) for *_, table in found]
    adjusted = metrics.holm([flip.p_value for flip in flips])
    return [
        Pair(left=left, right=right, agreement=quality.agreement(table), flips=flip, adjusted_p=p)
        for (left, right, table), flip, p in zip(found, flips, adjusted, strict=True)
    ]


def together(run: Run) -> Together | None:
    """The gold and all verifiers but the controls, on samples that all were asked of.

    None where those are fewer than three, as a pair says it all, or no sample was shown to all.
    """
    names = (*([run.gold] if run.gold in run.outcomes else []), *informed(run))
    if len(names) < 3:
        return None
    rows, size = _rows(run), run.size(TEST)
    rows = rows[np.all([run.outcomes[name].scored[rows] for name in names], axis=0)]
    if not len(rows):
        return None
    ratings, problem = np.stack([run.outcome(name, rows) for name in names]), run.samples.problem[rows]
    shared = ~np.isnan(ratings).any(axis=0)
    accepts = [np.bincount(problem[shared], row[shared], minlength=size) for row in ratings]
    seen = np.bincount(problem[shared], minlength=size) > 0
    return Together(
        names=names,
        reliability=reliability(ratings, problem, size),
        homogeneity=contests.cochran_q(np.stack(accepts, axis=1)[seen]),
    )


def second_opinion(run: Run) -> SecondOpinion | None:
    """What the verifiers' agreement alone says of them; None where they are too few for the model.

    Samples with fewer verdicts than the model wants of verifiers are left out, of the gold's figures as well.
    """
    names, every = tuple(informed(run)), _rows(run)
    if not names:
        return None
    ratings = np.stack([run.outcome(name, every) for name in names])
    enough = (~np.isnan(ratings)).sum(axis=0) >= dawid_skene.FEWEST
    rows, classes = every[enough], dawid_skene.fit(ratings[:, enough])
    if classes is None:
        return None
    found = [quality.rates(confusion(run, rows, TEST, name).sum(axis=0)) for name in names]
    gold = run.outcome(run.gold, rows)
    return SecondOpinion(
        names=names,
        samples=len(every),
        classes=classes,
        tpr=tuple(float(tpr) for tpr, _ in found),
        fpr=tuple(float(fpr) for _, fpr in found),
        prevalence=float(np.nanmean(gold)) if not np.isnan(gold).all() else math.nan,
    )


def corrections(findings: Findings) -> list[Correction]:
    """Each verifier's reward on every trained checkpoint, corrected by the rates it had on the base's samples."""
    run = findings.run
    arms = [replica for arm in run.arms for replica in run.replicates(arm)]
    chain = [c.id for arm in arms for c in run.chain(arm.name) if len(run.rows(c.id, TEST))]
    found: list[Correction] = []
    for name in informed(run):
        table = confusion(run, run.rows(BASE, TEST), TEST, name)
        for checkpoint in chain:
            rows = run.rows(checkpoint, TEST)
            problem, size = run.samples.problem[rows], run.size(TEST)
            reward = metrics.per_problem(run.outcome(name, rows), problem, size)
            gold = metrics.per_problem(run.outcome(run.gold, rows), problem, size)
            correct, decided = int(reward.correct.sum()), int(reward.decided.sum())
            if decided:
                found.append(
                    Correction(
                        verifier=name,
                        checkpoint=checkpoint,
                        reward=metrics.proportion(*reward),
                        bounds=metrics.undecided_bounds(correct, decided, len(rows)),
                        corrected=rogan_gladen(reward, table),
                        gold=metrics.proportion(*gold),
                        excess=excess(reward, table, gold),
                    )
                )
    return found


def errors(run: Run) -> list[Errors]:
    """Each verifier's errors by the gold."""
    rows, found = _rows(run), []
    for name in informed(run):
        table = confusion(run, rows, TEST, name)
        wrong = table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT]
        correct = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]
        found.append(
            Errors(
                verifier=name,
                fpr=metrics.rate(table[:, FALSE_ACCEPT], wrong),
                accepts=error_correlation(table[:, FALSE_ACCEPT], wrong),
                fnr=metrics.rate(table[:, FALSE_REJECT], correct),
                rejects=error_correlation(table[:, FALSE_REJECT], correct),
            )
        )
    return [item for item in found if item.fpr.n or item.fnr.n]


def choosing(findings: Findings) -> list[Choosing]:
    """Base and last checkpoint of each arm: the oracle (pass@k), the vote (maj@k), and each verifier (best-of-k)."""
    found: list[Choosing] = []
    for standing in (findings.base, *(findings.last(arm) for arm in findings.run.arms)):
        if standing is None or len(standing.passed) < 2:
            continue
        ks = tuple(standing.passed)
        parts = [_chosen(findings.run, part, ks) for part in standing.replicates or (standing,)]
        found.append(Choosing(standing=standing, by="oracle", accuracy=dict(standing.passed)))
        # Only who chose in every replicate: the mean of some stands beside the oracle's of all.
        for name in (name for name in parts[0] if all(name in part for part in parts)):
            accuracy = {k: metrics.mean(averaged([part[name][k] for part in parts])) for k in ks}
            found.append(Choosing(standing=standing, by=name, accuracy=accuracy))
    return found


def _chosen(run: Run, standing: Standing, ks: Sequence[int]) -> dict[str, dict[int, Floats]]:
    """Who chooses -> k -> accuracy of each problem, on the test samples of one checkpoint.

    In a replicate a verifier that errs under another seed there is the replicate's own, under the name of the first.
    """
    rows, size = run.rows(standing.checkpoint, TEST), run.size(TEST)
    mark = standing.arm.name.removeprefix(unmarked(standing.arm.name)) if standing.arm else ""
    problem, gold = run.samples.problem[rows], run.outcome(run.gold, rows)
    found = {"majority": {k: majority_by_problem(run, rows, gold, size, k) for k in ks}}
    for name in informed(run):
        score = run.outcome(name + mark if name + mark in run.outcomes else name, rows)
        if not np.isnan(score).all():
            found[name] = {k: best_of_k(score, gold, problem, size, k) for k in ks}
    return found
