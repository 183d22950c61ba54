"""Checks of a judge's options, before any work."""

from __future__ import annotations

import math

from verifiers.verdict import UnknownVerifier


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


def true_or_false(**options: bool) -> None:
    """Checks switches.

    Raises:
        UnknownVerifier: One is neither true nor false.
    """
    for name, value in options.items():
        if not isinstance(value, bool):
            raise UnknownVerifier(f"judge: option {name}: found {value!r}, expected true or false")
