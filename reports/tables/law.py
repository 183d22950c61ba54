"""The law as tables: what it predicted of every step, and what was observed; what seeds change.

Takes Findings and the steps of `analysis/predictions.py`; gives Tables, in the manner of `arms.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.predictions import Compared, Step, within
from restem.reports.analysis.ranking import crossed
from restem.reports.stats import law
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, change, difference, estimate, number
from restem.reports.tables.table import CLUSTERED, Cell, Table, numbered


def law_table(steps: Sequence[Step], eta: Estimate) -> Table:
    """Predicted and observed accuracy of every step: F1, F2, F3."""
    several = any(step.accuracy.seeded.n > 1 for step in steps)
    rows = tuple(
        (
            *(Cell(step.arm), Cell(str(step.iteration)), Cell(_odds(step.before)), Cell(number(step.before))),
            *_measured_rates(step),
            *(Cell(_odds(step.ideal.value)), estimate(step.ideal), Cell(number(step.ideal_chain))),
            *(estimate(step.accuracy.predicted), estimate(step.accuracy.observed)),
            *(Cell(_odds(step.accuracy.observed.value)), difference(step.accuracy.residual)),
            *([difference(step.accuracy.seeded)] if several else []),
        )
        for step in steps
    )
    fitted = (
        f"η = {eta.value:.2f} [{eta.low:.2f}, {eta.high:.2f}] is fitted on the gold arm and carried to the others"
        if not math.isnan(eta.value)
        else "no gold arm has made a step, so η is not known and F3 predicts nothing"
    )
    return numbered(
        id="law",
        title="Predicted and observed",
        columns=(
            *("Arm", "Iteration", "Odds before", "Accuracy before, %", "TPR, %", "FPR, %", "LR+", "Ideal odds (F1)"),
            *("Ideal accuracy (F1), %", "Ideal chain from base (F2), %", "Predicted (F3), %", "Observed, %"),
            *("Observed odds", "Observed − predicted, points"),
            *(["The same over seeds and problems, points"] if several else []),
        ),
        rows=rows,
        note=(
            "F1: odds after an ideal step = odds × TPR / FPR, measured on the training samples. F2: the same from the "
            f"base on with one LR+. F3: p + η (ideal − p), p of the policy that training started from; "
            f"{fitted}. A residual whose interval leaves out 0 is an "
            "effect that F3 with this η does not explain: one η for all iterations, as the gold arm's own residuals "
            f"show, or systematic errors, lost diversity, forgetting. {_both(several)}"
        ),
    )


def _both(several: bool) -> str:
    return (
        f"{CLUSTERED} Over seeds and problems: of other seeds on other problems. For it each replicate is a run of its "
        "own, with the η of its own gold arm; the base's samples are resampled with all others. So what seeds and "
        "problems do to the base, to η and to the arm itself are all in it."
        if several
        else CLUSTERED
    )


def _measured_rates(step: Step) -> tuple[Cell, ...]:
    found = step.quality
    if step.gold:
        return Cell("100.0", "by definition"), Cell("0.0", "by definition"), Cell("∞")
    return estimate(found.tpr), estimate(found.fpr), estimate(found.likelihood_ratio, 2, 1)


def _odds(value: float) -> str:
    return number(float(law.odds(value)), 2, 1)


def change_table(steps: Sequence[Step], summary: str) -> Table:
    """Predicted and observed change of log-odds of every step: the scale on which ideal steps add up.

    Args:
        summary: Sentences on how many residuals may be zero, which end the note.
    """
    several = any(step.change.seeded.n > 1 for step in steps)
    rows = tuple(
        (
            *(Cell(step.arm, "gold: fitted" if step.gold else ""), Cell(str(step.iteration))),
            Cell("∞" if step.gold else number(step.quality.likelihood_ratio.value, 2, 1)),
            *(change(step.change.predicted), change(step.change.observed), change(step.change.residual)),
            *([change(step.change.seeded)] if several else []),
            Cell(_explained(step.change)),
        )
        for step in steps
        if not math.isnan(step.change.predicted.value)
    )
    return numbered(
        id="change",
        title="Change of log-odds, predicted and observed",
        columns=(
            *("Arm", "Iteration", "LR+", "Predicted", "Observed", "Observed − predicted"),
            *(["The same over seeds and problems"] if several else []),
            "0 within, by problem" + (" / over seeds and problems" if several else ""),
        ),
        rows=rows,
        note=(
            "log(p / (1 − p)) of gold accuracy on the test split, less that of the policy that training started from; "
            f"predicted by F3. {_both(several)} {summary}"
        ),
    )


def _explained(found: Compared) -> str:
    seeds = f" / {_yes(found.seeded)}" if found.seeded.n > 1 else ""
    return f"{_yes(found.residual)}{seeds}"


def _yes(found: Estimate) -> str:
    if math.isnan(found.low):
        return DASH
    return "yes" if within(found) else "no"


def seeds_table(findings: Findings) -> Table:
    """Each replicate by itself, and the two kinds of doubt about their mean apart."""
    found = [s for s in findings.standings.values() if s.iteration and s.replicates]
    most = max((len(s.replicates) for s in found), default=0)
    return numbered(
        id="seeds",
        title="Replicates: spread over seeds apart from sampling error",
        columns=(
            *("Arm", "Iteration", *(f"Seed {number}, %" for number in range(most)), "Mean, %"),
            *(
                "Over seeds (t)",
                "By problem",
                "Both",
                "SD between seeds, points",
                "SD of seed × problem and sampling, points",
            ),
        ),
        rows=tuple(_seeds_row(s, most) for s in found),
        note=(
            "Gold accuracy on the test split of the same problems. Over seeds: what other seeds would give on these "
            "problems. By problem: what these seeds would give on other problems. Both: other seeds on other problems, "
            "the one for a claim about the recipe. The standard deviations take apart how the replicates' means "
            "differ: by seeds being better or worse on all problems alike; and by the rest, which is the finite number "
            "of test samples together with seeds being better on some problems and worse on others (these counts "
            "cannot tell the two apart)."
        ),
    )


def _seeds_row(standing: Standing, most: int) -> tuple[Cell, ...]:
    each = [number(one.accuracy.value) for one in standing.replicates]
    head = (arm_cell(standing.arm), Cell(str(standing.iteration)), *map(Cell, each + [DASH] * (most - len(each))))
    found = crossed(standing)
    if found is None:
        return (*head, Cell(number(standing.accuracy.value)), *[Cell(DASH)] * 5)
    intervals = (Cell(estimate(part).detail) for part in (found.seeds, found.problems, found.both))
    spreads = (Cell(number(math.sqrt(part))) for part in (found.between, found.within))
    return (*head, Cell(number(found.seeds.value)), *intervals, *spreads)
