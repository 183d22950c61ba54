"""The law as tables: what it predicted of every step, and what was observed; what seeds change.

Takes Findings and the steps of `analysis/predictions.py`; gives Tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from restem.reports.analysis.predictions import Compared, PredictedStep, within
from restem.reports.stats import law
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.format import DASH, change, difference, estimate, number
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def law_table(steps: Sequence[PredictedStep], eta: Estimate) -> Table:
    """Predicted and observed accuracy of every step: F1, F2, F3."""
    several = any(step.accuracy.seeded.n > 1 for step in steps)
    fitted = (
        f"η = {eta.value:.2f} [{eta.low:.2f}, {eta.high:.2f}] is fitted on the gold arm and carried to the others"
        if not math.isnan(eta.value)
        else "no gold arm has made a step, so η is not known and F3 predicts nothing"
    )
    return Table.of(
        steps,
        [
            Column("arm", "Arm", lambda step: step.arm, names=True),
            Column("iteration", "Iteration", lambda step: str(step.iteration)),
            Column("odds_before", "Odds before", lambda step: _odds(step.before)),
            Column("before", "Accuracy before, %", lambda step: number(step.before)),
            Column("tpr", "TPR, %", lambda step: _unless_gold(step, "100.0", estimate(step.quality.tpr))),
            Column("fpr", "FPR, %", lambda step: _unless_gold(step, "0.0", estimate(step.quality.fpr))),
            Column("ratio", "LR+", lambda step: "∞" if step.gold else estimate(step.quality.likelihood_ratio, 2, 1)),
            Column("odds_ideal", "Ideal odds (F1)", lambda step: _odds(step.ideal.value)),
            Column("ideal", "Ideal accuracy (F1), %", lambda step: estimate(step.ideal)),
            Column("chain", "Ideal chain from base (F2), %", lambda step: number(step.ideal_chain)),
            Column("predicted", "Predicted (F3), %", lambda step: estimate(step.accuracy.predicted)),
            Column("observed", "Observed, %", lambda step: estimate(step.accuracy.observed)),
            Column("odds_observed", "Observed odds", lambda step: _odds(step.accuracy.observed.value)),
            Column("residual", "Observed − predicted, points", lambda step: difference(step.accuracy.residual)),
            Column(
                "over_seeds", "The same over seeds and problems, points", lambda step: difference(step.accuracy.seeded)
            )
            if several
            else None,
        ],
        id="law",
        title="Predicted and observed",
        note=(
            "F1: odds after an ideal step = odds × TPR / FPR, measured on the training samples. F2: the same from the "
            f"base on with one LR+. F3: p + η (ideal − p), p of the policy that training started from; "
            f"{fitted}. A residual whose interval leaves out 0 is an "
            "effect that F3 with this η does not explain: one η for all iterations, as the gold arm's own residuals "
            f"show, or systematic errors, lost diversity, forgetting. {_both(several)}"
        ),
    )


def _both(several: bool) -> str:
    """For a note: what the intervals cover, where arms have replicates."""
    return (
        f"{CLUSTERED} Over seeds and problems: of other seeds on other problems. For it each replicate is a run of its "
        "own, with the η of its own gold arm; the base's samples are resampled with all others. So what seeds and "
        "problems do to the base, to η and to the arm itself are all in it."
        if several
        else CLUSTERED
    )


def _unless_gold(step: PredictedStep, by_definition: str, measured: Cell) -> Cell:
    return Cell(by_definition, "by definition") if step.gold else measured


def _odds(value: float) -> str:
    return number(float(law.odds(value)), 2, 1)


def change_table(steps: Sequence[PredictedStep], summary: str) -> Table:
    """Predicted and observed change of log-odds of every step: the scale on which ideal steps add up.

    Args:
        summary: Sentences on how many residuals may be zero, which end the note.
    """
    several = any(step.change.seeded.n > 1 for step in steps)
    return Table.of(
        [step for step in steps if not math.isnan(step.change.predicted.value)],
        [
            Column("arm", "Arm", lambda step: Cell(step.arm, "gold: fitted" if step.gold else ""), names=True),
            Column("iteration", "Iteration", lambda step: str(step.iteration)),
            Column("ratio", "LR+", _ratio),
            Column("predicted", "Predicted", lambda step: change(step.change.predicted)),
            Column("observed", "Observed", lambda step: change(step.change.observed)),
            Column("residual", "Observed − predicted", lambda step: change(step.change.residual)),
            Column("over_seeds", "The same over seeds and problems", lambda step: change(step.change.seeded))
            if several
            else None,
            Column(
                "within",
                "0 within, by problem" + (" / over seeds and problems" if several else ""),
                lambda step: _explained(step.change),
            ),
        ],
        id="change",
        title="Change of log-odds, predicted and observed",
        note=(
            "log(p / (1 − p)) of gold accuracy on the test split, less that of the policy that training started from; "
            f"predicted by F3. {_both(several)} {summary}"
        ),
    )


def _ratio(step: PredictedStep) -> str:
    return "∞" if step.gold else number(step.quality.likelihood_ratio.value, 2, 1)


def _explained(compared: Compared) -> str:
    """Whether a residual may be zero: by problem, and over seeds and problems where it has replicates."""
    seeds = f" / {_yes(compared.seeded)}" if compared.seeded.n > 1 else ""
    return f"{_yes(compared.residual)}{seeds}"


def _yes(residual: Estimate) -> str:
    if math.isnan(residual.low):
        return DASH
    return "yes" if within(residual) else "no"
