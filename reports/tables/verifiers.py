"""Verifiers as tables: each against the gold, against each other, and what their choice among samples is worth.

Takes Findings; gives Tables, in the manner of `restem.reports.tables.arms`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from restem.harness.names import MARK
from restem.reports.analysis import raters
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.raters import Correction, Pair
from restem.reports.analysis.verifier_quality import Constant, Measured, constants, steadiness
from restem.reports.data.run import Run
from restem.reports.stats.dawid_skene import FEWEST
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, difference, estimate, number, p_value
from restem.reports.tables.table import CLUSTERED, Cell, Table, numbered

QUALITY = ("Samples", "Correct, %", "TPR, %", "FPR, %", "LR+", "Precision of accepted, %", "MCC", "AC1 with the gold")
NAMED = {True: "accept_all", False: "reject_all"}  # the constants as verifiers that a suite may have


def verifier_quality(run: Run, found: Sequence[Measured]) -> Table:
    """Each verifier against the gold over all test samples; constant verdicts first."""
    given = constants(run)
    best = "".join(f" The best constant verdict is to {_constant(item)}." for item in given if item.best)
    return numbered(
        id="quality",
        title="Verifier quality, over all test samples",
        columns=("Verifier", *QUALITY),
        rows=(
            *(_constant_row(item) for item in given if NAMED[item.accepts] not in run.compared),
            *((_verifier(item, run), *_quality(item)) for item in found if not item.checkpoint),
        ),
        note=(
            "Against the gold, on samples that both decided, of all checkpoints that the verifier was asked about. "
            "Correct: by the gold. LR+ = TPR / FPR multiplies the odds of a correct answer in an ideal step; 1 carries "
            "no information. MCC, the correlation with the gold, falls by itself as nearly all samples become correct; "
            f"AC1, agreement with the gold beyond chance (Gwet), does not, and may be high for a constant.{best} "
            f"{_pooled(run)}{CLUSTERED}"
        ),
    )


def by_checkpoint(run: Run, found: Sequence[Measured]) -> Table:
    """The same on each checkpoint's own test samples, where there are several."""
    each = [item for item in found if item.checkpoint]
    return numbered(
        id="checkpoints",
        title="Verifier quality, on each checkpoint's own test samples",
        columns=("Verifier", "Checkpoint", *QUALITY),
        rows=tuple((_verifier(item, run), Cell(item.checkpoint), *_quality(item)) for item in each)
        if len({item.checkpoint for item in each}) > 1
        else (),
        note=f"As above. {_pooled(run)}{CLUSTERED}",
        first=2,
    )


def _verifier(item: Measured, run: Run) -> Cell:
    return Cell(item.verifier, "control" if item.verifier in run.controls else "")


def _quality(item: Measured) -> tuple[Cell, ...]:
    found = item.quality
    return (
        Cell(str(item.scored), f"{number((item.scored - item.undecided) / item.scored)} % decided"),
        *(Cell(number(found.prevalence.value)), estimate(found.tpr), estimate(found.fpr)),
        *(estimate(found.likelihood_ratio, 2, 1), estimate(found.precision)),
        *(estimate(found.mcc, 3, 1), estimate(found.ac1, 3, 1)),
    )


def _constant_row(item: Constant) -> tuple[Cell, ...]:
    rate = Cell("100.0" if item.accepts else "0.0", "by definition")
    return (
        Cell(f"always {'accept' if item.accepts else 'reject'}", "best constant" if item.best else "constant"),
        *(Cell(str(item.n)), Cell(number(item.prevalence.value)), rate, rate),
        Cell("1.00", "by definition") if item.accepts else Cell(DASH),
        estimate(item.prevalence) if item.accepts else Cell(DASH),
        *(Cell(DASH), estimate(item.agreement.ac1, 3, 1)),
    )


def _constant(item: Constant) -> str:
    return "accept all" if item.accepts else "reject all"


def _pooled(run: Run) -> str:
    """What a row has of an arm with replicates, and what its interval then speaks of."""
    if int(run.suite.get("replicates", 1)) < 2:
        return ""
    anew = (
        "; a verifier that errs under another seed in each judges the base's samples once in each" if _anew(run) else ""
    )
    return f"All replicates of an arm together, all samples of a problem as one unit{anew}: intervals of these seeds. "


def _anew(run: Run) -> bool:
    return any(MARK in name for name in run.outcomes)


def steady(run: Run, found: Sequence[Measured]) -> Table:
    """Whether a verifier says the same of the same text again, what a verdict takes, and why it cannot tell."""
    whole = {item.verifier: item for item in found if not item.checkpoint}
    return numbered(
        id="steady",
        title="The same text judged again, what a verdict takes, and undecided ones",
        columns=(
            *("Verifier", "Texts judged again", "Another verdict, %", "Median, ms", "95 % take at most, ms"),
            *("USD per 1000 verdicts", "Undecided, %", "Commonest reasons"),
        ),
        rows=tuple(
            (
                *(_verifier(whole[item.verifier], run), Cell(str(item.flips.n)), estimate(item.flips)),
                *(_milliseconds(item.median), _milliseconds(item.slow)),
                *(Cell(f"{1000 * item.usd:.4f}" if item.usd else DASH), *_reasons(whole[item.verifier])),
            )
            for item in steadiness(run)
            if item.verifier in whole
        ),
        note=(
            "Another verdict: where several test samples of a problem have the same text, the share of pairs of "
            "verdicts that differ, mean over such texts; 0 where a verifier looks at the text alone or remembers what "
            "it said. Milliseconds and USD: of all stored verdicts, training and test; a judge's as it was waited for, "
            f"with others asked at the same time. Undecided: of the test samples that it was asked about. {CLUSTERED}"
        ),
    )


def _reasons(item: Measured) -> tuple[Cell, Cell]:
    reasons = "; ".join(f"{reason[:60]} ({count})" for reason, count in item.reasons[:3])
    return Cell(number(item.undecided / item.scored), str(item.undecided)), Cell(reasons or DASH)


def _milliseconds(seconds: float) -> Cell:
    """Two digits at least, as verdicts take from microseconds to minutes."""
    value = 1000 * seconds
    if math.isnan(value):
        return Cell(DASH)
    return Cell(f"{value:.0f}" if value >= 10 or not value else f"{value:.2g}")


def corrected(findings: Findings) -> Table:
    """Raw reward, corrected reward and gold side by side: F6."""
    found = raters.corrections(findings)
    several = any(item.seeded.n > 1 for item in found)
    seeds = "Over seeds and problems: of other seeds on other problems, each replicate corrected by itself. " * several
    return numbered(
        id="corrected",
        title="Reward, corrected for the verifier's errors, and gold accuracy",
        columns=(
            *("Verifier", "Checkpoint", "Reward, %", "Corrected, %", "Gold accuracy, %", "Corrected − gold, points"),
            *(["The same over seeds and problems, points"] if several else []),
        ),
        rows=tuple(_corrected_row(item, several) for item in found),
        note=(
            "Corrected (F6, Rogan and Gladen): (reward − FPR) / (TPR − FPR) with the rates measured on the base's "
            "samples; the interval carries their doubt, and is all of 0 to 100 where TPR and FPR may be equal. A "
            "difference whose interval leaves out 0: the verifier's errors are not what they were. "
            f"{_pooled(findings.run)}{seeds}{CLUSTERED}"
        ),
        first=2,
    )


def _corrected_row(item: Correction, several: bool) -> tuple[Cell, ...]:
    reward, (low, high) = estimate(item.reward), item.bounds
    undecided = f"; {number(low)} to {number(high)} with undecided" if high - low >= 0.0005 else ""
    return (
        *(Cell(item.verifier), Cell(item.checkpoint), reward._replace(detail=reward.detail + undecided)),
        *(estimate(item.corrected), estimate(item.gold), difference(item.excess)),
        *([difference(item.seeded)] if several else []),
    )


def agreement(run: Run, pairs: Sequence[Pair]) -> Table:
    """Every pair of verifiers over all test samples."""
    rows = tuple(
        (
            *(Cell(pair.left), Cell(pair.right), Cell(str(found.n)), estimate(found.raw), estimate(found.ac1, 3, 1)),
            *(estimate(found.kappa, 3, 1), Cell(f"{number(found.prevalence[0])} / {number(found.prevalence[1])}")),
            *(Cell(f"{pair.flips.gained} / {pair.flips.lost}"), Cell(p_value(pair.adjusted_p))),
        )
        for pair in pairs
        for found in (pair.agreement,)
    )
    return numbered(
        id="agreement",
        title="Agreement between verifiers",
        columns=(
            *("Verifier", "With", "Samples", "Agreement, %", "Gwet AC1", "Cohen kappa", "Calls correct, %"),
            *("Accepted by one only", "p (McNemar, Holm)"),
        ),
        rows=rows,
        note=(
            "Test samples of all checkpoints that both decided. Kappa falls by itself as nearly all samples become "
            "correct (or wrong): read it beside both prevalences. p: that both accept equally often, by McNemar's "
            f"exact test with one coin a problem, corrected for all pairs. {_pooled(run)}{CLUSTERED}"
        ),
        first=2,
    )


def together(findings: Findings) -> Table:
    """All verifiers at once."""
    found = raters.together(findings.run)
    rows: tuple[tuple[Cell, ...], ...] = ()
    if found:
        of, q = found.reliability, found.homogeneity
        rows = (
            (
                *(Cell(", ".join(found.names)), Cell(str(of.n)), estimate(of.raw), estimate(of.alpha, 3, 1)),
                *(estimate(of.ac1, 3, 1), estimate(of.fleiss, 3, 1), Cell(number(of.prevalence))),
                Cell(f"{q.statistic:.1f}, df {q.freedom}", f"p {p_value(q.p_value)}") if q.problems else Cell(DASH),
            ),
        )
    return numbered(
        id="together",
        title="All verifiers together",
        columns=(
            *("Verifiers", "Samples", "Agreement, %", "Krippendorff alpha", "Gwet AC1", "Fleiss kappa"),
            *("Called correct, %", "Cochran's Q"),
        ),
        rows=rows,
        note=(
            "Samples that all were asked of and at least two decided; undecided ones are left out, not filled in. "
            "Controls and humans take no part. "
            f"Q: whether all accept equally often, on samples that all decided, by problem. {_pooled(findings.run)}"
            f"{CLUSTERED}"
        ),
    )


def second_opinion(findings: Findings) -> Table:
    """Dawid-Skene beside the gold."""
    found = raters.second_opinion(findings.run)
    rows, note = (), ""
    if found:
        classes = found.classes
        columns = zip(found.names, classes.sensitivity, found.tpr, 1 - classes.specificity, found.fpr, strict=True)
        rows = tuple((Cell(name), *(Cell(number(value)) for value in values)) for name, *values in columns)
        worst = found.worst if len(found.names) > 3 else None
        shared = (
            f"The largest residual correlation is {number(worst[2], 2, 1)}, of {worst[0]} and {worst[1]}."
            if worst
            else "Of three verifiers no residual can show shared errors."
        )
        note = (
            f"{classes.n} of {found.samples} samples, those with at least {FEWEST} verdicts; of these the model calls "
            f"{number(classes.prevalence)} % correct, the gold {number(found.prevalence)} %. It sees the verifiers' "
            "verdicts alone and supposes independent errors: errors that they share it takes for the truth, and blames "
            f"those that are right. {shared}"
            f"{' The base is in it once a replicate, as it was judged there.' if _anew(findings.run) else ''}"
            f"{'' if classes.converged else ' The fit has not settled.'}"
        )
    return numbered(
        id="second",
        title="A second opinion without the gold (Dawid-Skene)",
        columns=("Verifier", "TPR, model, %", "TPR by gold, %", "FPR, model, %", "FPR by gold, %"),
        rows=rows,
        note=note,
    )


def errors(findings: Findings) -> Table:
    """Systematic or random errors: F8."""
    rows = tuple(
        (
            *(Cell(item.verifier), estimate(item.fpr), estimate(item.accepts, 2, 1)),
            *(estimate(item.fnr), estimate(item.rejects, 2, 1)),
        )
        for item in raters.errors(findings.run)
    )
    return numbered(
        id="errors",
        title="Systematic or random errors",
        columns=("Verifier", "FPR, %", "ρ of false accepts", "1 − TPR, %", "ρ of false rejects"),
        rows=rows,
        note=(
            "Test samples of all checkpoints. ρ: correlation of two errors on one problem. 0: independent slips, as "
            "the law supposes, which more samples average out. Towards 1: the same problems are always misjudged, and "
            f"a policy learns what passes there. {_pooled(findings.run)}{CLUSTERED}"
        ),
    )


def choosing(findings: Findings) -> Table:
    """pass@k, maj@k and best-of-k side by side."""
    found = raters.choosing(findings)
    ks = tuple(found[0].accuracy) if found else ()
    rows = tuple(
        (
            arm_cell(item.standing.arm)._replace(detail=""),
            Cell(str(item.standing.iteration)),
            Cell(item.by),
            *(estimate(item.accuracy[k]) for k in ks),
        )
        for item in found
    )
    return numbered(
        id="choosing",
        title="One answer out of k samples",
        columns=("Arm", "Iteration", "Chosen by", *(f"k = {k}, %" for k in ks)),
        rows=rows,
        note=(
            "Gold accuracy of the chosen sample, expected over all subsets of k. Oracle: pass@k. Majority: maj@k. A "
            "verifier picks among those it accepts, else among those it rejects, an undecided sample last; ties "
            f"evenly. {CLUSTERED}"
        ),
        first=3,
    )
