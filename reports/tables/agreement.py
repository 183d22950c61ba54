"""Verifiers against each other, as tables: every pair, all together, and a model of them without the gold.

Takes a Run with its pairs of verifiers; gives Tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from restem.reports.analysis import agreement_between_verifiers as between
from restem.reports.analysis.agreement_between_verifiers import SecondOpinion, VerifierPair
from restem.reports.data.run import Run
from restem.reports.stats.dawid_skene import FEWEST
from restem.reports.stats.paired_tests import Homogeneity
from restem.reports.tables.format import DASH, estimate, number, p_value
from restem.reports.tables.phrases import samples_of
from restem.reports.tables.quality import errs_anew, pooled
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def agreement(run: Run, pairs: Sequence[VerifierPair]) -> Table:
    """Every pair of verifiers but the controls, over all test samples."""
    return Table.of(
        pairs,
        [
            Column("left", "Verifier", lambda p: p.left, names=True),
            Column("right", "With", lambda p: p.right, names=True),
            Column("samples", "Samples", lambda p: str(p.agreement.n)),
            Column("agreement", "Agreement, %", lambda p: estimate(p.agreement.raw)),
            Column("mcc", "MCC", lambda p: estimate(p.agreement.mcc, 3, 1)),
            Column("kappa", "Cohen kappa", lambda p: estimate(p.agreement.kappa, 3, 1)),
            Column("ac1", "Gwet AC1", lambda p: estimate(p.agreement.ac1, 3, 1)),
            Column("correct", "Calls correct, %", lambda p: " / ".join(map(number, p.agreement.prevalence))),
            Column("alone", "Accepted by one only", lambda p: f"{p.flips.gained} / {p.flips.lost}"),
            Column("p", "p (McNemar, Holm)", lambda p: p_value(p.adjusted_p)),
        ],
        id="agreement",
        title="Agreement between verifiers, all checkpoints together",
        note=(
            f"{samples_of(run).capitalize()} of all checkpoints that both decided; controls are left out. MCC and "
            "kappa fall by themselves as nearly all samples become correct (or wrong): read them beside both "
            "prevalences. AC1 does not, but is high for a verifier that accepts everything where most samples are "
            "correct. p: that both accept equally often, by McNemar's exact test with one coin a problem, corrected "
            "for all pairs. "
            f"{pooled(run)}{CLUSTERED}"
        ),
    )


def together(run: Run) -> Table:
    """All verifiers at once."""
    everyone = between.together(run)
    return Table.of(
        [everyone] if everyone else [],
        [
            Column("verifiers", "Verifiers", lambda e: ", ".join(e.names), names=True),
            Column("samples", "Samples", lambda e: str(e.reliability.n)),
            Column("agreement", "Agreement, %", lambda e: estimate(e.reliability.raw)),
            Column("alpha", "Krippendorff alpha", lambda e: estimate(e.reliability.alpha, 3, 1)),
            Column("ac1", "Gwet AC1", lambda e: estimate(e.reliability.ac1, 3, 1)),
            Column("fleiss", "Fleiss kappa", lambda e: estimate(e.reliability.fleiss, 3, 1)),
            Column("correct", "Called correct, %", lambda e: number(e.reliability.prevalence)),
            Column("q", "Cochran's Q", lambda e: _cochran(e.homogeneity)),
        ],
        id="together",
        title="All verifiers together",
        note=(
            "Samples that all were asked of and at least two decided; undecided ones are left out, not filled in. "
            "Controls and humans take no part. "
            f"Q: whether all accept equally often, on samples that all decided, by problem. {pooled(run)}"
            f"{CLUSTERED}"
        ),
    )


def _cochran(q: Homogeneity) -> Cell:
    return Cell(f"{q.statistic:.1f}, df {q.freedom}", f"p {p_value(q.p_value)}") if q.problems else Cell(DASH)


class _Modelled(NamedTuple):
    """A verifier's rates by the model without the gold, and by the gold."""

    verifier: str
    tpr_model: float
    tpr_gold: float
    fpr_model: float
    fpr_gold: float


def second_opinion(run: Run) -> Table:
    """Dawid-Skene beside the gold, where there is one."""
    opinion = between.second_opinion(run)
    known = opinion is not None and not math.isnan(opinion.prevalence)
    records: list[_Modelled] = []
    if opinion:
        model = opinion.classes
        rates = zip(opinion.names, model.sensitivity, opinion.tpr, 1 - model.specificity, opinion.fpr, strict=True)
        records = [_Modelled(*values) for values in rates]
    return Table.of(
        records,
        [
            Column("verifier", "Verifier", lambda r: r.verifier, names=True),
            Column("tpr_model", "TPR, model, %", lambda r: number(r.tpr_model)),
            Column("tpr_gold", "TPR by gold, %", lambda r: number(r.tpr_gold)) if known else None,
            Column("fpr_model", "FPR, model, %", lambda r: number(r.fpr_model)),
            Column("fpr_gold", "FPR by gold, %", lambda r: number(r.fpr_gold)) if known else None,
        ],
        id="second",
        title="A second opinion without the gold (Dawid-Skene)",
        note=_opinion_note(run, opinion) if opinion else "",
    )


def _opinion_note(run: Run, opinion: SecondOpinion) -> str:
    model = opinion.classes
    worst = opinion.worst if len(opinion.names) > 3 else None
    shared = (
        f"The largest residual correlation is {number(worst[2], 2, 1)}, of {worst[0]} and {worst[1]}."
        if worst
        else "Of three verifiers no residual can show shared errors."
    )
    gold = "" if math.isnan(opinion.prevalence) else f", the gold {number(opinion.prevalence)} %"
    other = " A reward for something else than a right answer, such as a format, does not belong in it." * run.imported
    return (
        f"{model.n} of {opinion.samples} samples, those with at least {FEWEST} verdicts; of these the model calls "
        f"{number(model.prevalence)} % correct{gold}. It sees the verifiers' "
        "verdicts alone and supposes independent errors: errors that they share it takes for the truth, and blames "
        f"those that are right. {shared}{other}"
        f"{' The base is in it once a replicate, as it was judged there.' if errs_anew(run) else ''}"
        f"{'' if model.converged else ' The fit has not settled.'}"
    )
