"""What a reward function gave, as one number or a reason for each response.

Takes any Python object; gives `[number, reason, answer]`, of which number or reason is None. Runs in the worker, in any
environment: it imports the standard library alone. None, NaN, infinities, texts and wrong counts are no numbers: a
function that cannot tell never gives a 0.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypeAlias

# The keys under which dicts hold the number, the first that is there counts.
KEYS = ("score", "reward", "rewards", "reward_score", "value", "acc", "correct")
MAX_SHOWN = 120

Result: TypeAlias = "tuple[float | None, str | None, str | None]"


def refused(reason: str, count: int = 1) -> list[Result]:
    """The same reason for each response."""
    return [(None, reason, None)] * count


def raised(problem: BaseException) -> str:
    """An exception as a reason: its name and the place that raised it.

    Its message is added where it is about the code. Others may repeat the response, and reasons are counted: one for
    each place is a count, one for each response is not.
    """
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    message = " ".join(str(problem).split())[:MAX_SHOWN]
    about_code = isinstance(problem, TypeError | AttributeError | NameError | ImportError | NotImplementedError)
    is_key = isinstance(problem, KeyError) and problem.args and str(problem.args[0]).isidentifier()
    return f"raised {type(problem).__name__}{f': {message}' if message and (about_code or is_key) else ''}{place}"


def read_one(value: Any, key: str | None = None) -> Result:
    """The number of one response.

    Args:
        value: A number, a dict that holds one, or an array or tensor of one number.
        key: The key of the dict that counts; None is the first of `KEYS`.
    """
    answer = None
    if isinstance(value, Mapping):
        held = [key] if key is not None else [name for name in KEYS if name in value]
        if not held or held[0] not in value:
            listed = ", ".join(map(str, value))[:MAX_SHOWN]
            return None, f"no key {key!r} in a dict of {listed}" if key else f"no score in a dict of {listed}", None
        answer = _answer(value)
        value = value[held[0]]
    number, reason = _number(value)
    return number, reason, answer


def read_many(values: Any, count: int, key: str | None = None) -> list[Result]:
    """The numbers of `count` responses, from a list, an array, or a dict that holds one of these."""
    if isinstance(values, Mapping):
        held = [key] if key is not None else [name for name in ("rewards", *KEYS) if name in values]
        if not held or held[0] not in values:
            return refused(f"no rewards in a dict of {', '.join(map(str, values))[:MAX_SHOWN]}", count)
        values = values[held[0]]
    if callable(to_list := getattr(values, "tolist", None)):
        values = to_list()
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
        if values is None or count > 1 or not isinstance(values, bool | int | float):
            return refused(f"found {_kind(values)}, expected a list of {count} numbers", count)
        values = [values]
    if len(values) != count:
        return refused(f"found {len(values)} numbers for {count} responses", count)
    return [read_one(value, key if isinstance(value, Mapping) else None) for value in values]


def _number(value: Any) -> tuple[float | None, str | None]:
    if value is None:
        return None, "gave None"
    if not isinstance(value, bool | int | float) and callable(item := getattr(value, "item", None)):
        try:
            value = item()  # of NumPy and torch
        except Exception as problem:  # foreign code: an array of several numbers, a tensor of another device
            return None, f"found {_kind(value)}, expected a number ({type(problem).__name__})"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 1:
        return _number(value[0])
    if not isinstance(value, bool | int | float):
        return None, f"found {_kind(value)}, expected a number"
    try:
        number = float(value)
    except OverflowError:
        return None, "gave an infinity"
    if math.isnan(number):
        return None, "gave NaN"
    return (None, "gave an infinity") if math.isinf(number) else (number, None)


def _kind(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, list | tuple) else type(value).__name__


def _answer(value: Mapping[str, Any]) -> str | None:
    """The answer that a dict says was read."""
    named = (value.get(key) for key in ("pred", "extracted_answer", "prediction"))
    return next((text for text in named if isinstance(text, str)), None)
