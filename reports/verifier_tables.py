"""Verifiers as tables: each against the gold, against each other, and what their choice among samples is worth.

Takes Findings; gives Tables, in the manner of `reports.tables`.
"""

from __future__ import annotations

from harness.records import MARK
from reports import raters
from reports.dawid_skene import FEWEST
from reports.findings import Findings, Measured
from reports.raters import Correction
from reports.rows import Run
from reports.tables import CLUSTERED, DASH, Cell, Table, arm_cell, estimate, in_points, number, p_value


def verifier_quality(findings: Findings) -> Table:
    """Each verifier against the gold on each checkpoint's own test samples."""
    return Table(
        id="quality",
        title="Verifier quality, on each checkpoint's own test samples",
        columns=(
            *("Verifier", "Checkpoint", "Samples", "TPR, %", "FPR, %", "LR+"),
            *("Precision of accepted, %", "Balanced accuracy, %", "MCC", "Undecided because"),
        ),
        rows=tuple(_quality_row(item, item.verifier in findings.run.controls) for item in findings.measured),
        note=(
            "Against the gold, on samples that both decided; below each checkpoint, what the gold calls correct. "
            "LR+ = TPR / FPR multiplies the odds of a correct answer in an ideal step; 1 carries no information. "
            "Balanced accuracy: mean of TPR and 1 − FPR. MCC, the correlation with the gold, falls by itself as nearly "
            f"all samples become correct. {_first_alone(findings.run)}{CLUSTERED}"
        ),
        first=2,
    )


def _first_alone(run: Run) -> str:
    """Which replicates a table of single checkpoints has, where there are several."""
    alone = "Of several replicates the first alone, where other tables have all of them together. "
    return alone if int(run.suite.get("replicates", 1)) > 1 else ""


def _seeded_alone(run: Run) -> str:
    """Whose errors a table of all checkpoints has, where those of some verifiers are others in each replicate."""
    some = "A verifier that errs under another seed in each replicate stands here as in the first, on what it judged. "
    return some if any(MARK in name for name in run.outcomes) else ""


def _quality_row(item: Measured, control: bool) -> tuple[Cell, ...]:
    found = item.quality
    reasons = "; ".join(f"{reason[:60]} ({count})" for reason, count in item.reasons[:3])
    return (
        Cell(item.verifier, "control" if control else ""),
        Cell(item.checkpoint, f"{number(found.prevalence.value)} % correct" if found.n else ""),
        Cell(str(item.scored), f"{number((item.scored - item.undecided) / item.scored)} % decided"),
        *(estimate(found.tpr), estimate(found.fpr), estimate(found.likelihood_ratio, 2, 1)),
        *(estimate(found.precision), estimate(found.balanced), estimate(found.mcc, 3, 1), Cell(reasons or DASH)),
    )


def corrected(findings: Findings) -> Table:
    """Raw reward, corrected reward and gold side by side: F6."""
    return Table(
        id="corrected",
        title="Reward, corrected for the verifier's errors, and gold accuracy",
        columns=("Verifier", "Checkpoint", "Reward, %", "Corrected, %", "Gold accuracy, %", "Corrected − gold, points"),
        rows=tuple(_corrected_row(item) for item in raters.corrections(findings)),
        note=(
            "Corrected (F6, Rogan and Gladen): (reward − FPR) / (TPR − FPR) with the rates measured on the base's "
            "samples; the interval carries their doubt, and is all of 0 to 100 where TPR and FPR may be equal. A "
            "difference whose interval leaves out 0: the verifier's errors are not what they were. "
            f"{_seeded_alone(findings.run)}{CLUSTERED}"
        ),
        first=2,
    )


def _corrected_row(item: Correction) -> tuple[Cell, ...]:
    reward, (low, high) = estimate(item.reward), item.bounds
    undecided = f"; {number(low)} to {number(high)} with undecided" if high - low >= 0.0005 else ""
    return (
        *(Cell(item.verifier), Cell(item.checkpoint), reward._replace(detail=reward.detail + undecided)),
        *(estimate(item.corrected), estimate(item.gold), in_points(item.excess)),
    )


def agreement(findings: Findings) -> Table:
    """Every pair of verifiers over all test samples."""
    rows = tuple(
        (
            *(Cell(pair.left), Cell(pair.right), Cell(str(found.n)), estimate(found.raw), estimate(found.ac1, 3, 1)),
            *(estimate(found.kappa, 3, 1), Cell(f"{number(found.prevalence[0])} / {number(found.prevalence[1])}")),
            *(Cell(f"{pair.flips.gained} / {pair.flips.lost}"), Cell(p_value(pair.adjusted_p))),
        )
        for pair in raters.pairs(findings.run)
        for found in (pair.agreement,)
    )
    return Table(
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
            f"exact test with one coin a problem, corrected for all pairs. {_seeded_alone(findings.run)}{CLUSTERED}"
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
    return Table(
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
            f"Q: whether all accept equally often, on samples that all decided. {CLUSTERED}"
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
            f"{'' if classes.converged else ' The fit has not settled.'}"
        )
    return Table(
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
    return Table(
        id="errors",
        title="Systematic or random errors",
        columns=("Verifier", "FPR, %", "ρ of false accepts", "1 − TPR, %", "ρ of false rejects"),
        rows=rows,
        note=(
            "Test samples of all checkpoints. ρ: correlation of two errors on one problem. 0: independent slips, as "
            "the law supposes, which more samples average out. Towards 1: the same problems are always misjudged, and "
            f"a policy learns what passes there. {_seeded_alone(findings.run)}{CLUSTERED}"
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
    return Table(
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
