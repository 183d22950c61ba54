"""ASCII characters in place of digits, signs, letters and spaces of other alphabets and of typesetting.

Takes any text; gives a text of the same length, so that character offsets stay valid. Depends on nothing of ours.
"""

from __future__ import annotations

import unicodedata

THIN = "\u2009"  # replaces every space that may separate groups of digits


class _Characters(dict[int, int]):
    """Code point -> code point, as `str.translate` takes it; filled at the first use of each code point."""

    _GROUPS = (
        ("-", "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2796\ufe58\ufe63"),
        ("*", "\u00d7\u00b7\u2217\u2219\u22c5\u2a2f\u2715\u2716"),
        ("/", "\u00f7\u2044\u2215\u2797"),
        ("=", "\ufe66"),
        ("+", "\ufe62\u2795"),
        (THIN, "\u00a0\u2005\u2006\u2007\u2008\u2009\u200a\u202f"),
        (".", "\u066b\u3002\uff61"),
        (",", "\u066c\u3001"),
        ('"', "\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"),
        ("'", "\u2018\u2019"),
        ("\n", "\u2028\u2029\x85\r"),
        (" ", "\t\u3000\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u061c"),
    )

    def __init__(self) -> None:
        super().__init__({ord(c): ord(ascii_) for ascii_, group in self._GROUPS for c in group})

    def __missing__(self, code: int) -> int:
        self[code] = replacement = self._look_up(code)
        return replacement

    @staticmethod
    def _look_up(code: int) -> int:
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        if digit is not None:
            return ord("0") + digit
        tag, _, base = unicodedata.decomposition(character).partition(" ")
        # Superscripts, circled and enclosed forms stay as they are: 7 with a superscript 2 is not 72.
        if tag in ("<font>", "<wide>", "<small>") and len(base) == 4:
            return int(base, 16)
        is_blank = unicodedata.category(character) == "Zs" or 0x1F300 <= code <= 0x1FAFF  # a space or an emoji
        return ord(" ") if is_blank else code


_CHARACTERS = _Characters()


def canonical(text: str) -> str:
    """The text with ASCII digits, signs, letters and spaces; the length does not change."""
    if text.isascii() and "\t" not in text and "\r" not in text:
        return text
    return text.translate(_CHARACTERS)
