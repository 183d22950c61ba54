"""tunix's log of trajectories, `trajectory_log_TIME.csv` of the agentic GRPO learner -> rollouts.

google/tunix:tunix/utils/trajectory_logger.py writes a dictionary a row with pandas, so that messages and the data set's
row stand as Python text. They are read as literals only (`ast.literal_eval`); a cell that is none, as where NumPy cut
an array, is not read. Does not depend on tunix.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_response
from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import numbered
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import Imported, Rollout, number
from restem.harness.imports.sources import CSV, Source

NAME = "tunix"
TURNS, REWARD, VERSION, TASK = "conversation_text", "trajectory_reward", "policy_version", "original_input"
REFERENCES = ("answer", "reference", "ground_truth", "solution", "target", "label")
_LONGEST = 1_000_000  # characters of a literal; Python's parser needs about a hundred bytes for each


def recognises(source: Source) -> bool:
    """Whether it is a table with the columns of a trajectory."""
    return source.kind == CSV and {TURNS, REWARD, VERSION} <= source.head.keys()


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The rollout of one row."""
    turns = _literal(row, TURNS)
    question, response = plain_question(turns), plain_response(turns)
    if question is None or response is None:
        raise row.unexpected(TURNS, "messages with a turn of the user and one of the policy")
    task = _literal(row, TASK) if row.fields.get(TASK) else {}
    task = task if isinstance(task, dict) else {}
    reference = next((task[name] for name in REFERENCES if task.get(name) is not None), None)
    version = _number(row, VERSION)
    status = row.optional_text("status") if "status" in row.fields else None
    yield Rollout(
        place=row.place,
        question=question,
        response=response,
        step=None if version is None else int(version),
        references=JsonLine(place=row.place, raw=b"", fields={TASK: reference}, error=row.error).answers(TASK),
        rewards={"reward": _number(row, REWARD)},
        finish_reason=status.lower() if status else None,
    )


def _literal(row: JsonLine, column: str) -> Any:
    """The value that a cell's Python text stands for; nothing of it is ever run."""
    text = row.text(column)
    try:
        if len(text) > _LONGEST:
            raise ValueError
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise row.unexpected(column, "a Python literal") from None


def _number(row: JsonLine, column: str) -> float | None:
    text = row.fields.get(column)
    try:
        return number(float(text) if isinstance(text, str) and text else None)
    except ValueError:
        raise row.unexpected(column, "a number") from None


FORMAT = Format(name=NAME, title="tunix trajectories", recognises=recognises, read=numbered(by_row(rollouts)))
