"""A verifier's rewards as tables: corrected for its errors, the kind of these, and its choice among samples.

Takes Findings; gives Tables.
"""

from __future__ import annotations

from restem.reports.analysis import agreement_between_verifiers as between
from restem.reports.analysis.agreement_between_verifiers import Correction
from restem.reports.analysis.findings import Findings
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import difference, estimate, number
from restem.reports.tables.quality import pooled
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def corrected(findings: Findings) -> Table:
    """Raw reward, corrected reward and gold side by side."""
    corrections = between.corrections(findings)
    several = any(item.seeded.n > 1 for item in corrections)
    seeds = "Over seeds and problems: of other seeds on other problems, each replicate corrected by itself. " * several
    return Table.of(
        corrections,
        [
            Column("verifier", "Verifier", lambda c: c.verifier, names=True),
            Column("checkpoint", "Checkpoint", lambda c: c.checkpoint, names=True),
            Column("reward", "Reward, %", _reward),
            Column("corrected", "Corrected, %", lambda c: estimate(c.corrected)),
            Column("gold", "Gold accuracy, %", lambda c: estimate(c.gold)),
            Column("excess", "Corrected − gold, points", lambda c: difference(c.excess)),
            Column("over_seeds", "The same over seeds and problems, points", lambda c: difference(c.seeded))
            if several
            else None,
        ],
        id="corrected",
        title="Reward, corrected for the verifier's errors, and gold accuracy",
        note=(
            "Corrected (Rogan and Gladen): (reward − FPR) / (TPR − FPR) with the rates measured on the base's "
            "samples; the interval carries their doubt, and is all of 0 to 100 where TPR and FPR may be equal. On the "
            "samples that the verifier and the gold both decided. A difference whose interval leaves out 0: the "
            "verifier's errors are not what they were. "
            f"{pooled(findings.run)}{seeds}{CLUSTERED}"
        ),
    )


def _reward(correction: Correction) -> Cell:
    """The mean reward; where samples were undecided, the bounds that these leave."""
    cell, (low, high) = estimate(correction.reward), correction.bounds
    undecided = f"; {number(low)} to {number(high)} with undecided" if high - low >= 0.0005 else ""
    return cell._replace(detail=cell.detail + undecided)


def errors(findings: Findings) -> Table:
    """Systematic or random errors."""
    return Table.of(
        between.errors(findings.run),
        [
            Column("verifier", "Verifier", lambda e: e.verifier, names=True),
            Column("fpr", "FPR, %", lambda e: estimate(e.fpr)),
            Column("accepts", "ρ of false accepts", lambda e: estimate(e.accepts, 2, 1)),
            Column("fnr", "1 − TPR, %", lambda e: estimate(e.fnr)),
            Column("rejects", "ρ of false rejects", lambda e: estimate(e.rejects, 2, 1)),
        ],
        id="errors",
        title="Systematic or random errors",
        note=(
            "Test samples of all checkpoints. ρ: correlation of two errors on one problem. 0: independent slips, "
            "which more samples average out. Towards 1: the same problems are always misjudged, and "
            f"a policy learns what passes there. {pooled(findings.run)}{CLUSTERED}"
        ),
    )


def choosing(findings: Findings) -> Table:
    """pass@k, maj@k and best-of-k side by side."""
    choices = between.choosing(findings)
    ks = tuple(choices[0].accuracy) if choices else ()
    return Table.of(
        choices,
        [
            Column("arm", "Arm", lambda c: arm_cell(c.standing.arm).text, names=True),
            Column("iteration", "Iteration", lambda c: str(c.standing.iteration), names=True),
            Column("by", "Chosen by", lambda c: c.by, names=True),
            *(Column(f"k={k}", f"k = {k}, %", lambda c, k=k: estimate(c.accuracy[k])) for k in ks),
        ],
        id="choosing",
        title="One answer out of k samples",
        note=(
            "Gold accuracy of the chosen sample, expected over all subsets of k. Oracle: pass@k. Majority: maj@k. A "
            "verifier picks among those it accepts, else among those it rejects, an undecided sample last; ties "
            f"evenly. {CLUSTERED}"
        ),
    )
