"""What training on a verifier is predicted to bring, from the base's training samples and verdicts alone.

Takes a Run that has the base's samples on the training split; gives, for an arm, the texts that its selection keeps of
them and the gains of every iteration (`stats/predictor.py`). The selection is that of the E-step, run on the stored
verdicts: so duplicates, the cap, a majority rule and any pattern of errors are in it. Training problems are resampled,
and the predictor's own error is drawn, so that an interval holds for other problems and for the predictor being wrong
as it was on the suites of docs/prediction.md; other seeds are not in it.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Sequence

import numpy as np

from restem.reports.analysis.findings import TRAIN
from restem.reports.analysis.selection import selected
from restem.reports.data.run import Arm, Run
from restem.reports.stats import estimates, predictor
from restem.reports.stats.estimates import Estimate, Floats, Ints

FEW = 5  # problems with a wrong kept text, below which resamples show too little of them
KEPT_RIGHT, KEPT, KEPT_DECIDED, DISTINCT_RIGHT, DISTINCT, RIGHT, DECIDED = range(7)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Iteration:
    """One predicted M-step; the first draw is the value, the others are of resampled problems.

    Attributes:
        kept: Precision of what it is trained on; NaN where that is nothing, or nothing that the gold decided.
        change: Of the log-odds of accuracy, over the base: 0 where nothing is kept, NaN where the gold decided none, or
            where the arm is not predictable.
        error: The predictor's own error of that, in log-odds; 0 for the value.
    """

    kept: Floats
    change: Floats
    error: Floats

    def gain(self, accuracy: Floats) -> Floats:
        """Gain in accuracy over a base of this accuracy (draws)."""
        return predictor.moved(accuracy, self.change + self.error) - accuracy


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """What an arm's selection keeps of the base's samples, and what training on that is predicted to bring.

    Attributes:
        counts: A row a training problem, columns as named above: kept texts that are right, kept, kept and decided by
            the gold; distinct texts that are right and decided; samples that are right and decided.
        accuracy: Of the base on these training problems, as draws.
        distinct: Precision of the base's distinct texts, as draws.
        iterations: One after another; one alone where training does not start from the base each time, or where no
            change can be predicted.
    """

    arm: Arm
    counts: Ints
    accuracy: Floats
    distinct: Floats
    iterations: tuple[Iteration, ...]

    @property
    def kept(self) -> float:
        """Kept texts a problem."""
        return float(self.counts[:, KEPT].mean())

    @property
    def poisoned(self) -> float:
        """Share of the problems whose kept texts are all wrong."""
        return float(np.mean((self.counts[:, KEPT_DECIDED] > 0) & (self.counts[:, KEPT_RIGHT] == 0)))

    def estimate(self, draws: Floats) -> Estimate:
        """Draws as a value with its 95 % interval."""
        clusters = len(self.counts)
        return estimates.bootstrapped(float(draws[0]), draws[1:], int(self.counts[:, DECIDED].sum()), clusters)


def forecast(run: Run, arm: Arm, replicates: Sequence[Arm], problems: int) -> Forecast:
    """The forecast of an arm.

    Args:
        replicates: The arm under each seed whose base samples are used, with the verifier that it has there.
        problems: Only the first training problems, this many.
    """
    counts = np.sum([_counts(run, replica) for replica in replicates], axis=0)[:problems]
    whole = np.vstack([counts.sum(axis=0)[None].astype(np.float64), estimates.resampled(counts)])
    kept = estimates.ratio(whole[:, KEPT_RIGHT], whole[:, KEPT_DECIDED] + _unseen_wrong(counts, arm))
    distinct = estimates.ratio(whole[:, DISTINCT_RIGHT], whole[:, DISTINCT])
    nothing = whole[:, KEPT] == 0  # trains nothing, which changes as little as texts at the neutral point
    neutral = np.where(nothing, distinct, kept)
    iterations = arm.iterations if arm.restarts and arm.predictable else 1
    steps = predictor.chain(neutral, distinct, iterations, copies=not arm.selection.dedupe)
    error = np.where(nothing, 0.0, _errors(arm.name))
    return Forecast(
        arm=arm,
        counts=counts,
        accuracy=estimates.ratio(whole[:, RIGHT], whole[:, DECIDED]),
        distinct=distinct,
        iterations=tuple(
            Iteration(
                kept=np.where(nothing, np.nan, kept),
                change=change if arm.predictable else np.full_like(change, np.nan),
                error=error,
            )
            for kept, change in steps
        ),
    )


def share_of(gain: Floats, ceiling: Floats) -> Floats:
    """Gain as a share of the ceiling's, as draws; NaN where the ceiling is predicted to gain nothing."""
    return np.where(ceiling > 0, estimates.ratio(gain, ceiling), np.nan)


def ahead(left: Floats, right: Floats) -> float:
    """Probability that the left gains more, from draws of both; a draw in which both are equal counts half."""
    difference = (left - right)[1:]
    known = difference[~np.isnan(difference)]
    return float(np.mean((known > 0) + 0.5 * (known == 0))) if known.size else math.nan


def _counts(run: Run, arm: Arm) -> Ints:
    """The columns of `Forecast.counts` for every training problem."""
    rows, size = run.first_rows(arm), run.size(TRAIN)
    kept = selected(run, arm, rows)
    _, first = np.unique(run.samples.text[rows], return_index=True)
    columns: list[Ints] = []
    for chosen in (kept, rows[first], rows):
        counted = estimates.per_problem(run.outcome(run.gold, chosen), run.samples.problem[chosen], size)
        columns += [counted.correct, counted.decided]
    columns.insert(KEPT, np.bincount(run.samples.problem[kept], minlength=size))
    return np.stack(columns, axis=1)


def _unseen_wrong(counts: Ints, arm: Arm) -> Floats:
    """Wrong kept texts to add to each draw, where hardly any were seen: resamples of none are none.

    As much as an average problem keeps, times an exponential: where none was seen the precision is then, with 95 %,
    above 1 - 3 / problems (the rule of three, Hanley and Lippman-Hand 1983). The gold's own selection has none.
    """
    added = np.zeros(estimates.DRAWS + 1)
    wrong = int((counts[:, KEPT_DECIDED] > counts[:, KEPT_RIGHT]).sum())
    if not arm.gold and wrong < FEW and len(counts):
        draws = np.random.default_rng(estimates.SEED).exponential(size=estimates.DRAWS)
        added[1:] = draws * counts[:, KEPT_DECIDED].mean()
    return added


def _errors(name: str) -> Floats:
    """Draws of the predictor's own error, other ones for every arm: t distributed, as it is known from few suites."""
    draws = np.random.default_rng((estimates.SEED, zlib.crc32(name.encode()))).standard_t(
        predictor.FREEDOM, size=estimates.DRAWS
    )
    return np.append(0.0, predictor.ERROR * draws)
