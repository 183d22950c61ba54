"""A comparison of two runs as tables, and these as a page, a screen or plain data.

Takes a RunComparison; gives a Report for `restem.reports.pages.report`, text, or what becomes JSON. Computes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from restem.reports.analysis.compare import CheckpointPair, RunComparison, SharedVerifier
from restem.reports.pages.columns import plain
from restem.reports.pages.comparison_sentences import comparison_sentences, note_sentence
from restem.reports.pages.escape import visible
from restem.reports.pages.json_data import finite, interval, note_data
from restem.reports.pages.report import Report, write_pages
from restem.reports.stats.paired_tests import Flips
from restem.reports.stats.reward_quality import RewardQuality
from restem.reports.tables.format import DASH, difference, estimate, number, p_value
from restem.reports.tables.phrases import contest_words, pair_title
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table, numbered

SCREEN = ("checkpoint", "a", "b", "difference", "p", "detectable", "verdict")


def write_comparison(comparison: RunComparison, folder: Path) -> Path:
    """Writes compare.md and compare.html; gives the HTML page's path."""
    return write_pages(_report(comparison), folder, "compare")


def text(comparison: RunComparison) -> str:
    """The answer, what to know, and the first table's chief columns."""
    lines = [_who(comparison), *_sentences(comparison)]
    return "\n".join([*(visible(line, 2000) for line in lines), "", plain(_checkpoints(comparison), SCREEN), ""])


def _sentences(comparison: RunComparison) -> list[str]:
    return [*comparison_sentences(comparison), *map(note_sentence, comparison.notes)]


def data(comparison: RunComparison) -> dict[str, Any]:
    """The same for programs: shares in [0, 1]; an interval is [value, low, high] at 95 %; null where not measured."""
    return {
        "runs": list(comparison.names),
        "notes": [note_data(note) for note in comparison.notes],
        "comparisons": [_pair(pair) for pair in comparison.pairs],
        "quality": [
            {
                "verifier": item.verifier,
                **dict(zip(("left", "right"), item.pair.names, strict=True)),
                **{side: _rates(found) for side, found in (("left_rates", item.left), ("right_rates", item.right))},
            }
            for item in comparison.quality
        ],
        "settings": [{"setting": key, "left": ours, "right": theirs} for key, ours, theirs in comparison.settings],
    }


def _pair(pair: CheckpointPair) -> dict[str, Any]:
    contest = pair.contest
    return {
        **dict(zip(("left", "right"), pair.names, strict=True)),
        "accuracy": [interval(pair.left.accuracy), interval(pair.right.accuracy)],
        "difference": interval(contest.claim),
        "flips": [contest.flips.gained, contest.flips.lost],
        "flips_p": contest.flips.p_value,
        "p": contest.p_value,
        "p_holm": contest.adjusted_p,
        "margin": contest.equivalence.margin,
        "not_worse_p": contest.equivalence.not_worse,
        "not_better_p": contest.equivalence.not_better,
        "detectable": finite(contest.claim.detectable),
        "verdict": contest.result,
    }


def _rates(found: RewardQuality) -> dict[str, Any]:
    return {
        "n": found.n,
        "tpr": interval(found.tpr),
        "fpr": interval(found.fpr),
        "likelihood_ratio": interval(found.likelihood_ratio),
    }


def _report(comparison: RunComparison) -> Report:
    return Report(
        title=f"A and B compared: {' and '.join(comparison.names)}",
        answer=tuple(_sentences(comparison)),
        verdict=None,
        judge=_who(comparison),
        unfinished=(),
        first=(_checkpoints(comparison),),
        pictures=(),
        others=tuple(table for table in (_quality(comparison),) if table.rows),
        cases=(),
        provenance=_settings(comparison),
        explorer=None,
        method="compare_method.txt",
    )


def _who(comparison: RunComparison) -> str:
    return f"A is the run in {comparison.names[0]}, B the run in {comparison.names[1]}; a difference is A − B."


def _checkpoints(comparison: RunComparison) -> Table:
    margin = 100 * comparison.pairs[0].contest.equivalence.margin
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
            Column("verdict", "Verdict", lambda pair: contest_words(pair.contest)),
        ],
        id="checkpoints",
        title="Checkpoints",
        note=(
            "Gold accuracy on the same test problems. Problems + / −: with a larger share of correct in A, and in B; "
            "below, the exact McNemar test on them (a problem's flips count once). p (Holm): paired t over problems, "
            "or McNemar's where each has one sample, corrected for all rows; of arms with replicates, intervals "
            "and tests are of other seeds on other problems. TOST: a small p says that the two are equal "
            f"within {margin:g} points; no worse: A than B. Detectable with 80 % power. {CLUSTERED}"
        ),
    )


def _flips(flips: Flips) -> Cell:
    return Cell(f"{flips.gained} / {flips.lost}", f"p {p_value(flips.p_value)}")


def _quality(comparison: RunComparison) -> Table:
    return numbered(
        id="shared",
        title="Reward quality of the verifiers that both have",
        columns=(
            *("Verifier", "Checkpoint", "Samples, A / B", "TPR in A, %", "TPR in B, %", "FPR in A, %", "FPR in B, %"),
            *("LR+ in A", "LR+ in B"),
        ),
        rows=tuple(_quality_row(item) for item in comparison.quality),
        note=(
            "Against the gold, on each checkpoint's own test samples that both decided. LR+ = TPR / FPR; 1 carries no "
            f"information. {CLUSTERED}"
        ),
        first=2,
    )


def _quality_row(item: SharedVerifier) -> tuple[Cell, ...]:
    a, b = item.left, item.right
    return (
        *(Cell(item.verifier), Cell(pair_title(item.pair)), Cell(f"{a.n} / {b.n}")),
        *(estimate(a.tpr), estimate(b.tpr), estimate(a.fpr), estimate(b.fpr)),
        *(estimate(a.likelihood_ratio, 2, 1), estimate(b.likelihood_ratio, 2, 1)),
    )


def _settings(comparison: RunComparison) -> Table:
    rows = tuple((Cell(key), Cell(_shown(a)), Cell(_shown(b))) for key, a, b in comparison.settings)
    return numbered(
        id="provenance",
        title="Settings that differ" if rows else "No setting differs",
        columns=("What", "A", "B"),
        rows=rows,
        note="All that the two runs recorded of how they were made, where it is not the same.",
        first=3,
    )


def _shown(value: Any) -> str:
    if value is None:
        return DASH
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
