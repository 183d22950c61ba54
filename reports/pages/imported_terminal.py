"""An imported run on a terminal and for programs: the first page's sentence and table, and all of it as plain data.

Takes a Run; gives text, or what becomes JSON. Needs no plotting library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from restem.harness.names import RECORDED
from restem.reports.analysis.imported import Imported, imported
from restem.reports.analysis.not_known import not_known
from restem.reports.analysis.unfinished import missing
from restem.reports.data.run import Run
from restem.reports.pages.columns import broken, fitted, interval_alone, wrapped
from restem.reports.pages.escape import visible
from restem.reports.pages.finding_sentences import missing_sentence
from restem.reports.pages.imported_basis import basis, labels_needed
from restem.reports.pages.imported_sentences import import_sentence, sentences
from restem.reports.pages.json_data import finite, interval
from restem.reports.tables.format import number
from restem.reports.tables.imported import rewards_table, span
from restem.reports.tables.table import Table

NARROWER = (("raw", "samples"), ("course", "steps"), ("drift",), ("ratio",), ("tpr", "fpr"))  # left out one by one
ROWS_OF_A_LINE = 2  # lines of the screen that a table's row takes at least


def first_page(run: Run, columns: int) -> str:
    """The answer, what it rests on, and the table of rewards: the last screen of `restem audit` and `restem report`."""
    found = imported(run)
    notes = [*_answer(found), "", *_basis(found, columns)]
    table = rewards_table(found)
    shown = ["", broken(_variants(table), columns)] if table.rows else []
    return "\n".join([*wrapped_visible(notes, columns), *shown, ""])


def screen(run: Run, lines: int, columns: int) -> str:
    """The same within this many lines: the last rows of the table are left out where there is no room."""
    found = imported(run)
    table = rewards_table(found)
    lacking = [missing_sentence(item) for item in missing(run)]
    head = wrapped_visible([import_sentence(found), *lacking, "", *sentences(found)[:1], ""], columns)
    room = max(1, lines - len(head) - 5)
    cut = len(table.rows) - room
    more = [f"{cut} rows are left out; all in `restem report`."] if cut > 0 else []
    shown = dataclasses.replace(table, rows=table.rows[:room])
    body = [fitted(_variants(shown), columns)] if table.rows else []
    return "\n".join([*head, *body, *more, ""])


def latest(run: Run) -> str:
    """The recorded rewards and the accuracy at the last step, in one line."""
    found = imported(run)
    parts = []
    for trace in found.recorded:
        point = trace.ends[1]
        gold = f", accuracy {number(point.accuracy.value)} %" if found.gold else ""
        name = trace.verifier.removeprefix(RECORDED)
        where = f"{trace.course.series}, {trace.course.split}, step {span(point.first, point.last)}"
        parts.append(f"{where}: {name} accepts {number(point.reward.value)} %{gold}")
    return "; ".join(parts) or "nothing imported yet"


def wrapped_visible(lines: Sequence[str], columns: int) -> list[str]:
    """Lines with hidden characters written out, broken between words."""
    return wrapped([visible(line, 2000) for line in lines], columns)


def _answer(found: Imported) -> list[str]:
    return [*sentences(found), import_sentence(found)]


def _basis(found: Imported, columns: int) -> list[str]:
    return [f"- {sentence}" for sentence in [*basis(found), *map(missing_sentence, missing(found.run))]]


def _variants(table: Table) -> list[Table]:
    """Ever narrower: without intervals, then without the columns that are named above."""
    keys = [column.key for column in table.columns]
    variants = [table, table.changed(interval_alone), bare := table.changed(lambda cell: cell._replace(detail=""))]
    for left_out in NARROWER:
        keys = [key for key in keys if key not in left_out]
        variants.append(bare.only(keys))
    return variants


def data(run: Run) -> dict[str, Any]:
    """The first page for programs: codes and numbers."""
    found = imported(run)
    needed, size = labels_needed(found) if not found.gold else ([], 0)
    return {
        "gold": found.gold or None,
        "reward": found.reward,
        "rewards": [
            {
                "verifier": trace.verifier,
                "series": trace.course.series,
                "split": trace.course.split,
                "onset": trace.onset,
                "at": None if trace.at is None else trace.points[trace.at].first,
                "lasts": trace.lasts,
                "beyond": interval(trace.shown.beyond) if trace.shown else None,
                "tpr": interval(trace.quality.tpr),
                "fpr": interval(trace.quality.fpr),
                "likelihood_ratio": interval(trace.quality.likelihood_ratio),
                "steps": [
                    {
                        "first": point.first,
                        "last": point.last,
                        "samples": point.n,
                        "reward": interval(point.reward),
                        "raw": interval(point.raw),
                        "accuracy": interval(point.accuracy),
                        "gap": interval(point.gap),
                        "tpr": interval(point.quality.tpr),
                        "fpr": interval(point.quality.fpr),
                        "likelihood_ratio": interval(point.quality.likelihood_ratio),
                        "undecided": finite(point.undecided),
                    }
                    for point in trace.points
                ],
            }
            for trace in found.traces
        ],
        "kept": [
            {
                "verifier": item.verifier,
                "judged": item.judged,
                "accepted": item.accepted,
                "precision": interval(item.precision),
                "shared": finite(item.shared),
                "right": [-item.right_lost, item.right_added],
                "wrong": [-item.wrong_dropped, item.wrong_added],
            }
            for item in found.kept
        ],
        "not_known": [
            {"code": limit.code, "count": limit.count, "whole": limit.whole, "name": limit.name or None}
            for limit in not_known(found)
        ],
        "labels": {"responses": size, "needed": [{"half_width": width, "labels": count} for width, count in needed]},
    }
