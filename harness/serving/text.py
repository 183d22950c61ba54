"""Token ids -> text, piece by piece: where a text that ends the response stands, and what may be sent already.

Takes ids as they are drawn; gives the text. Does not depend on HTTP or on how tokens are drawn.

A prefix of the ids does not always have a prefix of the text: bytes of a character may be missing, and with
`Tokenizer.little_endian` the digits of a number are reversed when it ends. Such an end waits for the tokens after it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from restem.harness.model.tokenizer import Tokenizer

_REPLACEMENT = "\ufffd"  # what an incomplete character is decoded to


class GrowingText:
    """The text of a response while it is drawn.

    Attributes:
        text: What has been decoded for good, up to the first text that ends the response.
        ended: Whether such a text was found.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._ids: list[int] = []
        self._from = self._to = 0  # the ids whose text is the last part of `text`, from a place where words are whole
        self.text, self.ended = "", False

    def add(self, ids: Sequence[int]) -> int:
        """Adds ids; gives how many of them belong to the response, which a text that ends it may cut."""
        before = copy.copy(self)
        before._ids = list(self._ids)
        if not self._extend(ids, whole=False):
            return len(ids)
        self.__dict__.update(before.__dict__)
        for count, id in enumerate(ids, 1):  # again, one by one: which token was it?
            if self._extend([id], whole=False):
                return count
        return len(ids)

    def finish(self) -> None:
        """Takes the last of the text, which waits for no further tokens."""
        if not self.ended:
            self._extend([], whole=True)

    def _extend(self, ids: Sequence[int], *, whole: bool) -> bool:
        """Whether the response has ended with the text of these ids."""
        self._ids += ids
        known = self._tokenizer.decode(self._ids[self._from : self._to])
        text = self._tokenizer.decode(self._ids[self._from :])
        if not whole and self._waits(text):
            return False
        new = text[len(known) :]
        self._from, self._to = self._to, len(self._ids)
        start = max(0, len(self.text) - max(map(len, self._stops), default=0))
        self.text += new
        places = [place for place in (self.text.find(stop, start) for stop in self._stops) if place >= 0]
        if places:
            self.text, self.ended = self.text[: min(places)], True
        return self.ended

    def _waits(self, text: str) -> bool:
        return text.endswith(_REPLACEMENT) or (self._tokenizer.little_endian and text[-1:].isdigit())

    def sendable(self) -> int:
        """The length of the text that no later token changes: it may end with the beginning of a text that cuts it."""
        if self.ended:
            return len(self.text)
        longest = max(map(len, self._stops), default=1) - 1
        for length in range(min(longest, len(self.text)), 0, -1):
            if any(stop.startswith(self.text[-length:]) for stop in self._stops):
                return len(self.text) - length
        return len(self.text)
