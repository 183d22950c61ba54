"""The last marked answer of a response: in a box, between tags, behind `####`, or behind "the answer is".

Takes a part of a response; gives an `Answer` whose text is everything that the mark holds, or None where there is no
mark. Reads no value, and does not depend on the reference: `algebra` reads the text.

Words around a mark do not count: "the least possible value is [7]" is an answer. A hedge or a denial counts between the
mark and its value, directly before a box ("probably [7]", "not [7]"), or directly behind it ("[7] is wrong"). The last
mark outranks all earlier ones; marks side by side are one answer with several values.
"""

from __future__ import annotations

import dataclasses
import re

from restem.verifiers.answers.denials import refusal
from restem.verifiers.answers.patterns import FOREIGN_MARK, NOT_DENIED, NOT_OTHERS
from restem.verifiers.answers.reader import Answer, no_answer
from restem.verifiers.answers.spans import closing_brace

MAX_MARKS = 40

_MARK = re.compile(
    rf"""
      (?=[\\<"'{{\#])(?:
          \\(?P<box>boxed|fbox|framebox)(?![a-z])\s{{0,4}}
        | <(?P<tag>answer|final_answer|final|ans|solution|result)>
        | (?P<key>["'](?:answer|final_answer|final\ answer|final|result|solution)["']\s{{0,4}}:\s{{0,4}})
        | (?P<hashes>\#{{4}})(?!\#)[ ]{{0,4}}
      )
    | (?<![A-Za-z_-])(?P<answer>
        (?:(?:final|correct|right|only|my|the|our|required|desired)[ ]){{0,4}}{NOT_OTHERS}{NOT_DENIED}
        (?:answers?|ans)\b[*_\s]{{0,3}}
        (?: [ ]?(?:\(for\ [a-z]\)|(?:to|of|for)\b[^.\n:]{{0,80}}?(?=[ ](?:is|are|equals)\b))? [ ]?
            (?: [*_]{{0,3}}(?:[:=\u2192]|[ ]-(?=[ ]))[*_]{{0,3}}
              | (?:is|are|equals|must\ be|should\ be|would\ be|will\ be|comes\ (?:out\ )?to|becomes)\b[:]?
              | ,\s[^.\n:]{{0,60}},\s(?:is|are)\b )
          | (?<=[\s*]) (?=[\\$\d(]|-\S) ) )
    | (?:^|(?<=\n))[ *_#>]{{0,6}}(?P<final>
        (?:final(?:[ ](?:value|result))?|answer|ans|a)[ ]?(?:[:.)][*_]{{0,3}}|[*_]{{0,3}}(?=\n)))
    | (?P<foreign>{FOREIGN_MARK})
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What follows a dash that ends an answer, `24 - a good number`: in `3*x - y` and `x - xy` it is a minus.
_WORD = (
    r"(?=(?!(?:sin|cos|tan|cot|sec|csc|log|exp|sqrt|abc|xyz)\b)[a-z]{3}|[ai]\s[a-z]{2}"
    r"|(?:an|as|at|by|he|if|in|is|it|my|no|of|on|or|so|to|us|we)\b)"
)
_CLAUSE_END = re.compile(
    r"\n|(?:[.;!?])(?=[\s\"')*]|$)|\s(?:because|since|as|so|which|but|when|where|after|if)\b|,\s(?:so|which"
    r"|because|since|but|and\s(?:the|we|so|this))\b"
    rf"|[\u2713\u2714\u2705]|</|\s\u2014\s|\s\u2013\s(?![A-Za-z])|\s(?:--?|\u2013)\s{_WORD}|\s(?=\[[A-Za-z]{{2}})",
    re.IGNORECASE,
)
_SPACE = re.compile(r"[\s*_$:>]{0,40}(?:\\[(\[]\s{0,4})?")
_FILLER = re.compile(
    r"(?:\s|[*_$:]|\\[(\[]|\b(?:therefore|thus|then|simply|just|exactly|precisely|indeed|clearly|actually"
    r"|equal\sto|given\sby"
    r"|hence|definitely|certainly|obviously|now|always|also|found\sto\sbe|to\sbe|that|of\scourse|as\sfollows"
    r"|option|choice"
    r"|being|only)\b){1,12}",
    re.IGNORECASE,
)
_TOGETHER = re.compile(
    r"(?:[\s$,.;&*]|\\[()\[\],;!]|\\q?quad|\\text\{\s?(?P<word>and|or)\s?\}|\b(?P<plain>and|or)\b|\b(?:else"
    r"|alternatively|maybe|also)\b){0,16}"
)
_DISPLAY = re.compile(r"\s{0,8}(?:\$\$|\\\[)\s{0,8}")
_VALUE = re.compile(r"[0-9\\\u221a\u03c0\u221e]|(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_SENTENCE_START = re.compile(r"[.!?]\s|\n")


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """One mark: offsets of the mark, of what it holds, and of the text behind it."""

    rule: str
    at: int
    start: int
    end: int
    behind: int
    refused: str | None = None


def find_marked(text: str, *, wordy: bool = False, single: bool = False) -> Answer | None:
    """The last marked answer of a text, or None without a mark.

    Args:
        text: A part of a response in ASCII characters (`canonical`).
        wordy: Whether the answer may be words; otherwise "the answer is correct" is no mark.
        single: Whether one value is asked, so that boxes side by side with other contents are two answers.
    """
    matches = list(_MARK.finditer(text))[-MAX_MARKS:]
    for index in range(len(matches) - 1, -1, -1):
        mark = _mark(text, matches[index])
        if mark is None or (
            mark.rule == "answer"
            and not wordy
            and not _VALUE.search(text, mark.start, mark.end)
            and not _number_word(text[mark.start : mark.end])
        ):
            continue
        return _answer(text, _joined(text, matches[: index + 1], mark), single)
    return None


def _number_word(text: str) -> bool:
    from restem.verifiers.algebra.number_words import NUMBER_WORDS

    return any(word in NUMBER_WORDS for word in re.findall("[a-z]+", text.lower()))


def _mark(text: str, match: re.Match[str]) -> Mark | None:
    """What a mark holds; None where it holds nothing."""
    kind = match.lastgroup or ""
    at, start = match.start(), match.end()
    if kind == "box":
        if text[start : start + 1] != "{":
            bare = re.compile(r"-?[0-9A-Za-z.,/]{1,20}").match(text, start)
            return Mark("box", at, start, bare.end(), bare.end()) if bare else None
        closing = closing_brace(text, start, len(text))
        if closing is None:
            return Mark("box", at, start, start, len(text), "unfinished")
        return Mark("box", at, *_trimmed(text, start + 1, closing), closing + 1)
    if kind == "tag":
        closing = text.find(f"</{match['tag']}", start)
        behind = closing + len(match["tag"]) + 3
        if closing < 0:
            return Mark("tag", at, start, start, len(text), "unfinished")
        inner = find_marked(text[start:closing], wordy=True) if "\\boxed" in text[start:closing] else None
        if inner is not None and inner.span is not None:
            return Mark("tag", at, start + inner.span[0], start + inner.span[1], behind)
        return Mark("tag", at, *_trimmed(text, start, closing), behind)
    if kind == "key":
        return _json(text, at, start)
    if kind == "hashes":
        end = text.find("\n", start)
        end = end if end >= 0 else len(text)
        return Mark("hashes", at, *_trimmed(text, start, end), end) if text[start:end].strip() else None
    return _announced(text, at, start)


def _json(text: str, at: int, start: int) -> Mark:
    quote = text[start : start + 1]
    if quote in "\"'" and quote:
        end = text.find(quote, start + 1)
        return (
            Mark("json", at, start + 1, end, end + 1)
            if end >= 0
            else Mark("json", at, start, start, len(text), "unfinished")
        )
    ends = [end for end in (text.find(mark, start) for mark in ("]" if quote == "[" else ",", "}", "\n")) if end >= 0]
    if not ends:
        return Mark("json", at, start, start, len(text), "unfinished")
    end = min(ends) + (quote == "[")
    return Mark("json", at, start, end, end)


def _announced(text: str, at: int, start: int) -> Mark | None:
    """The rest of the clause behind "the answer is", or the next line where it is empty."""
    filler = _FILLER.match(text, start)
    start = filler.end() if filler else start
    if text[start : start + 6] == "\\boxed":
        return None  # the box itself is found
    for _ in range(2):
        end = _clause_end(text, start)
        if text[start:end].strip(" *_$:"):
            lo, hi = _trimmed(text, start, end)
            return Mark("answer", at, lo, hi, end)
        space = _SPACE.match(text, end)
        start = space.end() if space else end
    return Mark("answer", at, start, start, len(text), "unfinished") if not text[start:].strip() else None


def _clause_end(text: str, start: int) -> int:
    """Where a clause ends; dollar signs and parentheses are not cut."""
    display = text[start - 3 : start].strip()
    if display.endswith("$$") or display.endswith("\\["):
        ends = [end for end in (text.find("$$", start), text.find("\\]", start)) if end >= 0]
        if ends:
            return min(ends)
    if text[start - 1 : start] == "$":
        end = text.find("$", start, start + 400)
        if end >= 0 and "\n" not in text[start:end]:
            rest = _CLAUSE_END.search(text, end)
            return rest.start() if rest else len(text)
    match = _CLAUSE_END.search(text, start)
    return match.start() if match else len(text)


def _trimmed(text: str, lo: int, hi: int) -> tuple[int, int]:
    """The span without blanks, emphasis, quotes and dollar signs at both ends, and without final punctuation."""
    while True:
        before = lo, hi
        while lo < hi and text[lo] in " \n*_`\"'\u2009":
            lo += 1
        if text[lo : lo + 1] == "}":
            lo += 1  # the end of `\\text{Answer: }`
        while lo < hi and text[hi - 1] in " \n*_`\"'\u2009,;:":
            hi -= 1
        if hi - lo > 1 and text[hi - 1] == "." and text[hi - 2] != ".":
            hi -= 1
        for closing, opening in (("\\)", "\\("), ("\\]", "\\[")):
            if text.endswith(closing, lo, hi) and text.find(opening, lo, hi) < 0:
                hi -= 2
            if text.startswith(opening, lo) and text.find(closing, lo, hi) < 0:
                lo += 2
        for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)")):
            if text.startswith(opening, lo) and text.endswith(closing, lo, hi) and hi - lo > 4:
                lo, hi = lo + 2, hi - 2
        if hi - lo > 2 and text[lo] == "$" == text[hi - 1] and "$" not in text[lo + 1 : hi - 1]:
            lo, hi = lo + 1, hi - 1
        elif hi - lo > 1 and text[hi - 1] == "$" and text.count("$", lo, hi) == 1:
            hi -= 1  # the other one stands before the span
        if (lo, hi) == before:
            return lo, hi


def _joined(text: str, matches: list[re.Match[str]], last: Mark) -> Mark:
    """The last mark, with the boxes directly before it: `[3], [8]` is one answer with two values."""
    start = last.start
    mark = last
    joined = last
    for match in reversed(matches[:-1]):
        previous = _mark(text, match)
        if previous is None or previous.rule != last.rule or previous.refused:
            break
        gap = _TOGETHER.fullmatch(text, previous.behind, mark.at)
        if gap is None:
            break
        if text[previous.start : previous.end] == text[last.start : last.end]:
            mark = previous
            continue
        if last.rule in ("hashes", "answer", "json"):
            return dataclasses.replace(last, refused="two_answers")
        if last.start < last.end:
            joined = dataclasses.replace(joined, start=previous.start, at=previous.at)
        mark = previous
    return joined if joined.start != start else last


_GAP = re.compile(r"[^.!?\n]{0,60}")


def in_one_sentence(text: str) -> list[str]:
    """The contents of the last box of a text and of those before it in the same sentence, in order."""
    spans = list[tuple[int, int, int]]()
    for match in re.finditer(r"\\f?boxe?d?\s{0,4}(?=\{)", text):
        closing = closing_brace(text, match.end(), len(text))
        if closing is not None:
            spans.append((match.start(), match.end() + 1, closing))
    first = len(spans) - 1
    while first > 0 and _GAP.fullmatch(text, spans[first - 1][2] + 1, spans[first][0]):
        first -= 1
    return [text[start:end].strip() for _, start, end in spans[max(0, first) :]]


def side_by_side(text: str) -> list[str]:
    """The contents of the boxes of a text, or of a span from the content of one box to that of another."""
    text = "\\boxed{" + text + "}" if text.find("}") < text.find("\\boxed{") or "\\boxed" not in text else text
    contents = list[str]()
    for match in re.finditer(r"\\f?boxe?d?\s{0,4}(?=\{)", text):
        closing = closing_brace(text, match.end(), len(text))
        if closing is not None:
            contents.append(text[match.end() + 1 : closing].strip(" $,;&"))
    return contents


def _answer(text: str, mark: Mark, single: bool) -> Answer:
    """The answer that a mark holds, or why it is refused."""
    if mark.refused:
        return no_answer(mark.rule, mark.refused)
    content = text[mark.start : mark.end]
    if not content.strip():
        return no_answer(mark.rule, "unfinished")
    reason = refusal(text, mark.rule, mark.at, content, mark.behind)
    return no_answer(mark.rule, reason) if reason else Answer(content, (mark.start, mark.end), mark.rule)
