"""What became of a file of problems: how many are used in each split, which columns, and what was left out.

Takes the fact `problem_file` of a run; gives sentences, for the report and for the standard error of `restem run`. Does
not depend on the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from restem.benchmarks.hints import did_you_mean

_FOUND = {"mark": "behind the last ####", "box": r"in the last \boxed{...}", "whole": "as the whole text"}
_SHOWN = 12  # columns that a sentence names


def file_sentences(facts: Mapping[str, Any]) -> list[str]:
    """What was read: counts of splits, columns and references, then a sentence for each thing that was not used."""
    named = [(key, facts["columns"].get(key)) for key in ("question", "answer")]
    columns = ", ".join(f"{key} in {column!r}" for key, column in named if column is not None)
    found = ", ".join(f"{count:,} {_FOUND[place]}" for place, count in facts["references"].items())
    named = facts["named_splits"]
    how = "by their rows" if named == facts["problems"] else "by a hash of the question"
    how = f"{how}, {named:,} by their rows" if 0 < named < facts["problems"] else how
    splits = ", ".join(_split(name, *facts["splits"][name]) for name in ("train", "validation", "test"))
    return [
        f"{facts['name']} ({facts['format']}): {facts['problems']:,} problems, divided {how}: {splits}.",
        f"Columns: {columns}. References: {found or 'none'}.",
        *_losses(facts),
    ]


def _split(name: str, used: int, there: int) -> str:
    return f"{there:,} {name}" + (f" (the first {used:,} are used: benchmark.{name})" if used < there else "")


def _losses(facts: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    if facts["unused"]:
        lines.append(f"Columns that are not used: {_listed(facts['unused'])}.")
    if facts["repeated"]:
        place, first = facts["first_repeated"]
        lines.append(
            f"Rows that repeat an earlier one, left out: {facts['repeated']:,}, the first {place}, as {first}."
        )
    if facts["unanswered"]:
        column = "no column of answers is known" if "answer" not in facts["columns"] else "their answers are empty"
        hint = next((hint for hint in map(_hint, facts["unused"]) if hint), "")
        lines.append(
            f"Problems without a reference: {facts['unanswered']:,}, the first {facts['first_unanswered']}; "
            f"{column}{hint if 'answer' not in facts['columns'] else ''}."
        )
    return lines


def _hint(column: str) -> str:
    return did_you_mean(column, ("answer", "reference", "solution"))


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
    return ", ".join(f"{column!r:.40}" for column in columns[:_SHOWN]) + more
