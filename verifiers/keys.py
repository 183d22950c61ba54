"""What looks like a key, and texts without it.

Takes texts and tables of options; gives whether they hold a secret, and texts that may be shown or stored. A key is
known by the form that a provider gives it, or by being the value of an environment variable that is named as a secret.
Does not depend on who reads the texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

LOOKS_LIKE_A_KEY = (
    r"\bsk-[\w*-]{8,}|\b(?:gsk_|xai-|pplx-|hf_|ghp_|csk-)[A-Za-z0-9]{20,}|\b(?:nvapi-|github_pat_|glpat-)[\w-]{20,}"
    r"|\bAIza[\w-]{30,}|\bAKIA[A-Z0-9]{16}\b"
)
# One of these stands in every text that the pattern finds something in; looking for them takes a tenth of its time.
_BEGINNINGS = ["sk-", "gsk_", "xai-", "pplx-", "hf_", "ghp_", "csk-", "nvapi-", "github_pat_", "glpat-", "AIza", "AKIA"]
_SECRET_NAME = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_SHORTEST = 12  # a shorter value, such as `none`, is no secret, and ordinary texts hold it


def may_hold_a_key(text: str) -> bool:
    """Whether LOOKS_LIKE_A_KEY may find something in the text."""
    return any(map(text.__contains__, _BEGINNINGS))


def without_keys(text: str) -> str:
    """The text with `[key]` in place of everything that looks like a key."""
    for value in _values():
        text = text.replace(value, "[key]")
    return re.sub(LOOKS_LIKE_A_KEY, "[key]", text)


def place_of_key(value: Any) -> tuple[str, ...] | None:
    """The path of names to a key in tables and lists, each name without keys; None where there is none."""
    return next(_places(value), None)


def _places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, str) and without_keys(value) != value:
        yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            shown = without_keys(str(name))
            if shown != str(name):
                yield (*path, shown)
            yield from _places(inner, (*path, shown))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _places(inner, (*path, str(number)))


def _values() -> list[str]:
    """The values of the variables that are named as secrets; a path or a text with spaces is none."""
    values = (value.strip() for name, value in os.environ.items() if _SECRET_NAME.search(name))
    return [value for value in values if len(value) >= _SHORTEST and not re.search(r"[\s/]", value)]
