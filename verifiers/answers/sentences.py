"""The answer of a response without a mark: a value in bold, or the value that its last sentence gives.

Takes the end of a response and what the question asks; gives an `Answer`. Reads no value, and does not depend on the
reference. The last sentence that holds a value counts (see `statements.py`); farewells, closing checks and notes do
not.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from restem.verifiers.answers.naming import yes_or_no
from restem.verifiers.answers.patterns import words_of
from restem.verifiers.answers.question import Asked
from restem.verifiers.answers.reader import Answer, no_answer
from restem.verifiers.answers.sentence_patterns import (
    BEGINS_CONCLUSION,
    BOLD,
    CHECK,
    CONCLUDES,
    CONCLUSION_WITH_NUMBER,
    FAREWELL,
    HEADING,
    RUNS_ON,
    SENTENCE,
    TAKES_BACK,
    UNFINISHED,
    UNSURE,
)
from restem.verifiers.answers.statements import LINE_RULE, RULE, WEAK_RULE, Wanted, holds_value, statement

Span: TypeAlias = tuple[int, int]

MAX_CHARACTERS = 3_000
MAX_SENTENCES = 12
MAX_BACK = 4  # sentences without a value behind the one that counts


def find_in_sentences(text: str, asked: Asked, *, wordy: bool = False, formula: bool = False) -> Answer:
    """The answer of a text without a mark.

    Args:
        text: The end of a response in ASCII characters (`canonical`).
        asked: What the question asks.
        wordy: Whether words are asked: a name, a weekday, yes or no.
        formula: Whether more than a number is asked, such as a formula, a set or a matrix.
    """
    text = text.rstrip()
    if not text.strip():
        return no_answer("empty", "no_answer")
    if UNFINISHED.search(text[-40:]):
        return no_answer(RULE, "unfinished")
    wanted = Wanted(asked, wordy, formula)
    sentences = _sentences(text, _without_checks(text))
    if wanted.names and asked.is_yes_no and (yes := yes_or_no(text, sentences)):
        return Answer(text[slice(*yes)], yes, RULE)
    for index in range(len(sentences) - 1, -1, -1):
        lo, hi = sentences[index]
        sentence = text[lo:hi]
        if FAREWELL.search(sentence) or _is_check(text, sentences, index):
            continue
        if holds_value(sentence, wanted):
            return _stated(text, sentences[: index + 1], wanted)
        if TAKES_BACK.search(sentence) or UNSURE.search(sentence) or index < len(sentences) - MAX_BACK:
            return no_answer(RULE, "hedged")
    return no_answer(RULE, "not_found")


def _stated(text: str, sentences: list[Span], wanted: Wanted) -> Answer:
    """The answer of the last sentence; of one before it, where that is a value in bold, or a value alone."""
    lo, hi = _last_cell(text, *sentences[-1])
    is_plain = not BEGINS_CONCLUSION.match(text, lo, hi) and not BOLD.search(text, lo, hi)
    if is_plain and (bold := _bold_before(text, sentences[:-1])):
        lo, hi = bold
    answer = statement(text, lo, hi, wanted)
    if answer.rule == LINE_RULE and len(sentences) > 1 and RUNS_ON.search(text, *sentences[-2]):
        return no_answer(RULE, "hedged")  # "Perhaps it is", and the value on the next line
    if answer.text is not None and answer.rule != WEAK_RULE:
        return answer
    return _bare_first(text, sentences, wanted) or answer


def _sentences(text: str, end: int) -> list[Span]:
    """The spans of the last sentences before an offset."""
    lo, spans = max(0, end - MAX_CHARACTERS), list[Span]()
    for match in [*SENTENCE.finditer(text, lo, end), None]:
        hi = max(match.start(), match.end(1)) if match else end
        if text[lo:hi].strip(" *_#\n-$"):
            spans.append((lo, hi))
        lo = match.end() if match else end
    return spans[-MAX_SENTENCES:]


def _without_checks(text: str) -> int:
    """The offset where a closing check or note begins; the end of the text without one."""
    for match in CHECK.finditer(text):
        rest = text[match.start() :]
        if not re.search(r"[0-9]|\*\*", text[: match.start()]):
            continue
        if not CONCLUSION_WITH_NUMBER.search(rest) and not TAKES_BACK.search(rest):
            return match.start()
    return len(text)


def _is_check(text: str, sentences: list[Span], index: int) -> bool:
    """Whether a sentence is an aside in parentheses, or a bare equation behind a sentence that concludes."""
    lo, hi = sentences[index]
    sentence = text[lo:hi].strip()
    if index and sentence.startswith("(") and sentence.rstrip(".!").endswith(")"):
        return True
    is_bare = "=" in sentence and not words_of(re.sub(r"\\[a-z]+", "", sentence)) and "**" not in sentence
    return bool(index and is_bare and CONCLUDES.search(text, *sentences[index - 1]))


def _last_cell(text: str, lo: int, hi: int) -> Span:
    """The span of the last cell of a table's row; the whole span of any other sentence."""
    row = text[lo:hi].strip()
    if row.count("|") < 3 or row[0] != "|" or row[-1] != "|":
        return lo, hi
    end = text.rindex("|", lo, hi)
    return text.rindex("|", lo, end) + 1, end


def _bold_before(text: str, sentences: list[Span]) -> Span | None:
    """The only sentence that holds a number in bold, no heading; or the last one, if it is near the end."""
    bold = list[Span]()
    for lo, hi in sentences:
        numbers = [match[0] for match in BOLD.finditer(text, lo, hi) if re.search(r"[0-9]", match[0])]
        if len(numbers) == 1 and not HEADING.search(numbers[0]):
            bold.append((lo, hi))
    return bold[-1] if bold and (len(bold) == 1 or bold[-1] in sentences[-2:]) else None


def _bare_first(text: str, sentences: list[Span], wanted: Wanted) -> Answer | None:
    """The value of which the first sentence consists: "Eleven. He has read four of fifteen."; None without one."""
    lo, hi = sentences[0]
    is_bare = len(words_of(text[lo:hi])) < 2 and "=" not in text[lo:hi]
    if wanted.wordy or wanted.formula or len(sentences) < 2 or not is_bare:
        return None
    answer = statement(text, lo, hi, wanted)
    return answer if answer.text is not None and answer.rule != WEAK_RULE else None
