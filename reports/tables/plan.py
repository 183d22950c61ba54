"""A plan as tables: verifiers by predicted gain, what tells two apart, and the plan beside what came of it.

Takes a Plan, or the check of one; gives Tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.plan import Plan, PlanDifference, Prospect, ProspectPair
from restem.reports.analysis.plan_check import PlanCheck
from restem.reports.tables.format import DASH, difference, estimate, number, p_value
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

PLAN_DIFFERENCES = {
    PlanDifference.BASE: "another base",
    PlanDifference.PROBLEMS: "other training problems",
    PlanDifference.SAMPLING: "other sampling",
}


def prospects(plan: Plan) -> Table:
    """The verifiers by predicted gain."""
    return Table.of(
        enumerate(plan.prospects, 1),
        [
            Column("rank", "Rank", lambda ranked: str(ranked[0]), names=True),
            Column("verifier", "Verifier", lambda ranked: _verifier(ranked[1]), names=True),
            Column("tpr", "TPR, %", lambda ranked: _unless_gold(ranked[1], "100.0", estimate(ranked[1].quality.tpr))),
            Column("fpr", "FPR, %", lambda ranked: _unless_gold(ranked[1], "0.0", estimate(ranked[1].quality.fpr))),
            Column("ratio", "LR+", lambda ranked: _likelihood_ratio(ranked[1])),
            Column("precision", "Predicted precision (F1), %", lambda ranked: _precision(ranked[1])),
            Column("gain", "Predicted gain (F3), points", lambda ranked: difference(ranked[1].gain)),
            Column("accepted", "Accepted, %", lambda ranked: _accepted(ranked[1])),
            Column("kept", "Kept a problem (F4)", lambda ranked: number(ranked[1].kept, 2, 1)),
            Column("kept_precision", "Precision of kept (F5), %", lambda ranked: number(ranked[1].kept_precision)),
            Column("poisoned", "Poisoned problems (F4), %", lambda ranked: number(ranked[1].poisoned)),
        ],
        id="plan",
        title="Verifiers by predicted gain",
        note=(
            "On the base's training samples. F1: odds × TPR / FPR, the accuracy after an ideal step. F3: η = "
            f"{plan.eta:g} times what that is above the base{', an upper bound' if plan.eta == 1 else ''}. F4, F5: "
            "after duplicates and the cap, errors supposed independent; poisoned: all kept samples are wrong. "
            f"{CLUSTERED}"
        ),
    )


def _verifier(prospect: Prospect) -> Cell:
    return Cell(prospect.verifier, "gold" if prospect.gold else "control" if prospect.control else "")


def _unless_gold(prospect: Prospect, by_definition: str, measured: Cell) -> Cell:
    return Cell(by_definition, "by definition") if prospect.gold else measured


def _likelihood_ratio(prospect: Prospect) -> Cell:
    return Cell("∞") if prospect.gold else estimate(prospect.quality.likelihood_ratio, 2, 1)


def _precision(prospect: Prospect) -> Cell:
    return Cell("100.0") if prospect.gold else estimate(prospect.quality.precision)


def _accepted(prospect: Prospect) -> Cell:
    partly = f"of {number(prospect.coverage)} decided" if prospect.coverage < 0.9995 else ""
    return Cell(number(prospect.accepted), partly)


def pairs(plan: Plan, chosen: Sequence[ProspectPair] | None = None) -> Table:
    """Every two verifiers (or the chosen pairs), and the number of problems that distinguishes them."""
    return Table.of(
        plan.pairs if chosen is None else chosen,
        [
            Column("left", "Verifier", lambda pair: pair.left, names=True),
            Column("right", "Before", lambda pair: pair.right, names=True),
            Column("difference", "Difference of predicted gains, points", lambda pair: difference(pair.difference)),
            Column("p", "p (Holm)", lambda pair: p_value(pair.adjusted_p)),
            Column("told_apart", "Told apart by these labels", lambda pair: "yes" if pair.told_apart else "no"),
            Column("labels", "Labelled problems needed", lambda pair: _problems(pair, plan.labels)),
            Column("tests", "Test problems needed", lambda pair: number(pair.tests, 0, 1)),
        ],
        id="plan-pairs",
        title="What tells two verifiers apart",
        note=(
            f"Over the same {plan.labels} labelled problems; p from the spread of the resamples, corrected for all "
            f"{len(plan.pairs)} pairs. Needed: with 80 % power at 5 % divided by the pairs, as Holm asks of the first "
            "one, if the difference is as large as it looks. Test problems: for a full run to see it (F10), sampled "
            f"as often as the training problems were, at least. {CLUSTERED}"
        ),
    )


def _problems(pair: ProspectPair, labels: int) -> str:
    """The labelled problems needed; where they are more than there were, but no number is to be trusted, only that."""
    untold = not pair.told_apart and pair.labels == labels + 1
    return f"more than {labels}" if untold else number(pair.labels, 0, 1)


def checked(check: PlanCheck) -> Table:
    """Predicted rank and gain of every trained verifier beside what its first iteration gave.

    A table without rows is not shown, so for a plan that does not apply to the run there is a row that states this.
    """
    table = Table.of(
        check.verifiers,
        [
            Column("verifier", "Verifier", lambda v: Cell(v.verifier, "gold" if v.gold else ""), names=True),
            Column("arm", "Arm", lambda v: v.arm, names=True),
            Column("planned_rank", "Planned rank", lambda v: str(v.planned_rank)),
            Column("observed_rank", "Observed rank", lambda v: str(v.observed_rank)),
            Column("planned", f"Planned gain, η = {check.planned_eta:g}, points", lambda v: difference(v.planned_gain)),
            Column("carried", "Planned gain with this run's η, points", lambda v: difference(v.carried_gain)),
            Column("observed", "Observed gain, points", lambda v: difference(v.observed_gain)),
            Column("residual", "Observed − planned, points", lambda v: difference(v.residual)),
        ],
        id="checked",
        title="The plan, checked",
        note=" ".join(_checked_notes(check)),
    )
    if table.rows or not table.note:
        return table
    return table.after([{c.key: Cell("nothing to compare" if c.key == "verifier" else DASH) for c in table.columns}])


def _checked_notes(check: PlanCheck) -> list[str]:
    notes: list[str] = []
    if check.differences:
        notes.append(f"Not compared: the plan is of {' and of '.join(PLAN_DIFFERENCES[d] for d in check.differences)}.")
    if check.changed:
        notes.append(f"Left out, as the plan is of another verifier of that name: {', '.join(check.changed)}.")
    if check.verifiers:
        notes.append(_checked_note(check))
    return notes


def _checked_note(check: PlanCheck) -> str:
    kept, couples = check.order_kept
    order = f"{kept} of {couples} pairs of verifiers came in the planned order." if couples else ""
    return (
        f"Planned from {check.labels} labelled training problems of the base, "
        f"{'before any policy was trained' if check.early else 'after training had begun'}; observed after "
        f"iteration 1, on the test split. {order} The base has {number(check.planned_accuracy)} % "
        f"correct of those training problems and {number(check.accuracy)} % of the test problems: with this run's η "
        "the planned LR+ (F1) starts from the latter. Observed − planned: both intervals together, that accuracy and "
        f"η as they stand. This run's η, {number(check.eta, 2, 1)}, is fitted on its gold arm. {CLUSTERED}"
    )
