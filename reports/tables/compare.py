"""A comparison of two runs as tables: accuracy, reward quality, and the settings that differ.

Takes a RunComparison; gives Tables.
"""

from __future__ import annotations

from restem.reports.analysis.compare import RunComparison
from restem.reports.stats.paired_tests import Flips
from restem.reports.stats.seeds import SPREAD
from restem.reports.tables.format import difference, estimate, number, p_value, setting
from restem.reports.tables.phrases import contest_words, pair_title
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def checkpoints(comparison: RunComparison) -> Table:
    """Every pair of checkpoints: accuracies, their difference, and what its tests show."""
    margin = 100 * comparison.pairs[0].contest.equivalence.margin
    problems = "problems" if comparison.imported else "test problems"
    return Table.of(
        comparison.pairs,
        [
            Column("checkpoint", "Checkpoint", pair_title, names=True),
            Column("a", "A, %", lambda pair: estimate(pair.left.accuracy)),
            Column("b", "B, %", lambda pair: estimate(pair.right.accuracy)),
            Column("difference", "A − B, points", lambda pair: difference(pair.contest.claim)),
            Column("flips", "Problems + / −", lambda pair: _flips(pair.contest.flips)),
            Column("p", "p (Holm)", lambda pair: p_value(pair.contest.adjusted_p)),
            Column(
                "equivalence",
                f"p, apart by {margin:g} points (TOST)",
                lambda pair: p_value(pair.contest.equivalence.p_value),
            ),
            Column("detectable", "Detectable, points", lambda pair: number(pair.contest.claim.detectable)),
            Column("verdict", "Verdict", lambda pair: contest_words(pair.contest, comparison.rerun), names=True),
        ],
        id="checkpoints",
        title="Checkpoints",
        note=(
            f"Gold accuracy on the same {problems}. Problems + / −: with a larger share of correct in A, and in B; "
            "below, the exact McNemar test on them (a problem's flips count once). p (Holm): paired t over problems, "
            f"or McNemar's where each has one sample, corrected for all rows. {_claimed(comparison)} TOST: a small p "
            f"says that the two are equal within {margin:g} points; no worse: A than B. Detectable with 80 % power. "
            f"{CLUSTERED}"
        ),
    )


def _claimed(comparison: RunComparison) -> str:
    """What the differences are of."""
    if comparison.imported:
        return "Differences and their tests are of these two trainings on other problems, not of other trainings."
    return (
        "Differences of trained checkpoints, and their tests, are of other seeds on other problems; where a run has "
        f"one seed, they assume a spread of {100 * SPREAD:g} points between seeds."
    )


def _flips(flips: Flips) -> Cell:
    return Cell(f"{flips.gained} / {flips.lost}", f"p {p_value(flips.p_value)}")


def quality(comparison: RunComparison) -> Table:
    """The verifiers that both runs have, on the samples of both checkpoints of a pair."""
    return Table.of(
        comparison.quality,
        [
            Column("verifier", "Verifier", lambda item: item.verifier, names=True),
            Column("checkpoint", "Checkpoint", lambda item: pair_title(item.pair), names=True),
            Column("samples", "Samples, A / B", lambda item: f"{item.left.n} / {item.right.n}"),
            Column("tpr_a", "TPR in A, %", lambda item: estimate(item.left.tpr)),
            Column("tpr_b", "TPR in B, %", lambda item: estimate(item.right.tpr)),
            Column("fpr_a", "FPR in A, %", lambda item: estimate(item.left.fpr)),
            Column("fpr_b", "FPR in B, %", lambda item: estimate(item.right.fpr)),
            Column("ratio_a", "LR+ in A", lambda item: estimate(item.left.likelihood_ratio, 2, 1)),
            Column("ratio_b", "LR+ in B", lambda item: estimate(item.right.likelihood_ratio, 2, 1)),
        ],
        id="shared",
        title="Reward quality of the verifiers that both have",
        note=(
            f"Against the gold, on each checkpoint's own {'' if comparison.imported else 'test '}samples that both "
            "decided. LR+ = TPR / FPR; 1 carries no "
            f"information. {CLUSTERED}"
        ),
    )


def settings(comparison: RunComparison) -> Table:
    """The settings that differ between the runs."""
    return Table.of(
        comparison.settings,
        [
            Column("what", "What", lambda row: row[0], names=True),
            Column("a", "A", lambda row: setting(row[1]), names=True),
            Column("b", "B", lambda row: setting(row[2]), names=True),
        ],
        id="provenance",
        title="Settings that differ" if comparison.settings else "No setting differs",
        note="All that the two runs recorded of how they were made, where it is not the same.",
    )
