"""The predictor as a table: what it predicted of every step from the base's samples alone, and what was observed.

Takes the steps of `analysis/predictions.py`; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.predictions import PredictedStep
from restem.reports.stats import predictor
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.table import Cell, Column, Table


def prediction(steps: Sequence[PredictedStep], summary: str) -> Table:
    """Predicted and observed kept precision and gain of every step.

    Args:
        summary: Sentences on how well the predictions fit, which end the note.
    """
    return Table.of(
        steps,
        [
            Column("arm", "Arm", lambda step: Cell(step.arm, _mark(step)), names=True),
            Column("iteration", "Iteration", lambda step: str(step.iteration)),
            Column("kept_predicted", "Kept precision, predicted, %", lambda step: estimate(step.kept_predicted)),
            Column("kept", "Observed, %", lambda step: estimate(step.kept)),
            Column("gain", "Gain, predicted, points", lambda step: difference(step.gain)),
            Column("observed", "Gain, observed, points", lambda step: difference(step.observed)),
            Column("residual", "Observed − predicted, points", lambda step: difference(step.residual)),
            Column("within", "0 within", lambda step: "yes" if step.within else "no"),
        ],
        id="prediction",
        title="Predicted before training, and observed",
        note=(
            "Predicted from the base's training samples and verdicts alone: the arm's selection is run on them, and "
            f"log-odds of accuracy = those of the base + {predictor.KAPPA:g} × (precision of the kept texts − that of "
            f"the base's distinct texts, {_distinct(steps)} %); docs/prediction.md. Nothing is fitted on this run. "
            "Intervals of predictions: other training problems, and the predictor's own error. Of observed gains: "
            f"other seeds on other test problems. {summary}"
        ),
    )


def _mark(step: PredictedStep) -> str:
    return "gold" if step.gold else "control" if step.control else ""


def _distinct(steps: Sequence[PredictedStep]) -> str:
    return estimate(steps[0].distinct).line if steps else ""
