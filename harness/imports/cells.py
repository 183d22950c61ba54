"""Cells of foreign rows as the values of a rollout: numbers, texts, rewards, and the order among equal problems.

Takes rows of any source; gives plain values or the row's own error, which names the field. Does not depend on any tool.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_response
from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.imports.format import Read
from restem.harness.imports.nested import MOST
from restem.harness.imports.rollout import Imported, Refused, Rollout, number
from restem.harness.imports.sources import Source, without_value


def whole_number(row: JsonLine, field: str) -> int | None:
    """The whole number from 0 of a field; None where it is absent or null."""
    value = row.fields.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST or value != value // 1:
        raise row.unexpected(field, "a whole number from 0, or null")
    return int(value)


def text_or_none(row: JsonLine, field: str) -> str | None:
    """The text or number of a field as text; None where it is absent or null."""
    value = row.optional_identifier(field)
    return None if value is None else str(value)


def question_of(row: JsonLine, field: str) -> str:
    """The last turn of the user in a prompt."""
    question = plain_question(row.fields.get(field))
    if question is None:
        raise row.unexpected(field, "a text, or messages with a turn of the user")
    return question


def response_of(row: JsonLine, field: str) -> str:
    """What the policy wrote."""
    response = plain_response(row.fields.get(field))
    if response is None:
        raise row.unexpected(field, "a text, or messages with a turn of the policy")
    return response


def reward(row: JsonLine, field: str, value: Any) -> float | None:
    """A recorded number; None where it is null or NaN."""
    try:
        return number(value)
    except ValueError as error:
        raise row.error(f"{row.place}: {field}: {error}") from None


def rewards_of(row: JsonLine, values: Mapping[str, Any]) -> dict[str, float | None]:
    """Name -> number of several recorded rewards."""
    return {name: reward(row, name, value) for name, value in values.items()}


def checked(row: JsonLine, rollout: Callable[..., Rollout], *arguments: Any) -> Imported:
    """The rollout of a row, or the row refused with its error."""
    try:
        return rollout(row, *arguments)
    except BadLine as error:
        return Refused(place=row.place, reason=without_value(error, row.place))


def is_number(value: Any) -> bool:
    """Whether a cell is a number that a float can hold; a bool is one, as 1 or 0."""
    return isinstance(value, bool | float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)


def kinds_of_columns(source: Source, skip: Iterable[str]) -> dict[str, set[str]]:
    """Column -> which of "number", "null" and "other" its cells are, in the order of the columns."""
    kinds: dict[str, set[str]] = {}
    skipped = frozenset(skip)
    for row in source.rows():
        if isinstance(row, Refused):
            continue
        for name, value in row.fields.items():
            if name not in skipped:
                kind = "null" if value is None else "number" if is_number(value) else "other"
                kinds.setdefault(name, set()).add(kind)
    return kinds


def numbered(read: Read) -> Read:
    """The same reading, where a rollout without an index gets its number among those of the same problem and step.

    For a source that is read whole: reading it again gives the same indices.
    """

    def read_numbered(source: Source) -> Iterator[Imported]:
        counts: Counter[tuple[Any, ...]] = Counter()
        for rollout in read(source):
            if isinstance(rollout, Rollout) and rollout.index is None:
                problem = rollout.split, rollout.step, rollout.series, rollout.group, rollout.question
                key = (*problem, rollout.references)
                yield dataclasses.replace(rollout, index=counts[key])
                counts[key] += 1
            else:
                yield rollout

    return read_numbered
