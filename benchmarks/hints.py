"""The hint that follows an unknown name in an error message: the closest known name.

Takes the word and the known names; gives a piece of a sentence. Depends on nothing of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'sympy'?)` for the closest known name, or an empty text where none is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
