"""Answers that are words or codes: `True`, `2:25 PM`, `3a2f`.

Takes a reference and gives its kind of word; takes a response and a kind, and gives an `Answer` as `final_answer.py`
does, whose grammar of numbers reads none of these. A word is read behind the marker of a final answer, or at the end of
the last line if its clause is about the question as a whole and the response holds no other word of its kind. Does not
depend on verdicts.
"""

from __future__ import annotations

import dataclasses
import re

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.final_answer import find
from restem.verifiers.answers.patterns import CORRECTING, HEDGES, NEGATIONS, SUPPOSITIONS, words_of
from restem.verifiers.answers.reader import Answer, no_answer

MAX_TAIL = 2000
MAX_LINE = 400
_SUSPECT = NEGATIONS | HEDGES | SUPPOSITIONS
_TAKES_BACK = CORRECTING - {"true", "false", "right", "correct", "not", "no", "back", "cannot", "can't"}
_MARKUP = " *$({\"'`_"
_QUESTION = re.compile(r"[^.!?\n]{0,400}\?")
_CLAUSE = re.compile(r"[.,;:!?]\s")
_NAME = re.compile(r"[A-Za-z]+")
# Words that may precede the answer in its clause. Behind any other word it may be no answer ("the converse is true"),
# and no list of denials is complete ("far from true").
_LEADING_WORDS = frozenset(
    words_of(
        "a also and answer base be becomes claim clearly comes conclude conclusion correct final finally find follows "
        "for get gets gives hence in indeed is it now number obtain question result so solution statement that the "
        "then therefore this thus time to value we which written yields"
    )
)
_MARKER = (
    r"(?:\\(?:boxed|fbox)\{\s*(?:\\(?:text|mathrm|textbf)\{)?|\#{4}\s*|<answer>\s*"
    r"|\b(?:final\s+)?(?:answer|conclusion|result)(?:\s+is|\s*:)[\s*:$\"'`(]*)"
)
_END = r"""(?=[ *$)}\]"'`_]*(?:$|[.!,;]?\s*(?:\n|$)|[.!;](?:\s|$)|</answer>|,?\s+(?:because|since|as)\b))"""


@dataclasses.dataclass(frozen=True, slots=True)
class WordKind:
    """The patterns of a kind of words; two different words of a kind are two answers.

    Attributes:
        word: A word of the kind.
        line: A line that ends with such a word.
        marked: Such a word between the marker of a final answer and the end of its clause.
        rival: Such a word anywhere in a text, where it would be another answer.
        in_sentences: Whether such a word is also read by the rules for sentences.
    """

    word: re.Pattern[str]
    line: re.Pattern[str]
    marked: re.Pattern[str]
    rival: re.Pattern[str]
    in_sentences: bool = False


def _kind(pattern: str, rival: str | None = None, *, in_sentences: bool = False) -> WordKind:
    line = rf"(?P<before>(?:.*[^\w.:-])?)(?P<word>{pattern})[ .!*$)}}\"'`_]*"
    marked = rf"{_MARKER}(?P<word>{pattern})(?![\w:]){_END}"
    alone = rf"(?<![\w.:-])(?:{rival or pattern})(?![\w:])"
    patterns = (re.compile(text, re.IGNORECASE) for text in (pattern, line, marked, alone))
    return WordKind(*patterns, in_sentences=in_sentences)


_KINDS = (
    _kind(r"true|false"),
    _kind(r"[0-9]{1,2}:[0-9]{2}(?: ?[ap]m)?", in_sentences=True),
    # A numeral in another base. The grammar reads one without a letter, or `1e5`, as a number; as a rival, a number
    # without a letter is ignored, because it may be the base.
    _kind(r"-?[0-9a-z]{0,60}[0-9][0-9a-z]{0,60}", r"-?(?=[0-9a-z]{0,60}[0-9])(?=[0-9]{0,60}[a-z])[0-9a-z]{1,60}"),
)


def kind_of(reference: str) -> WordKind | None:
    """The kind of word that a reference is, or None where it is no such word."""
    return next((kind for kind in _KINDS if kind.word.fullmatch(reference.strip())), None)


def comparable(word: str) -> str:
    """The word without spaces and case, for comparison."""
    return "".join(canonical(word).split()).casefold()


def find_word(response: str, kind: WordKind) -> Answer:
    """The final answer of a response, if it is a word of that kind."""
    if "<" in response and (thought := find(response)).rule == "thought":
        return thought
    text = canonical(response).rstrip()
    start = max(0, len(text) - MAX_TAIL)
    lines = [(start + match.start(), match[0]) for match in re.finditer(r"[^\n]*[^\s][^\n]*", text[start:])]
    if not lines:
        return no_answer("word", "no_answer")
    tail = text[start:]
    marked = list(kind.marked.finditer(tail))
    if marked:
        return _marked(response, tail, start, marked, kind)
    matches = [kind.line.fullmatch(line) if len(line) <= MAX_LINE else None for _, line in lines]
    last = matches[-1]
    if last is None:
        return no_answer("word", "not_found")
    word = comparable(last["word"])
    if {comparable(match["word"]) for match in matches if match and not match["before"].strip(_MARKUP)} - {word}:
        return no_answer("word", "two_answers")
    span = (lines[-1][0] + last.start("word"), lines[-1][0] + last.end("word"))
    before = _CLAUSE.split("\n".join([*(line for _, line in lines[-2:-1]), last["before"]]))[-1]
    # An explanation on other lines may name other times or numerals; it may not name the other truth value.
    stretch = tail if kind is _KINDS[0] else lines[-1][1]
    rivals = {comparable(match[0]) for match in kind.rival.finditer(_QUESTION.sub("", stretch))} - {word}
    unclear = rivals or not _LEADING_WORDS.issuperset(_NAME.findall(before.lower()))
    return Answer(response[slice(*span)], span, "word", "unread" if unclear else None)


def _marked(response: str, tail: str, start: int, marked: list[re.Match[str]], kind: WordKind) -> Answer:
    """The word behind the last marker; refused where markers differ, or other words deny or correct it."""
    last = marked[-1]
    span = (start + last.start("word"), start + last.end("word"))
    if len({comparable(match["word"]) for match in marked}) > 1:
        return no_answer("word", "two_answers")
    head = tail[max(tail.rfind(end, 0, last.start()) for end in "\n.!?") + 1 : last.start()]
    rest = tail[last.end() :]
    rivals = {comparable(match[0]) for match in kind.rival.finditer(_QUESTION.sub("", rest))} - {
        comparable(last["word"])
    }
    clause = words_of(_CLAUSE.split(head)[-1])
    denied = not _SUSPECT.isdisjoint(clause) or not SUPPOSITIONS.isdisjoint(words_of(head))
    unclear = rivals or denied or not _TAKES_BACK.isdisjoint(words_of(rest))
    return Answer(response[slice(*span)], span, "word", "unread" if unclear else None)
