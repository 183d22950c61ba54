"""An error as a few short lines of plain text, whatever a file or an option put into it.

Takes the error's message; gives what is printed on stderr. Control characters, which a terminal would obey, and halves
of surrogate pairs are shown as escapes; what looks like a key is not shown; a long line loses its middle, since the
remedy stands at the end. Does not depend on what failed.
"""

from __future__ import annotations

import re

from restem.verifiers.keys import without_keys

MAX_LINES, MAX_CHARACTERS = 8, 1200
_LONG_LINE, _END = 500, 120
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shortened(message: str) -> str:
    """The message, with what is left out counted or marked by `[...]`."""
    lines = [_line(line) for line in without_keys(message).split("\n")]
    shown = lines[:MAX_LINES]
    while len(shown) > 1 and sum(map(len, shown)) > MAX_CHARACTERS:
        shown.pop()
    left_out = len(lines) - len(shown)
    return "\n".join([*shown, f"and {left_out} more"] if left_out else shown)


def _line(text: str) -> str:
    text = _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return text if len(text) <= _LONG_LINE else f"{text[: _LONG_LINE - _END]} [...] {text[-_END:]}"
