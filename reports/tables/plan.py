"""A plan as tables: verifiers by predicted gain, what tells two apart, and the plan beside what came of it.

Takes a Plan, or the check of one; gives Tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from restem.reports.analysis.plan import SETTLED, Plan, PlanDifference, Prospect, ProspectPair
from restem.reports.analysis.plan_check import PlanCheck
from restem.reports.stats import predictor
from restem.reports.tables.format import DASH, difference, estimate, number
from restem.reports.tables.table import Cell, Column, Table

PLAN_DIFFERENCES = {
    PlanDifference.BASE: "another base",
    PlanDifference.PROBLEMS: "other training problems",
    PlanDifference.SAMPLING: "other sampling",
}


def prospects(plan: Plan) -> Table:
    """The verifiers by predicted gain."""
    shown = max((len(prospect.iterations) for prospect in plan.prospects), default=0)
    return Table.of(
        enumerate(plan.prospects, 1),
        [
            Column("rank", "Rank", lambda ranked: str(ranked[0]), names=True),
            Column("verifier", "Trained on", lambda ranked: _verifier(ranked[1]), names=True),
            Column("kept_precision", "Precision of kept texts, %", lambda ranked: _kept_precision(ranked[1])),
            *(_gain_column(number, number == shown) for number in range(1, shown + 1)),
            Column("share", "Share of ceiling, %", lambda ranked: _share(ranked[1])),
            Column("tpr", "TPR, %", lambda ranked: _unless_gold(ranked[1], "100.0", estimate(ranked[1].quality.tpr))),
            Column("fpr", "FPR, %", lambda ranked: _unless_gold(ranked[1], "0.0", estimate(ranked[1].quality.fpr))),
            Column("ratio", "LR+", lambda ranked: _likelihood_ratio(ranked[1])),
            Column("accepted", "Accepted, %", lambda ranked: _accepted(ranked[1])),
            Column("kept", "Kept a problem", lambda ranked: number(ranked[1].kept, 2, 1)),
            Column("poisoned", "Poisoned problems, %", lambda ranked: number(ranked[1].poisoned)),
        ],
        id="plan",
        title="Verifiers by predicted gain",
        note=(
            f"Each selection was run on {_samples(plan)}. Log-odds of accuracy after training = those of the "
            f"base + {predictor.KAPPA:g} × (precision of the kept texts − precision of the base's distinct texts, "
            f"{estimate(plan.distinct).line} %): docs/prediction.md. Ceiling: the gold's own verdicts. Poisoned: all "
            "kept texts are wrong. Intervals: other problems, and for gains and shares the predictor's own error."
        ),
    )


def _samples(plan: Plan) -> str:
    if not plan.step:
        return "the base's training samples"
    return f"the samples of {plan.step}, which stands for the base; equal responses once, at most 10 a problem"


def _gain_column(iteration: int, last: bool) -> Column[tuple[int, Prospect]]:
    return Column(
        "gain" if last else f"gain{iteration}",
        f"Predicted gain after iteration {iteration}, points",
        lambda ranked: difference(
            ranked[1].iterations[iteration - 1].gain if iteration <= len(ranked[1].iterations) else None
        ),
    )


def _kept_precision(prospect: Prospect) -> Cell:
    return Cell("100.0", "by definition") if prospect.gold else estimate(prospect.iterations[0].kept_precision)


def _share(prospect: Prospect) -> Cell:
    return estimate(prospect.share, 0) if prospect.share else Cell("ceiling" if prospect.gold else DASH)


def _verifier(prospect: Prospect) -> Cell:
    return Cell(prospect.name, "gold" if prospect.gold else "control" if prospect.control else "")


def _unless_gold(prospect: Prospect, by_definition: str, measured: Cell) -> Cell:
    return Cell(by_definition, "by definition") if prospect.gold else measured


def _likelihood_ratio(prospect: Prospect) -> Cell:
    return Cell("∞") if prospect.gold else estimate(prospect.quality.likelihood_ratio, 2, 1)


def _accepted(prospect: Prospect) -> Cell:
    partly = f"of {number(prospect.coverage)} decided" if prospect.coverage < 0.9995 else ""
    return Cell(number(prospect.accepted), partly)


def pairs(plan: Plan, chosen: Sequence[ProspectPair] | None = None) -> Table:
    """Every two verifiers (or the chosen pairs), how probable their order is, and how many labels would settle it."""
    return Table.of(
        plan.pairs if chosen is None else chosen,
        [
            Column("left", "Trained on", lambda pair: pair.left, names=True),
            Column("right", "Before", lambda pair: pair.right, names=True),
            Column("difference", "Difference of predicted gains, points", lambda pair: difference(pair.difference)),
            Column("ahead", "Probability that the first gains more, %", lambda pair: number(pair.ahead, 0)),
            Column("settled", "Settled", lambda pair: "yes" if pair.settled else "no"),
            Column("labels", f"Labelled problems for {100 * SETTLED:.0f} %", lambda pair: _labels(pair)),
        ],
        id="plan-pairs",
        title="Which of two gains more",
        note=(
            f"Over the same {plan.labels} labelled problems; of such a problem all responses have labels (for TPR and "
            "FPR alone `restem label` takes fewer). The probability holds the predictor's own error, which more labels "
            "do not make smaller: where that alone leaves the order open, no number of labels settles it and only "
            "training both does."
        ),
    )


def _labels(pair: ProspectPair) -> str:
    return "no number" if math.isinf(pair.labels) else number(pair.labels, 0, 1)


def checked(check: PlanCheck) -> Table:
    """Predicted gain of every planned iteration beside the observed one.

    A table without rows is not shown, so for a plan that does not apply to the run there is a row that states this.
    """
    table = Table.of(
        check.steps,
        [
            Column("arm", "Arm", lambda step: Cell(step.arm, "gold" if step.gold else ""), names=True),
            Column("iteration", "Iteration", lambda step: str(step.iteration)),
            Column("planned", "Planned gain, points", lambda step: difference(step.planned_gain)),
            Column("carried", "The same from the test accuracy, points", lambda step: difference(step.carried_gain)),
            Column("observed", "Observed gain, points", lambda step: difference(step.observed_gain)),
            Column("residual", "Observed − planned, points", lambda step: difference(step.residual)),
        ],
        id="checked",
        title="The plan, checked",
        note=" ".join(_checked_notes(check)),
    )
    if table.rows or not table.note:
        return table
    return table.after([{c.key: Cell("nothing to compare" if c.key == "arm" else DASH) for c in table.columns}])


def _checked_notes(check: PlanCheck) -> list[str]:
    notes: list[str] = []
    if check.differences:
        notes.append(f"Not compared: the plan is of {' and of '.join(PLAN_DIFFERENCES[d] for d in check.differences)}.")
    if check.changed:
        notes.append(f"Left out, as the plan is of another verifier of that name: {', '.join(check.changed)}.")
    if check.steps:
        notes.append(_checked_note(check))
    return notes


def _checked_note(check: PlanCheck) -> str:
    kept, couples = check.order_kept
    order = f"{kept} of {couples} pairs of arms at one iteration came in the planned order." if couples else ""
    return (
        f"Planned from {check.labels} labelled training problems of the base, "
        f"{'before any policy was trained' if check.early else 'after training had begun'}; observed on the test "
        f"split. {order} The base has {number(check.planned_accuracy)} % correct of those training problems and "
        f"{number(check.accuracy)} % of the test problems: the planned change of log-odds is carried to the latter. "
        "Observed − planned: both intervals together."
    )
