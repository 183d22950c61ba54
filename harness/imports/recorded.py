"""Rows that `restem.verifiers.adapters.recorded()` wrote around a reward function -> rollouts.

One JSON object a response: `question`, `response`, `references`, `step`, `index`, `group`, `rewards` (name -> number or
null), `reasons` (name -> why there is none), `seconds`, `form`. A row stands for itself, so a file is followed while it
grows, and several processes may have written it. Does not depend on the recorder.
"""

from __future__ import annotations

from collections.abc import Iterator

from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import rewards_of, text_or_none, whole_number
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import Imported, Rollout
from restem.harness.imports.sources import Source

NAME = "recorded"
_COUNTED = ("slime",)  # conventions whose `group` counts on from step to step, so that it names no problem


def recognises(source: Source) -> bool:
    """Whether the first row has the fields that only the recorder writes together."""
    return {"response", "references", "rewards", "seconds", "form"} <= source.head.keys()


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The rollout of a row.

    A question that the framework did not pass is empty: problems are then told apart by their references alone. The
    framework's own index is not used: it comes again in a later epoch, or counts over all problems.
    """
    reasons = row.json_object("reasons")
    yield Rollout(
        place=row.place,
        question=row.text("question"),
        response=row.text("response"),
        step=whole_number(row, "step"),
        group=None if row.fields.get("form") in _COUNTED else text_or_none(row, "group"),
        references=row.answers("references"),
        rewards=rewards_of(row, row.json_object("rewards")),
        reasons={name: str(reason) for name, reason in reasons.items() if reason},
    )


FORMAT = Format(name=NAME, title="rows of recorded()", recognises=recognises, read=by_row(rollouts), appends=True)
