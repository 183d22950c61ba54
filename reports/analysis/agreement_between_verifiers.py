"""Verifiers side by side on the test samples of all checkpoints: pairs, all together, and against their own consensus.

Takes a Run; gives estimates with names. Controls take no part: they agree with others by chance alone, and a
coefficient over all verifiers would depend on their number. Human annotators take part in pairs only: they marked a few
samples, to which all others would be restricted. Every figure counts a problem's samples, of all checkpoints and
replicates, as one cluster.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from restem.harness.names import BASE, HUMAN, LABEL, unmarked
from restem.reports.analysis.findings import TEST, Findings, Standing, averaged, majority_by_problem
from restem.reports.analysis.verifier_quality import Drawn, against, called, every, judged, places
from restem.reports.data.run import Run
from restem.reports.stats import dawid_skene, estimates, paired_tests, reward_quality
from restem.reports.stats.agreement import Reliability, reliability
from restem.reports.stats.best_of_k import best_of_k
from restem.reports.stats.dawid_skene import LatentClasses
from restem.reports.stats.error_correlation import error_correlation
from restem.reports.stats.estimates import Counts, Estimate, Floats, Ints
from restem.reports.stats.paired_tests import Flips, Homogeneity
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT
from restem.reports.stats.rogan_gladen import excess, excess_draws, rogan_gladen
from restem.reports.stats.seeds import of_both


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifierPair:
    """Two verifiers on the same samples; `flips` are samples that the left alone, and the right alone, accepts."""

    left: str
    right: str
    agreement: reward_quality.Agreement
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
        """The pair whose verdicts correlate most beyond what the model explains."""
        residual = self.classes.residual
        if np.isnan(residual).all():
            return None
        left, right = divmod(int(np.nanargmax(np.abs(residual))), len(self.names))
        return self.names[left], self.names[right], float(residual[left, right])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Correction:
    """A verifier's mean reward on a checkpoint, raw, corrected by its rates at the base, and beside the gold.

    All on the samples that both decided, so that samples which one left undecided make no difference of the two; on
    all that the verifier decided where the gold decided none.

    Attributes:
        bounds: The reward if all other scored samples were rejected, and if all were accepted.
        excess: Corrected less gold; its interval is of these seeds.
        seeded: The same of other seeds on other problems; NaN where there is one replicate alone.
    """

    verifier: str
    checkpoint: str
    reward: Estimate
    bounds: tuple[float, float]
    corrected: Estimate
    gold: Estimate
    excess: Estimate
    seeded: Estimate


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
    """Accuracy of one answer out of k samples under a rule of choice (oracle, majority, a verifier): k -> estimate."""

    standing: Standing
    by: str
    accuracy: dict[int, Estimate]


def informed(run: Run) -> list[str]:
    """The verifiers that are compared; controls, humans and a column of labels left out."""
    without = (*run.controls, LABEL)
    return [name for name in run.compared if name not in without and not name.startswith(HUMAN)]


def pairs(run: Run) -> list[VerifierPair]:
    """Every pair of verifiers but the controls; p: that both accept equally often, corrected for all pairs (Holm)."""
    drawn = every(run)
    names = [*([run.gold] if run.gold in run.outcomes else []), *run.compared]
    names = [name for name in names if name not in run.controls]
    tables = [(a, b, against(run, drawn, a, b)) for i, a in enumerate(names) for b in names[i + 1 :]]
    flips = [paired_tests.mcnemar(table[:, FALSE_ACCEPT], table[:, FALSE_REJECT]) for *_, table in tables]
    adjusted = estimates.holm([flip.p_value for flip in flips])
    return [
        VerifierPair(left=left, right=right, agreement=reward_quality.agreement(table), flips=flip, adjusted_p=p)
        for (left, right, table), flip, p in zip(tables, flips, adjusted, strict=True)
    ]


def together(run: Run) -> Together | None:
    """The gold and all verifiers but the controls, on samples that all were asked of.

    None where those are fewer than three, which the table of pairs covers, or where no sample was judged by all.
    """
    names = (*([run.gold] if run.gold in run.outcomes else []), *informed(run))
    if len(names) < 3:
        return None
    rows, ratings = judged(run, every(run), names, by_all=True)
    if not len(rows):
        return None
    problem, size = run.samples.problem[rows], run.size(TEST)
    shared = ~np.isnan(ratings).any(axis=0)
    accepts = [np.bincount(problem[shared], row[shared], minlength=size) for row in ratings]
    seen = np.bincount(problem[shared], minlength=size) > 0
    return Together(
        names=names,
        reliability=reliability(ratings, problem, size),
        homogeneity=paired_tests.cochran_q(np.stack(accepts, axis=1)[seen]),
    )


def second_opinion(run: Run) -> SecondOpinion | None:
    """Error rates from the verifiers' agreement alone; None where they are too few for the model.

    Samples with fewer verdicts than the model wants of verifiers are left out, of the gold's figures as well.
    """
    names = tuple(informed(run))
    if not names:
        return None
    rows, (gold, *ratings) = judged(run, every(run), (run.gold, *names))
    enough = (~np.isnan(ratings)).sum(axis=0) >= dawid_skene.FEWEST
    gold, verdicts, problem = gold[enough], np.stack(ratings)[:, enough], run.samples.problem[rows[enough]]
    classes = dawid_skene.fit(verdicts)
    if classes is None:
        return None
    rates = [
        reward_quality.rates(reward_quality.confusion(outcome, gold, problem, run.size(TEST)).sum(axis=0))
        for outcome in verdicts
    ]
    return SecondOpinion(
        names=names,
        samples=len(rows),
        classes=classes,
        tpr=tuple(float(tpr) for tpr, _ in rates),
        fpr=tuple(float(fpr) for _, fpr in rates),
        prevalence=float(np.nanmean(gold)) if not np.isnan(gold).all() else math.nan,
    )


def corrections(findings: Findings) -> list[Correction]:
    """Each verifier's reward on every trained checkpoint, corrected by the rates it had on the base's samples."""
    run = findings.run
    trained = {place: drawn for place, drawn in places(run).items() if place != BASE}
    results = [_correction(run, name, place, drawn) for name in informed(run) for place, drawn in trained.items()]
    return [item for item in results if item.reward.n]


def _correction(run: Run, verifier: str, place: str, drawn: Sequence[Drawn]) -> Correction:
    reward, table, gold = _ingredients(run, verifier, drawn)
    scored = sum(run.scored(name, run.rows(id, TEST)) for id, (name,) in called(run, drawn, (verifier,)))
    apart = np.stack([excess_draws(*_ingredients(run, verifier, [draw])) for draw in drawn])
    value = excess(reward, table, gold)
    return Correction(
        verifier=verifier,
        checkpoint=place,
        reward=estimates.proportion(*reward),
        bounds=estimates.undecided_bounds(int(reward.correct.sum()), int(reward.decided.sum()), scored),
        corrected=rogan_gladen(reward, table),
        gold=estimates.proportion(*gold),
        excess=value,
        seeded=of_both(value.value, apart, value.clusters),
    )


def _ingredients(run: Run, verifier: str, drawn: Sequence[Drawn]) -> tuple[Counts, Ints, Counts]:
    """The reward's counts, the verifier's table on the base, and the gold's counts; in the replicates drawn."""
    rows, (outcome, gold) = judged(run, drawn, (verifier, run.gold))
    both = ~np.isnan(outcome) & ~np.isnan(gold)
    if both.any():
        outcome, gold = (np.where(both, values, np.nan) for values in (outcome, gold))
    problem, size = run.samples.problem[rows], run.size(TEST)
    table = against(run, [(BASE, number) for _, number in drawn], verifier)
    return estimates.per_problem(outcome, problem, size), table, estimates.per_problem(gold, problem, size)


def errors(run: Run) -> list[Errors]:
    """Each verifier's errors by the gold."""
    drawn, results = every(run), []
    for name in informed(run):
        table = against(run, drawn, name)
        wrong = table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT]
        correct = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]
        results.append(
            Errors(
                verifier=name,
                fpr=estimates.proportion(table[:, FALSE_ACCEPT], wrong),
                accepts=error_correlation(table[:, FALSE_ACCEPT], wrong),
                fnr=estimates.proportion(table[:, FALSE_REJECT], correct),
                rejects=error_correlation(table[:, FALSE_REJECT], correct),
            )
        )
    return [item for item in results if item.fpr.n or item.fnr.n]


def choosing(findings: Findings) -> list[Choosing]:
    """Base and last checkpoint of each arm: the oracle (pass@k), the vote (maj@k), and each verifier (best-of-k)."""
    results: list[Choosing] = []
    for standing in (findings.base, *(findings.last(arm) for arm in findings.run.arms)):
        if standing is None or len(standing.passed) < 2:
            continue
        ks = tuple(standing.passed)
        parts = [_chosen(findings.run, part, ks) for part in standing.replicates or (standing,)]
        results.append(Choosing(standing=standing, by="oracle", accuracy=dict(standing.passed)))
        # Only verifiers that chose in every replicate: the oracle beside them is a mean over all replicates.
        for name in (name for name in parts[0] if all(name in part for part in parts)):
            accuracy = {k: estimates.mean(averaged([part[name][k] for part in parts])) for k in ks}
            results.append(Choosing(standing=standing, by=name, accuracy=accuracy))
    return results


def _chosen(run: Run, standing: Standing, ks: Sequence[int]) -> dict[str, dict[int, Floats]]:
    """Rule of choice -> k -> accuracy of each problem, on the test samples of one checkpoint.

    A verifier that has another seed in each replicate is the replicate's, under the name of the first.
    """
    rows, size = run.rows(standing.checkpoint, TEST), run.size(TEST)
    mark = standing.arm.name.removeprefix(unmarked(standing.arm.name)) if standing.arm else ""
    problem, gold = run.samples.problem[rows], run.outcome(run.gold, rows)
    accuracy = {"majority": majority_by_problem(run, rows, gold, size, tuple(ks))}
    for name in informed(run):
        score = run.outcome(name + mark if name + mark in run.outcomes else name, rows)
        if not np.isnan(score).all():
            accuracy[name] = {k: best_of_k(score, gold, problem, size, k) for k in ks}
    return accuracy
