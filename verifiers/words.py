"""Answers that are words or codes: `True`, `2:25 PM`, `3a2f`. What kind a reference is, and what a response says.

Takes a reference, then a response; gives an `Answer` like `verifiers.answer`, whose grammar of numbers reads none of
these. A word is read where the last line ends with it and nothing before it denies, supposes or hedges it.
"""

from __future__ import annotations

import dataclasses
import re

from verifiers.answer import find
from verifiers.answer_marks import HEDGES, NEGATIONS, SUPPOSITIONS, words_of
from verifiers.answer_reader import Answer, none
from verifiers.rational import canonical

MAX_TAIL = 2000
MAX_LINE = 400
_SUSPECT = NEGATIONS | HEDGES | SUPPOSITIONS | {"true"}  # "false" is among the negations
_CLAUSE = re.compile(r"[.,;:!?]\s")


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """Words of one kind: another word of the kind is another answer."""

    word: re.Pattern[str]
    line: re.Pattern[str]


def _kind(pattern: str) -> Kind:
    line = rf"(?P<before>(?:.*[^\w.:-])?)(?P<said>{pattern})[ .!*$)}}\"'`_]*"
    return Kind(re.compile(pattern, re.IGNORECASE), re.compile(line, re.IGNORECASE))


_KINDS = (
    _kind(r"true|false"),
    _kind(r"[0-9]{1,2}:[0-9]{2}(?: ?[ap]m)?"),
    # A numeral in another base. One without a letter is a number to the grammar, and so is `1e5`.
    _kind(r"-?[0-9a-z]{0,60}[0-9][0-9a-z]{0,60}"),
)


def kind_of(reference: str) -> Kind | None:
    """The kind of word that a reference is, or None where it is no word that can be compared."""
    return next((kind for kind in _KINDS if kind.word.fullmatch(reference.strip())), None)


def plain(word: str) -> str:
    """The word as it is compared."""
    return "".join(canonical(word).split()).casefold()


def find_word(response: str, kind: Kind) -> Answer:
    """The word of that kind that a response ends with."""
    if "<" in response and (thought := find(response)).rule == "thought":
        return thought
    text = canonical(response).rstrip()
    start = max(0, len(text) - MAX_TAIL)
    found: list[tuple[int, re.Match[str]]] = []
    line = ""
    for line_match in re.finditer(r"[^\n]*[^\s][^\n]*", text[start:]):
        line = line_match[0]
        match = kind.line.fullmatch(line) if len(line) <= MAX_LINE else None
        if match:
            found.append((start + line_match.start(), match))
    if not found or found[-1][1].string != line:
        return none("word", "not_found" if line else "no_answer")
    at, last = found[-1]
    others = {plain(match["said"]) for _, match in found if not match["before"].strip(" *$({\"'`_")}
    if others - {plain(last["said"])}:
        return none("word", "two_answers")
    span = (at + last.start("said"), at + last.end("said"))
    clause = _CLAUSE.split(last["before"])[-1]
    reason = None if _SUSPECT.isdisjoint(words_of(clause)) else "unread"
    return Answer(response[slice(*span)], span, "word", reason)
