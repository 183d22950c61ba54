"""Answers that are words or codes: `True`, `2:25 PM`, `3a2f`. What kind a reference is, and what a response says.

Takes a reference, then a response; gives an `Answer` like `verifiers.answer`, whose grammar of numbers reads none of
these. A word is read where the last line ends with it and its clause does not deny, suppose or hedge it.
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
_MARKUP = " *$({\"'`_"
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
    lines = [(start + match.start(), match[0]) for match in re.finditer(r"[^\n]*[^\s][^\n]*", text[start:])]
    if not lines:
        return none("word", "no_answer")
    matches = [kind.line.fullmatch(line) if len(line) <= MAX_LINE else None for _, line in lines]
    last = matches[-1]
    if last is None:
        return none("word", "not_found")
    bare = {plain(match["said"]) for match in matches if match and not match["before"].strip(_MARKUP)}
    if bare - {plain(last["said"])}:
        return none("word", "two_answers")
    span = (lines[-1][0] + last.start("said"), lines[-1][0] + last.end("said"))
    before = "\n".join([*(line for _, line in lines[-2:-1]), last["before"]])
    suspect = not _SUSPECT.isdisjoint(words_of(_CLAUSE.split(before)[-1]))
    return Answer(response[slice(*span)], span, "word", "unread" if suspect else None)
