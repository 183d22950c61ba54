"""The unit tests of a problem, from its `data`.

Takes a problem; gives its tests, or why it has none that can be used. The fields of `data`:

- `tests`: Python source, or a list of sources such as assertions. They call the entry point by its name, or define
  `check(candidate)`, which is called with it, or functions `test_...`.
- `entry_point`: the function that they test; may be left out where the tests call the program's functions by name.
- `prompt`: the code that a response may continue; without it the question, where it defines the entry point.
- `visible_tests`: the tests that a question shows, as `tests`; for the option `tests = "visible"`.

Depends on `Problem` alone.
"""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Mapping
from typing import Any

from restem.benchmarks.problem import Problem

MAX_CHARACTERS = 1_000_000


class BadTests(ValueError):
    """A problem has no tests that can be used; the message is a code and, behind a colon, a detail."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnitTests:
    """The tests of a problem.

    Attributes:
        source: Python source.
        entry_point: The name of the function that they test, or None where they name the functions themselves.
        prompt: The code that a response may continue, or an empty text.
    """

    source: str
    entry_point: str | None
    prompt: str


def unit_tests_of(problem: Problem, field: str = "tests") -> UnitTests:
    """The tests of a problem.

    Args:
        problem: The problem.
        field: `tests` or `visible_tests`.

    Raises:
        BadTests: It has none, or they are not what this file's first lines say.
    """
    entry_point = problem.data.get("entry_point")
    if entry_point is not None and not _is_name(entry_point):
        raise BadTests(f"bad_entry_point: {entry_point!r:.60}")
    source = _source(problem.data, field)
    prompt = problem.data.get("prompt")
    if prompt is None:
        defines = entry_point and re.search(
            rf"^(?:async )?def {re.escape(entry_point)}\b", problem.question, re.MULTILINE
        )
        prompt = problem.question if defines else ""
    if not isinstance(prompt, str):
        raise BadTests("bad_prompt")
    return UnitTests(source=source, entry_point=entry_point, prompt=prompt)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)


def _source(data: Mapping[str, Any], field: str) -> str:
    tests = data.get(field)
    if isinstance(tests, list) and all(isinstance(test, str) for test in tests):
        tests = "\n".join(tests)
    if tests is None or tests == "":
        raise BadTests(f"no_{field}")
    if not isinstance(tests, str):
        raise BadTests(f"bad_{field}: {type(tests).__name__}, expected a text or a list of texts")
    if len(tests) > MAX_CHARACTERS:
        raise BadTests(f"bad_{field}: {len(tests)} characters")
    return tests
