"""Numbers in a sentence, with the unit behind each: where they stand, and whether the sentence holds other digits.

Takes a text and offsets; gives spans. Reads no value. A number has blanks, punctuation or typesetting on both sides:
the digits of `x_8`, `f(7)`, `7..8` and `(lambda: 7)()` are no numbers of a sentence, and neither is that of "Step 7".
"""

from __future__ import annotations

import re
from typing import TypeAlias

from restem.verifiers.algebra.number_words import NUMBER_WORDS

Span: TypeAlias = tuple[int, int]

_BEFORE = r"(?:(?<![^\s=:$*\u2192\u2009(])(?<![\w.]\()|(?<=\\\$))"
_BODY = (
    r"(?:(?:minus|negative)\s)?(?:[$\u20ac\u00a3]|\\\$)?[-+]?(?:[$\u20ac\u00a3]\s?|\\\$\s?)?"
    r"(?:[0-9]{1,6}(?:\.[0-9]{1,12})?\s?\*\s?10\^\{?-?[0-9]{1,3}\}?"
    r"|[0-9]{1,3}(?:(?:,|\\,|\{,\}|[ \u2009])[0-9]{3})+(?![0-9])(?:\.[0-9]{1,12})?|[0-9]{1,18}(?:\.[0-9]{1,18})?"
    r"|\.[0-9]{1,18})"
    r"(?:[\u00bc-\u00be\u2153-\u215e]|\s[0-9]{1,3}/[0-9]{1,3}|/[0-9]{1,12}|:[0-9]{1,3})?"
)
_AFTER = (
    r"(?=\Z|\s|\\?%|[\u00b0\u20ac\u00a2$*]|\\(?:[ ,;!)\]]|text|mathrm|mbox)|~|/[A-Za-z]|\\\$|\\%"
    r"|[.,;:!?)]+[*_\"')]*(?:\s|\Z)|[.,;:!]\*\*|-[a-z])"
)
_NO_MORE = (
    r"(?!\s(?:and\s(?:\w+[\s-])?(?:half|halves|thirds?|fourths?|quarters?)\b|(?:to|or)\s[0-9]|mod\b)"
    r"|\s?[-\u2013]\s?[0-9])"
)
_ATTACHED = (  # `5kg`, `1,000.99m\u00b2`
    r"(?:(?:km/h|m/s|mph|km|cm|mm|kg|mg|ml|mL|kWh|hrs?|min|ft|lbs?|oz|USD|[mgLhsk])(?:\^?[23]"
    r"|[\u00b2\u00b3])?(?![\w]))?"
)
_SCALE = r"(?:\s?(?:\\?%|percent\b|(?:\u00b0|\^\\circ)\s?[CF]?(?![a-z]))|\s(?:hundred|thousand|million|billion)\b)?"
_NO_UNITS = (
    r"a|an|and|or|is|are|was|so|in|on|at|of|for|to|from|because|since|as|per|each|left|total|more|by|with|which"
    r"|that|if|when"
    r"|than|altogether|all|after|before|remaining|every|but|it|he|she|they|we|then|not|do|does|did|fails?|appears?"
    r"|works?|satisfies|makes|gives"
)
_UNIT = (
    r"(?:(?:\\[ ,;!]|~|\s){0,3}\\(?:text|mathrm|mbox)\{[^{}]{1,30}\}(?:\^\{?[23]\}?)?)?"
    rf"(?:[\s-](?!(?:{_NO_UNITS})\b)(?:[ap]\.?m\.?(?![a-z])|degrees?\s(?:Celsius|Fahrenheit|[CF]\b|below\szero)|below\szero|(?:square|cubic|sq\.?|US)\s[A-Za-z]{{1,14}}"
    r"|[A-Za-z]{1,14}(?:/[A-Za-z]{1,10}|\sper\s[A-Za-z]{1,10}|\^[23]|[\u00b2\u00b3])?))?"
)
_AND_PART = r"(?:\sand\s(?:an?|one)[\s-](?:half|third|quarter)\b)?"
_NUMERAL = re.compile(
    _BEFORE + "(?P<body>" + _BODY + ")" + _AND_PART + _ATTACHED + _AFTER + _NO_MORE + _SCALE + _UNIT, re.IGNORECASE
)
_DURATION = re.compile(
    r"(?<![\w.])[0-9]{1,6}\s?(?:hours?|hrs?|h|minutes?|mins?|days?|weeks?|years?|feet|foot|ft|pounds?|kg|meters?"
    r"|metres?|dollars?)"
    r"(?:,?\s(?:and\s)?[0-9]{1,6}\s?(?:minutes?|mins?|seconds?|secs?|days?|months?|weeks?|hours?|inch(?:es)?|ounces?|g"
    r"|centimet(?:er|re)s?|cm|cents?)\b){1,3}",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?:\b(?:step|problem|question|page|figure|fig|equation|eq|line|room|error|chapter|section|part|case|option"
    r"|example"
    r"|exercise|no|nr|version|item|score|grade|confidence|reward|points|day|week|month|grade|round|level"
    r"|game)\.?"
    r"|\#)\s*#?\Z",
    re.IGNORECASE,
)
_ENUMERATOR = re.compile(r"\s*\(?[0-9]{1,2}[.)]\s")
_GOES_ON = re.compile(r"\s{0,2}(?:[*/^+=\u00d7\u00f7](?!\*)\s{0,2}[\w(\\$]|-\s{0,2}(?:[0-9($\\]|[A-Za-z]\b))")
_AND_MORE = re.compile(r"\sand\s(?:\w+[\s-])?(?:half|halves|thirds?|fourths?|quarters?)\b", re.IGNORECASE)
_NOUN = re.compile(rf"\s(?!(?:{_NO_UNITS})\b)[A-Za-z]{{2,14}}", re.IGNORECASE)
_ORDER = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_FIRST = "|".join(sorted(NUMBER_WORDS - {"one", "minus", "negative", "plus", "positive"}, key=len, reverse=True))
_PARTS = r"half|halves|thirds?|fourths?|quarters?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|twelfths?"
_SPELLED = re.compile(
    rf"\b(?:one|two|three|four|five|seven|nine|eleven)[\s-](?:{_PARTS})\b"
    rf"|(?<!minus )(?<!negative )(?<!the )(?<!these )(?<!those )\b(?:(?:minus|negative)\s)?(?:one(?=\s(?:hundred"
    rf"|thousand|million)\b)|{_FIRST})\b(?:[\s-](?:and\s)?(?:{_ORDER})\b)*(?!-[a-z]){_AND_PART}",
    re.IGNORECASE,
)


def numerals(text: str, lo: int, hi: int) -> list[Span]:
    """The numbers between two offsets, each with its unit; not those that number a step or a page."""
    enumerator = _ENUMERATOR.match(text, lo, hi)
    at = enumerator.end() if enumerator else lo
    spans = list[Span]()
    durations = {match.start(): match.end() for match in _DURATION.finditer(text, at, hi)}
    for match in _NUMERAL.finditer(text, at, hi):
        start, end = match.start(), durations.get(match.start(), match.end())
        if text[start] == "$" and text[match.end("body") : match.end("body") + 1] == "$":
            start += 1  # a formula that is a number
        if (spans and start < spans[-1][1]) or _LABELLED.search(text[max(lo, start - 16) : start]):
            continue
        spans.append((start, end))
    return spans


def numeral_at(text: str, start: int, hi: int) -> Span | None:
    """The number at an offset, behind blanks and typesetting, if no operation follows it."""
    space = re.compile(r"[\s*$]{0,6}").match(text, start, hi)
    start = space.end() if space else start
    if text[start - 1 : start] == "$" and not text[start - 2 : start - 1].isspace():
        start -= 1
    match = _DURATION.match(text, start, hi) or _NUMERAL.match(text, start, hi)
    if match is None or _GOES_ON.match(text, match.end(), hi):
        return None
    return match.span()


def covered(text: str, lo: int, hi: int, spans: list[Span]) -> bool:
    """Whether all digits between two offsets belong to these numbers, to an enumerator or to a label."""
    enumerator = _ENUMERATOR.match(text, lo, hi)
    at = enumerator.end() if enumerator else lo
    for match in re.compile(r"[0-9]+").finditer(text, at, hi):
        inside = any(start <= match.start() < end for start, end in spans)
        if not inside and not _LABELLED.search(text[max(lo, match.start() - 16) : match.start()]):
            return False
    return True


def spelled(text: str, lo: int, hi: int) -> list[Span]:
    """The numbers in words between two offsets, each with the noun behind it."""
    spans = list[Span]()
    if text[lo:hi].strip(" .*!\n").lower() == "one":
        start = text.lower().index("one", lo)
        return [(start, start + 3)]
    for match in _SPELLED.finditer(text, lo, hi):
        noun = _NOUN.match(text, match.end(), hi)
        end = noun.end() if noun else match.end()
        if not _AND_MORE.match(text, end, hi):  # "six hours and a quarter"
            spans.append((match.start(), end))
    return spans
