"""Proxy reward against gold accuracy as a verifier picks the best of k samples: over-optimisation without training.

Takes Findings; gives one Curve a verifier and checkpoint. The proxy is what the verifier itself gives its pick (its
score where it grades, else its outcome); the gold says what that sample is worth. Where the two part as k
grows, choosing harder finds the verifier's errors (Gao, Schulman and Hilton 2023, arXiv:2210.10760). Does not depend on
tables or figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from restem.harness.names import unmarked
from restem.reports.analysis.agreement_between_verifiers import informed
from restem.reports.analysis.findings import TEST, Findings, Standing, averaged
from restem.reports.data.run import Run
from restem.reports.stats import estimates
from restem.reports.stats.best_of_k import best_of_k
from restem.reports.stats.estimates import Estimate, Floats, Ints, t_mean

ENOUGH = 0.8  # share of the problems that must have k decided samples for a curve to go up to k


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """A verifier that picks one of k test samples of a checkpoint, expected over all subsets; mean over problems.

    A curve goes up to the largest k that ENOUGH of the problems have; only these problems count, at every k alike.

    Attributes:
        arm: Whose last checkpoint it is; "" for the base.
        proxy: k -> the verifier's reward of the sample that it picks.
        gold: k -> the gold accuracy of the same.
        parted: Proxy less gold at the largest k, less the same at k = 1: 0 where choosing harder is worth what the
            verifier says.
    """

    verifier: str
    arm: str
    iteration: int
    proxy: Mapping[int, Estimate]
    gold: Mapping[int, Estimate]
    parted: Estimate

    @property
    def most(self) -> int:
        """The largest k."""
        return max(self.proxy)


def curves(findings: Findings) -> list[Curve]:
    """Each verifier that is no control: on the base, and on the last checkpoint of arms that were trained on it."""
    most, run = findings.samples_per_problem, findings.run
    if most < 2:
        return []
    places = [
        (name, standing)
        for name in informed(run)
        for standing in (findings.base, *(findings.last(arm) for arm in run.arms if arm.verifier == name))
        if standing
    ]
    return [curve for name, standing in places if (curve := _curve(run, name, standing, most))]


def score_of(run: Run, verifier: str, rows: Ints) -> Floats:
    """A verifier's score of rows: its outcome where it has given no other scores than 0 and 1; NaN where undecided."""
    scores = run.scores.get(verifier)
    return run.outcome(verifier, rows) if scores is None else scores[rows]


def _curve(run: Run, verifier: str, standing: Standing, most: int) -> Curve | None:
    parts = [_picked(run, verifier, part, most) for part in standing.replicates or (standing,)]
    proxy, gold = ({k: averaged([part[side][k] for part in parts]) for k in range(1, most + 1)} for side in (0, 1))
    known = {k: ~np.isnan(values) for k, values in gold.items()}
    largest = max((k for k in known if known[k].sum() >= ENOUGH * max(1, known[1].sum())), default=0)
    if largest < 2:
        return None
    used = known[largest]
    return Curve(
        verifier=verifier,
        arm=standing.arm.name if standing.arm else "",
        iteration=standing.iteration,
        proxy={k: estimates.mean(proxy[k][used]) for k in range(1, largest + 1)},
        gold={k: estimates.mean(gold[k][used]) for k in range(1, largest + 1)},
        parted=t_mean((proxy[largest] - gold[largest] - (proxy[1] - gold[1]))[used]),
    )


def _picked(run: Run, verifier: str, standing: Standing, most: int) -> tuple[dict[int, Floats], dict[int, Floats]]:
    """Proxy and gold of each problem by k, on the samples of one checkpoint that the verifier and the gold decided.

    A verifier that has another seed in each replicate is the replicate's.
    """
    rows = run.rows(standing.checkpoint, TEST)
    marked = verifier + (standing.arm.name.removeprefix(unmarked(standing.arm.name)) if standing.arm else "")
    score, gold = score_of(run, marked if marked in run.outcomes else verifier, rows), run.outcome(run.gold, rows)
    both = ~np.isnan(score) & ~np.isnan(gold)
    score, gold, problem, size = score[both], gold[both], run.samples.problem[rows[both]], run.size(TEST)
    ks = range(1, most + 1)
    return {k: best_of_k(score, score, problem, size, k) for k in ks}, {
        k: best_of_k(score, gold, problem, size, k) for k in ks
    }
