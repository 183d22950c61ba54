"""A comparison of two runs as a page, a screen or plain data.

Takes a RunComparison; gives a Report for `restem.reports.pages.render`, text, or what becomes JSON. Computes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from restem.reports.analysis.compare import CheckpointPair, Rerun, RunComparison
from restem.reports.pages.columns import broken, wrapped
from restem.reports.pages.comparison_sentences import comparison_sentences, note_sentence
from restem.reports.pages.escape import visible
from restem.reports.pages.json_data import finite, interval, note_data
from restem.reports.pages.render import Report, write_pages
from restem.reports.stats.reward_quality import RewardQuality
from restem.reports.tables import compare

SCREEN = ("checkpoint", "a", "b", "difference", "p", "verdict")


def write_comparison(comparison: RunComparison, folder: Path) -> Path:
    """Writes compare.md and compare.html; gives the HTML page's path."""
    return write_pages(_report(comparison), folder, "compare")


def text(comparison: RunComparison, columns: int) -> str:
    """The answer, what to know, and the first table's chief columns, for a terminal of so many columns."""
    lines = wrapped([visible(line, 2000) for line in (_who(comparison), *_sentences(comparison))], columns)
    table = compare.checkpoints(comparison).only(SCREEN)
    return "\n".join([*lines, "", broken([table], columns), ""])


def _sentences(comparison: RunComparison) -> list[str]:
    return [*comparison_sentences(comparison), *map(note_sentence, comparison.notes)]


def data(comparison: RunComparison) -> dict[str, Any]:
    """The same for programs: shares in [0, 1]; an interval is [value, low, high] at 95 %; null where not measured."""
    return {
        "runs": list(comparison.names),
        "rerun": comparison.rerun,
        "notes": [note_data(note) for note in comparison.notes],
        "comparisons": [_pair(pair, comparison.rerun) for pair in comparison.pairs],
        "quality": [
            {
                "verifier": item.verifier,
                **dict(zip(("left", "right"), item.pair.names, strict=True)),
                **{side: _rates(quality) for side, quality in (("left_rates", item.left), ("right_rates", item.right))},
            }
            for item in comparison.quality
        ],
        "settings": [{"setting": key, "left": ours, "right": theirs} for key, ours, theirs in comparison.settings],
    }


def _pair(pair: CheckpointPair, rerun: Rerun | None) -> dict[str, Any]:
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
        "verdict": "differs" if rerun and contest.decided else contest.result,
    }


def _rates(quality: RewardQuality) -> dict[str, Any]:
    return {
        "n": quality.n,
        "tpr": interval(quality.tpr),
        "fpr": interval(quality.fpr),
        "likelihood_ratio": interval(quality.likelihood_ratio),
    }


def _report(comparison: RunComparison) -> Report:
    return Report(
        title=f"A and B compared: {' and '.join(comparison.names)}",
        answer=tuple(_sentences(comparison)),
        verdict=None,
        judge=_who(comparison),
        unfinished=(),
        first=(compare.checkpoints(comparison),),
        pictures=(),
        others=tuple(table for table in (compare.quality(comparison),) if table.rows),
        cases=(),
        provenance=compare.settings(comparison),
        explorer=None,
        method="compare_method.txt",
    )


def _who(comparison: RunComparison) -> str:
    return f"A is the run in {comparison.names[0]}, B the run in {comparison.names[1]}; a difference is A − B."
