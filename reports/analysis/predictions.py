"""The predictor beside the run: the gain predicted from the base's samples alone, and the gain observed.

Takes Findings; gives, per arm and iteration, what `forecast.py` predicts before any training, with the observed kept
precision and gain. An arm that is trained by GRPO has no prediction. Nothing is fitted on the run: the constants are
those of docs/prediction.md. Of an arm with replicates all numbers are of their mean. A predicted gain starts from the
base's accuracy on the test split, and its interval holds for other training problems and for the predictor's own error;
that of an observed gain for other seeds on other test problems. The interval of their difference puts both together.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, TRAIN, Findings
from restem.reports.analysis.forecast import forecast
from restem.reports.analysis.ranking import claims
from restem.reports.data.run import EM
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Difference, Estimate, Floats, apart


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictedStep:
    """One M-step: predicted from the base alone, and observed.

    Attributes:
        distinct: Precision of the base's distinct texts.
        kept_predicted: Precision of the texts that the step is trained on, predicted; known for the first iteration.
        kept: The same, observed.
        gain: In gold accuracy on the test split over the base, predicted.
        observed: The same, observed, of other seeds on other problems.
        residual: Observed less predicted.
    """

    arm: str
    gold: bool
    control: bool
    iteration: int
    distinct: Estimate
    kept_predicted: Estimate
    kept: Estimate
    gain: Estimate
    observed: Difference
    residual: Estimate

    @property
    def within(self) -> bool:
        """Whether what was observed may be what was predicted: 0 lies within the residual's interval."""
        return self.residual.low <= 0 <= self.residual.high


def predict(findings: Findings) -> list[PredictedStep]:
    """Every trained step for which a prediction and an observation exist."""
    run, observed, steps = findings.run, claims(findings), list[PredictedStep]()
    forecasts = {
        arm.name: forecast(run, arm, run.replicates(arm), run.size(TRAIN)) for arm in run.arms if arm.algorithm == EM
    }
    start = _base_accuracy(findings)
    for item in findings.data:
        planned, claim = forecasts.get(item.arm.name), observed.get((item.arm.name, item.iteration))
        if (
            planned is None
            or claim is None
            or item.iteration > len(planned.iterations)
            or math.isnan(planned.distinct[0])
        ):
            continue
        if not item.arm.predictable:
            continue
        step = planned.iterations[item.iteration - 1]
        gain = planned.estimate(step.gain(start))
        steps.append(
            PredictedStep(
                arm=item.arm.name,
                gold=item.arm.gold,
                control=item.arm.control,
                iteration=item.iteration,
                distinct=planned.estimate(planned.distinct),
                kept_predicted=planned.estimate(step.kept),
                kept=item.precision,
                gain=gain,
                observed=claim,
                residual=apart(claim, gain),
            )
        )
    return steps


def _base_accuracy(findings: Findings) -> Floats:
    """Of the base on the test split: the value, then that of each resample of the test problems."""
    run, rows = findings.run, findings.run.rows(BASE, TEST)
    counts = estimates.per_problem(run.outcome(run.gold, rows), run.samples.problem[rows], run.size(TEST))
    correct, decided = (np.append(count.sum(), estimates.resampled(count)) for count in counts)
    return estimates.ratio(correct, decided)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tally:
    """How the predictions of all arms but the gold's compare with what was observed.

    Attributes:
        steps: Their number.
        within: Those whose observed gain may be the predicted one.
        error: Mean absolute difference, as a share.
        pairs: Pairs of arms at one iteration, the gold's included.
        in_order: Those of them whose observed order is the predicted one.
    """

    steps: int
    within: int
    error: float
    pairs: int
    in_order: int


def tally(steps: Sequence[PredictedStep]) -> Tally | None:
    """The tally of all steps; None where there is none but the gold's."""
    others = [step for step in steps if not step.gold]
    if not others:
        return None
    couples = [(a, b) for a, b in itertools.combinations(steps, 2) if a.iteration == b.iteration]
    return Tally(
        steps=len(others),
        within=sum(step.within for step in others),
        error=float(np.mean([abs(step.residual.value) for step in others])),
        pairs=len(couples),
        in_order=sum((a.gain.value > b.gain.value) == (a.observed.value > b.observed.value) for a, b in couples),
    )
