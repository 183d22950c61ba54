"""Values inside foreign objects, of the kind that is expected there, or none.

Takes decoded JSON of any shape; gives plain values. Nothing raises: what is of another kind counts as absent. Depends
on nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MOST = 2**53  # a larger whole number is none: floats and run.db do not hold all of them
# What tools call the accepted answer of a problem, the most particular name first.
REFERENCES = ("expected_answer", "ground_truth", "reference", "target", "answer")


def part(holder: Any, *fields: str) -> Mapping[str, Any]:
    """The object that a path of fields leads to; an empty one where there is none."""
    for field in fields:
        holder = holder.get(field) if isinstance(holder, Mapping) else None
    return holder if isinstance(holder, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; an empty list where the value is none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def word(value: Any) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def count(value: Any) -> int | None:
    """A whole number from 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST or value != value // 1:
        return None
    return int(value)


def texts(value: Any) -> tuple[str, ...]:
    """The accepted answers in a value, each once: a text, a number or a list of them; empty for anything else."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | int | float) and not isinstance(each, bool) for each in values):
        return ()
    return tuple(dict.fromkeys(map(str, values)))


def references(holder: Mapping[str, Any], names: Iterable[str] = REFERENCES) -> tuple[str, ...]:
    """The accepted answers in the first of these fields that has any."""
    return next((found for name in names if (found := texts(holder.get(name)))), ())


def mean(values: Any) -> float | None:
    """The mean of a list of numbers; None for an empty list or anything else."""
    if not isinstance(values, list) or not values:
        return None
    return sum(values) / len(values) if all(isinstance(value, int | float) for value in values) else None
