"""Checks of a judge's options, before any work."""

from __future__ import annotations

import math
import os
import re

from restem.verifiers.verdict import UnknownVerifier


def at_least(least: float, *, whole: bool = False, **options: float) -> None:
    """Checks numeric options.

    Raises:
        UnknownVerifier: One is not a finite (or not a whole) number, or is too small.
    """
    for name, value in options.items():
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < least:
            expected = f"a {'whole ' if whole else ''}number of at least {least:g}"
            raise UnknownVerifier(f"judge: option {name}: found {value!r}, expected {expected}")


LOOKS_LIKE_A_KEY = r"\bsk-[\w*-]{8,}"


def no_secret(**options: str | None) -> None:
    """Checks texts that are written into the run, and perhaps shown: a key is named by `api_key_env` instead.

    Raises:
        UnknownVerifier: One holds a key; the message does not repeat it.
    """
    for name, value in options.items():
        if value is not None and re.search(LOOKS_LIKE_A_KEY, str(value)):
            raise UnknownVerifier(f"judge: option {name}: holds a key; put it into the variable named by api_key_env")


def names_a_variable(**options: str) -> None:
    """Checks names of environment variables: set, or in capitals, as no key is.

    Raises:
        UnknownVerifier: One is something else, perhaps the secret itself; the message does not repeat it.
    """
    for name, value in options.items():
        usual = isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", value)
        if not usual and not (isinstance(value, str) and value in os.environ):
            raise UnknownVerifier(
                f"judge: option {name}: what is found is not shown, it may be a key; expected the NAME of an"
                " environment variable that holds one"
            )


def true_or_false(**options: bool) -> None:
    """Checks switches.

    Raises:
        UnknownVerifier: One is neither true nor false.
    """
    for name, value in options.items():
        if not isinstance(value, bool):
            raise UnknownVerifier(f"judge: option {name}: found {value!r}, expected true or false")
