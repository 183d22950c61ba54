"""Answers that are words or codes: `True`, `2:25 PM`, `3a2f`. What kind a reference is, and what a response says.

Takes a reference, then a response; gives an `Answer` like `final_answer.py`, whose grammar of numbers reads none of
these. A word is read behind the mark of a final answer, or where the last line ends with it, its clause says it of the
question as a whole, and no other word of its kind is said.
"""

from __future__ import annotations

import dataclasses
import re

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.final_answer import find
from restem.verifiers.answers.patterns import CORRECTING, HEDGES, NEGATIONS, SUPPOSITIONS, words_of
from restem.verifiers.answers.reader import Answer, none

MAX_TAIL = 2000
MAX_LINE = 400
_SUSPECT = NEGATIONS | HEDGES | SUPPOSITIONS
_TAKES_BACK = CORRECTING - {"true", "false", "right", "correct", "not", "no", "back", "cannot", "can't"}
_MARKUP = " *$({\"'`_"
_QUESTION = re.compile(r"[^.!?\n]{0,400}\?")
_CLAUSE = re.compile(r"[.,;:!?]\s")
_NAME = re.compile(r"[A-Za-z]+")
# What may stand before a word that is said of the question as a whole. Said of anything else ("the converse is true"),
# it may be no answer, and no list of denials is complete ("far from true").
_SAYING = frozenset(
    words_of(
        "a also and answer base be becomes claim clearly comes conclude conclusion correct final finally find follows "
        "for get gets gives hence in indeed is it now number obtain question result so solution statement that the "
        "then therefore this thus time to value we which written yields"
    )
)
_MARK = (
    r"(?:\\(?:boxed|fbox)\{\s*(?:\\(?:text|mathrm|textbf)\{)?|\#{4}\s*|<answer>\s*"
    r"|\b(?:final\s+)?(?:answer|conclusion|result)(?:\s+is|\s*:)[\s*:$\"'`(]*)"
)
_END = r"""(?=[ *$)}\]"'`_]*(?:$|[.!,;]?\s*(?:\n|$)|[.!;](?:\s|$)|</answer>|,?\s+(?:because|since|as)\b))"""


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """Words of one kind: another word of the kind is another answer.

    Attributes:
        word: What is one.
        line: A line that ends with one.
        marked: One behind a mark of a final answer, with the end of its clause behind it.
        rival: One that another answer in the same text would be.
    """

    word: re.Pattern[str]
    line: re.Pattern[str]
    marked: re.Pattern[str]
    rival: re.Pattern[str]


def _kind(pattern: str, rival: str | None = None) -> Kind:
    line = rf"(?P<before>(?:.*[^\w.:-])?)(?P<said>{pattern})[ .!*$)}}\"'`_]*"
    marked = rf"{_MARK}(?P<said>{pattern})(?![\w:]){_END}"
    alone = rf"(?<![\w.:-])(?:{rival or pattern})(?![\w:])"
    return Kind(*(re.compile(text, re.IGNORECASE) for text in (pattern, line, marked, alone)))


_KINDS = (
    _kind(r"true|false"),
    _kind(r"[0-9]{1,2}:[0-9]{2}(?: ?[ap]m)?"),
    # A numeral in another base. One without a letter is a number to the grammar, and so is `1e5`; as a rival, it may
    # as well be the base.
    _kind(r"-?[0-9a-z]{0,60}[0-9][0-9a-z]{0,60}", r"-?(?=[0-9a-z]{0,60}[0-9])(?=[0-9]{0,60}[a-z])[0-9a-z]{1,60}"),
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
    tail = text[start:]
    marked = list(kind.marked.finditer(tail))
    if marked:
        return _marked(response, tail, start, marked, kind)
    matches = [kind.line.fullmatch(line) if len(line) <= MAX_LINE else None for _, line in lines]
    last = matches[-1]
    if last is None:
        return none("word", "not_found")
    said = plain(last["said"])
    if {plain(match["said"]) for match in matches if match and not match["before"].strip(_MARKUP)} - {said}:
        return none("word", "two_answers")
    span = (lines[-1][0] + last.start("said"), lines[-1][0] + last.end("said"))
    before = _CLAUSE.split("\n".join([*(line for _, line in lines[-2:-1]), last["before"]]))[-1]
    # The grounds may name other times or numerals, in other lines; nothing is true and false.
    stretch = tail if kind is _KINDS[0] else lines[-1][1]
    rivals = {plain(match[0]) for match in kind.rival.finditer(_QUESTION.sub("", stretch))} - {said}
    unclear = rivals or not _SAYING.issuperset(_NAME.findall(before.lower()))
    return Answer(response[slice(*span)], span, "word", "unread" if unclear else None)


def _marked(response: str, tail: str, start: int, marked: list[re.Match[str]], kind: Kind) -> Answer:
    """The word behind the last mark, where all marks say the same and nothing before or behind it takes it back."""
    last = marked[-1]
    span = (start + last.start("said"), start + last.end("said"))
    if len({plain(match["said"]) for match in marked}) > 1:
        return none("word", "two_answers")
    head = tail[max(tail.rfind(end, 0, last.start()) for end in "\n.!?") + 1 : last.start()]
    rest = tail[last.end() :]
    rivals = {plain(match[0]) for match in kind.rival.finditer(_QUESTION.sub("", rest))} - {plain(last["said"])}
    clause = words_of(_CLAUSE.split(head)[-1])
    denied = not _SUSPECT.isdisjoint(clause) or not SUPPOSITIONS.isdisjoint(words_of(head))
    unclear = rivals or denied or not _TAKES_BACK.isdisjoint(words_of(rest))
    return Answer(response[slice(*span)], span, "word", "unread" if unclear else None)
