"""Makes any text safe to show: on a terminal, in a Markdown table, in a Markdown fence.

Takes text that a policy, a judge or a file wrote; gives text without control, format or bidirectional characters, of
bounded length. HTML is escaped by the template engine, after `visible`.
"""

from __future__ import annotations

import re
import unicodedata

LIMIT = 1200
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
MARKUP = re.compile(r"[\\`*\[\]!|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[=:]|^-(?!\d)|^\+(?=\s)|^\d+(?=[.)]\s)")
INTERVAL = re.compile(r"\\\[([-−+–∞., 0-9]+)\\\]")
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def visible(text: str, limit: int = LIMIT, *, lines: bool = False) -> str:
    """The text with every character that a reader would not see written as an escape such as `\\x1b` or `\\u202e`.

    Args:
        text: Any text, lone surrogates included.
        limit: Characters of the text that are shown; how many more there are follows them.
        lines: Whether line feeds stay.
    """
    shown = "".join(_escaped(character, lines) for character in text[:limit])
    return shown if len(text) <= limit else f"{shown} ... ({len(text) - limit} characters more)"


def _escaped(character: str, lines: bool) -> str:
    if character == "\n" and lines:
        return character
    if unicodedata.category(character) not in HIDDEN:
        return character
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    return short or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}")


def markdown(text: str, limit: int = LIMIT) -> str:
    """The text on one line, with everything that Markdown or HTML would read as markup escaped.

    Brackets around numbers alone stay as they are: an interval is no link.
    """
    escaped = MARKUP.sub(_backslashed, visible(text, limit))
    return INTERVAL.sub(r"[\1]", escaped).translate(ENTITIES)


def _backslashed(match: re.Match[str]) -> str:
    markup = match.group()
    return f"{markup}\\" if markup.isdigit() else f"\\{markup}"


def fence(text: str, limit: int = LIMIT) -> str:
    """The text in a Markdown fence that is longer than any run of backticks in it."""
    shown = visible(text, limit, lines=True)
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{ticks}text\n{shown}\n{ticks}"
