"""Why the words directly before, in and behind a mark refuse its answer: hedges, denials, retractions.

Takes a text and offsets; gives a reason or None. Words elsewhere in the sentence do not count, because they belong to
what the problem is about: "the least possible value is [7]". Depends on no value.
"""

from __future__ import annotations

import re

from restem.verifiers.answers.patterns import blank

_HEDGE = (
    r"maybe|perhaps|probably|possibly|likely|approximately|approx\.?|roughly|around|about|nearly|almost|either"
    r"|close\sto"
    r"|somewhere|might\sbe|may\sbe|could\sbe|(?:my\s|a\s|best\s)*guess(?:\sis)?|presumably|unlikely|circa|ca\.|unless"
)
_NOT = r"not|never|neither|nor|cannot\sbe|can't\sbe|isn't|wasn't|anything\sbut|no"
_BEFORE = re.compile(
    rf"(?:\b(?P<hedge>{_HEDGE})|(?P<approx>\\approx|[\u2248\u223c~])|\b(?P<not>{_NOT})|(?P<unequal>\\neq?|\u2260|!=))"
    r"[\s$*:(]{0,4}(?:(?:the|a|an|be|is)\s){0,2}[\s$*:(]{0,4}(?:[A-Za-z]\s?=\s?)?\Z",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(?:[<>\u2264\u2265]|\\(?:leq?|geq?|lt|gt)(?![a-z]))[\s$]{0,3}\Z")
_WITHIN = re.compile(rf"\b(?:{_HEDGE}|{_NOT})\b|\(or\b|[\u2248\u2260\u223c]|\\approx|\\neq?\b", re.IGNORECASE)
_BEFORE_COPULA = re.compile(
    r"\A.*\b(?:is|are|was|were|equals)\s(?!not\b)", re.DOTALL | re.IGNORECASE
)  # "the least value it can have is"
_DENIED = re.compile(
    r"[\s$.*)}]{0,6}(?:\(?\s?(?:is|was)\s(?:\w+ly\s)?(?:not\b(?!\sonly)|wrong|incorrect|false)|\(?(?:wrong(?!\s[a-z])"
    r"|incorrect|false)\b|isn't|\?)",
    re.IGNORECASE,
)
_UNEQUAL = re.compile(r"[\s$*)}]{0,6}(?:\\neq?(?![a-z])|\u2260|!=)")
_OR_OTHER = re.compile(
    r"[\s$.*]{0,6},?\s?\b(?:or|and\salso)\b\s(?P<what>(?:maybe|perhaps|possibly|else"
    r"|even)?\s?[\s$*]{0,4}(?:-?[0-9]|\\(?:boxed|frac)))",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"\(?\b(?:note|remark|caution|careful|warning)\b[^.\n)]{0,200}", re.IGNORECASE
)  # about other answers
# A later sentence that takes the answer back.
_RETRACTED = re.compile(
    r"(?:^|[.!?\n(]\s{0,4}|,\s|\b(?:but|and)\s)(?:wait|hold on|oops|correction|scratch that|strike that"
    r"|on reflection|on second thought|never mind"
    r"|just kidding|i take (?:that|it) back|sorry|actually|hmm+|let me (?:re\w+|correct|fix|double)"
    r"|i (?:made|have made) (?:a|an) (?:\w+ )?(?:mistake|error|slip)|(?:disregard|forget|ignore) (?:that|this|it"
    r"|my|the (?:above|previous)))\b"
    r"|\b(?:that|this|it|(?:that|this|the|my) (?:\w+ )?(?:answer|result|value|number|box))(?: is|'s| was| looks"
    r"| seems| must be)(?: \w+ly| all| just)?"
    r" (?:wrong|incorrect|false|not (?:right|correct|true|it|the answer)|impossible|off\b|an? (?:error|mistake|lie))"
    r"|\b(?:that|this|it) (?:cannot|can't|doesn't|does not|can not) (?:be (?:right|correct|true|it)|work|check|hold)\b"
    r"|[.!?]\s{1,4}(?:or|alternatively)\b[^.!?\n]{0,60}[0-9]"
    r"|\b(?:i am|i'm) (?:not (?:\w+ )?(?:sure|certain|confident)|unsure)\b|\bjust a guess\b|\bdouble-check (?:this"
    r"|that|it)\b",
    re.IGNORECASE,
)
_CONFIRMED = re.compile(
    r"\b(?:yes|correct|confirmed|indeed|works|holds|matches|right|checks out|fine)\b|[\u2713\u2714\u2705]",
    re.IGNORECASE,
)


_PART_BEFORE = re.compile(r"(?<!\n)[-+*/^](?<!\*\*)\s{0,2}\$?\Z|[0-9]\Z")
_PART_BEHIND = re.compile(r"\s{0,2}(?:[*/+](?!\*)|\^(?!\{?\\circ)|-\s?[0-9])|[0-9({]")


_CANNOT_TELL = re.compile(
    r"\b(?:(?:can't|cannot|couldn't|could not) (?:say|tell|be (?:sure|certain)|know|determine)"
    r"|not enough information|no idea"
    r"|(?:don't|do not) know|(?:is|are) unsure|not (?:\w+ )?sure)\b[^.!?\n]{0,100}\Z",
    re.IGNORECASE,
)


_WHETHER = re.compile(r"\b(?:whether|not possible|impossible|cannot|can't|unable|if)\b[^.!?\n,]{0,80}\Z", re.IGNORECASE)


def before_mark(text: str, at: int) -> str | None:
    """Why the text directly before a box or a tag refuses it: "probably [7]", "not [7]", "2 * [7]"; or None."""
    if _PART_BEFORE.search(text[max(0, text.rfind("\n", 0, at), at - 6) : at]):
        return "unread"
    if _CANNOT_TELL.search(text[max(0, at - 140) : at]):
        return "hedged"
    before = _BEFORE.search(text[max(0, at - 40) : at])
    if before is None:
        return "range" if _RANGE.search(text[max(0, at - 12) : at]) else None
    return "negated" if before["not"] or before["unequal"] else "hedged"


def behind_mark(text: str, end: int) -> str | None:
    """Why the words directly behind a mark refuse it: "[7] is wrong", "[7] or 8", "[7]?"; or None."""
    if _PART_BEHIND.match(text, end):
        return "unread"
    if denied := _DENIED.match(text, end):
        return "hedged" if denied[0].endswith("?") else "negated"
    if _UNEQUAL.match(text, end):
        return "negated"
    return "two_answers" if _OR_OTHER.match(text, end) else None


def refusal(text: str, rule: str, at: int, content: str, end: int) -> str | None:
    """Why the words between a mark and its value, inside it, directly behind it, or in a later retraction refuse it."""
    if rule == "answer" and _WHETHER.search(text[max(0, at - 100) : at]):
        return "hedged"
    if rule in ("box", "tag") and (reason := before_mark(text, at)):
        return reason
    if within := _WITHIN.search(_BEFORE_COPULA.sub("", content)):
        denied = re.fullmatch(rf"{_NOT}|\u2260|\\\\neq?", within[0], re.IGNORECASE)
        if within[0].lower() != "no":
            return "negated" if denied else "hedged"
    return behind_mark(text, end) or taken_back(text, end)


def taken_back(text: str, end: int) -> str | None:
    """`retracted` where a later sentence takes the answer back and does not confirm it."""
    for match in _RETRACTED.finditer(_NOTE.sub(blank, text[end:])):
        if not _CONFIRMED.search(text, end + match.end()):
            return "retracted"
    return None
