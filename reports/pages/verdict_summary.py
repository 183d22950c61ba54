"""What verifiers decided on a set of rows, as text for a terminal and as JSON: the summary of `restem verify`.

Takes VerdictSummaries; gives texts. Names, reasons and references are shortened and their control characters written
out, so that no row can send commands to a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from restem.reports.analysis.verdict_summary import Unreadable, VerdictSummary
from restem.reports.pages.columns import plain
from restem.reports.pages.escape import visible
from restem.reports.tables import verdict_summary as tables

if TYPE_CHECKING:
    from restem.reports.stats.estimates import Estimate

REASONS = 6  # reasons of undecided verdicts that are named
NOTE = """\
TPR, FPR: accepted share of the decided rows that are right, and of those that are wrong. Intervals: 95 %, clustered by
problem, for other problems of the same kind: not for another kind of data, and not for errors of the labels. They are
Student's t; where fewer than 5 problems hold the rarer outcome, Wilson's with the effective number of problems."""


def text(summaries: Sequence[VerdictSummary]) -> str:
    """Outcomes, reasons of undecided verdicts, unreadable references, and rates against labels."""
    blocks = [plain(tables.outcomes(summaries))]
    if lines := [line for summary in summaries for line in _lines(summary)]:
        blocks.append("\n".join(lines))
    for against in dict.fromkeys(summary.rates.against for summary in summaries if summary.rates):
        rated = [summary for summary in summaries if summary.rates and summary.rates.against == against]
        blocks.append("\n".join([_heading(rated[0], against), plain(tables.rates(rated)), NOTE]))
    return "\n\n".join(blocks)


def _lines(summary: VerdictSummary) -> Iterator[str]:
    name = visible(summary.verifier, 80)
    if summary.undecided:
        shown = [f"{count} {visible(reason or 'no reason given', 80)}" for reason, count in summary.reasons[:REASONS]]
        if rest := len(summary.reasons) - REASONS:
            count = sum(count for _, count in summary.reasons[REASONS:])
            shown += [f"{count} for {rest} other reasons"] if rest > 0 else []
        yield f"{name} undecided: {', '.join(shown)}"
    if summary.unreadable:
        yield f"{name} {_unreadable(summary.unreadable)}"


def _unreadable(unreadable: Unreadable) -> str:
    first = [
        f"{visible(id, 80)} {' or '.join(visible(text, 80) for text in texts) or 'without a reference'} "
        f"({visible(reason, 80)})"
        for id, texts, reason in unreadable.first
    ]
    more = ", ..." if unreadable.count > len(first) else ""
    return (
        f"cannot read the expected answer of {unreadable.count} of {unreadable.problems} problems: "
        f"{', '.join(first)}{more}"
    )


def _heading(summary: VerdictSummary, against: str | None) -> str:
    assert summary.rates is not None
    source = "the labels" if against is None else f"the gold, {visible(against, 80)}, on all checkpoints together"
    return f"Against {source} ({summary.rates.right} right and {summary.rates.wrong} wrong rows):"


def data(summaries: Sequence[VerdictSummary]) -> list[dict[str, Any]]:
    """The same for programs; shares in [0, 1], intervals as [value, low, high], null where not measured."""
    return [_data(summary) for summary in summaries]


def _data(summary: VerdictSummary) -> dict[str, Any]:
    unreadable, rates = summary.unreadable, summary.rates
    return {
        "verifier": summary.verifier,
        "rows": summary.rows,
        "problems": summary.problems,
        "decided": summary.correct + summary.wrong,
        "correct": summary.correct,
        "wrong": summary.wrong,
        "undecided": summary.undecided,
        "reasons": dict(summary.reasons),
        "unreadable_references": unreadable
        and {
            "count": unreadable.count,
            "problems": unreadable.problems,
            "first": [{"id": id, "references": texts, "reason": reason} for id, texts, reason in unreadable.first],
        },
        "labels": rates
        and {
            "against": rates.against,
            "right": rates.right,
            "right_accepted": rates.right_accepted,
            "right_refused": rates.right_refused,
            "wrong": rates.wrong,
            "wrong_accepted": rates.wrong_accepted,
            "wrong_refused": rates.wrong_refused,
            "tpr": _interval(rates.tpr),
            "fpr": _interval(rates.fpr),
            "decided": _interval(rates.decided),
        },
    }


def _interval(estimate: Estimate) -> list[float] | None:
    values = [estimate.value, estimate.low, estimate.high]
    return values if all(map(math.isfinite, values)) else None
