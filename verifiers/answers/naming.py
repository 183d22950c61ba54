"""Words that a sentence gives as its answer: a lettered choice, a name of the question, a weekday, yes or no.

Takes a text, offsets and what the question asks; gives a span or None. Reads no value, and does not depend on the
reference.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from restem.verifiers.answers.question import Asked

Span: TypeAlias = tuple[int, int]

MAX_WORDS = 6

_CHOSEN = re.compile(
    r"\b(?:option|choice|answer|choose|chose|pick(?:ed)?|select(?:ed)?|go\swith|is|be)\s?:?\s(?:is\s|be\s|option\s"
    r"|choice\s)?"
    r"[*\"$]{0,3}\(?([A-H])\)?(?![A-Za-z'])",
)
_DENIES = re.compile(r"\b(?:not|anything but|except|neither)\s(?:\w+\s){0,2}\(?[A-H]\b")
_IN_PARENTHESES = re.compile(r"\(([A-H])\)")
_ALONE = re.compile(r"[\s*(\"$]{0,4}([A-Ha-h])(?:[).:]|\s?[*\"$]|\s[\u2014\u2013-]|\s*\Z)")
_WEEKDAY = re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", re.IGNORECASE)
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = re.compile(
    rf"\b(?:{_MONTH}\s[0-3]?[0-9](?:st|nd|rd|th)?|(?:the\s)?[0-3]?[0-9](?:st|nd|rd"
    rf"|th)?(?:\sof)?\s{_MONTH})\b(?:,?\s[12][0-9]{{3}})?",
    re.IGNORECASE,
)
_YES = re.compile(
    r"[\s*\"]{0,4}(yes|no|true|false)\b(?!\s(?:and no|or no|real|solutions?|integers?|such|one|more|other)\b)",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"\b(?:no (?:\w+ )?(?:solutions?|roots?|zeros|intercepts?)|does not exist|undefined"
    r"|infinitely many(?: solutions)?)\b",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"\b(?:is|are|was|were|be|becomes?|gets?|comes|falls on|called|named)\b"
    r"(?:\s(?:exactly|only|just|therefore|thus|then|called|named|a|an|the|on|in))*[:\s]+",
    re.IGNORECASE,
)
_OF = re.compile(r"\b(?:of|in|for|from|at)\s(?:the\s)?[\s*\"]{0,4}\Z")


def named(text: str, lo: int, hi: int, asked: Asked) -> Span | None:
    """The words that a clause gives as its answer; None where it gives none, or several."""
    if asked.is_choice:
        return _choice(text, lo, hi)
    if yes := _YES.match(text, lo, hi):
        return yes.span(1)
    if nothing := _NOTHING.search(text, lo, hi):
        return nothing.span()
    dates = list(_DATE.finditer(text, lo, hi))
    if "date" in asked.words and dates:
        return dates[-1].span() if len(dates) == 1 else None
    weekdays = [match for match in _WEEKDAY.finditer(text, lo, hi) if match[0].lower() not in asked.words]
    if len(weekdays) == 1 or (weekdays and re.search(r"\bis\s[*\s]{0,3}\Z", text[lo : weekdays[-1].start()])):
        return weekdays[-1].span()
    names = [
        match for match in re.finditer(r"(?<![A-Za-z])[A-Z][a-z]+(?![a-z])", text[lo:hi]) if match[0] in asked.names
    ]
    if len({match[0] for match in names}) == 1:
        name = lo + names[0].start(), lo + names[0].end()
        other = _other_name(text, name[1], hi, asked)
        if other is None:
            return name
        return other if _OF.search(text[lo : name[0]]) else None  # "The capital of France is Paris"
    return _behind_copula(text, lo, hi, asked)


def _other_name(text: str, lo: int, hi: int, asked: Asked) -> Span | None:
    """The name behind the last copula, if that is one which the question does not have."""
    span = _behind_copula(text, lo, hi, asked) if _COPULA.search(text, lo, hi) else None
    first = span and re.compile(r"[A-Z][a-z]+").match(text, *span)
    return span if first and first[0] not in asked.names else None


_ANSWERS_YES = re.compile(
    r"(?:\A|[.!?\n]\s?|\b(?:answer is|so|therefore|thus|hence|then),?:?\s)[\s*\"]{0,4}(yes|no)\b(?!\s(?:and no|or no))",
    re.I,
)


def yes_or_no(text: str, sentences: list[Span]) -> Span | None:
    """The last `yes` or `no` that begins a sentence or a conclusion."""
    for lo, hi in reversed(sentences):
        if found := list(_ANSWERS_YES.finditer(text[lo:hi])):
            return lo + found[-1].start(1), lo + found[-1].end(1)
    return None


def subject_of_question(text: str, lo: int, hi: int, asked: Asked) -> Span | None:
    """The name of which a sentence says what the question asks: `Maya` in "Maya is the oldest, Leo is 9"."""
    asked_words = "|".join(re.escape(word) for word in asked.words if len(word) > 3)
    if not asked.names or not asked_words or asked.is_choice:
        return None
    names = "|".join(asked.names)
    says = re.compile(
        rf"\b({names})\s(?:is|was|has|had|gets|runs|ran|scored|scores|wins|won|comes|came|spent|spends|have"
        rf"|are)\s(?:[a-z]+\s){{0,2}}(?:{asked_words})\b"
    )
    said = list(says.finditer(text, lo, hi))
    return said[0].span(1) if len({match[1] for match in said}) == 1 else None


def _choice(text: str, lo: int, hi: int) -> Span | None:
    if _DENIES.search(text, lo, hi):
        return None
    chosen = list(_CHOSEN.finditer(text, lo, hi))
    if chosen:
        return chosen[-1].span(1)
    if alone := _ALONE.match(text, lo, hi):
        return alone.span(1)
    letters = list(_IN_PARENTHESES.finditer(text, lo, hi))
    return letters[0].span(1) if len({match[1] for match in letters}) == 1 else None


def _behind_copula(text: str, lo: int, hi: int, asked: Asked) -> Span | None:
    """The words behind the last copula or colon, if they are few."""
    copulas = list(_COPULA.finditer(text, lo, hi))
    start = max(
        [lo, *(match.end() for match in copulas[-1:]), (colon + 2 if (colon := text.rfind(": ", lo, hi)) >= 0 else lo)]
    )
    first = re.compile(r"[\s*\"]{0,4}([A-Z][a-z]+)").match(text, start, hi)
    if first and first[1] in asked.names and not re.compile(r"\s(?:and|or)\s[A-Z]").match(text, first.end(), hi):
        return first.span(1)  # "the winner is Ana, with one more than Caro"
    words = text[start:hi].strip(" .*$!\n\"'")
    if not words or len(words.split()) > MAX_WORDS:
        return None
    start = text.index(words, start)
    return start, start + len(words)
