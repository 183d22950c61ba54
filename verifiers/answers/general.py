"""The final answer of a response to any question: the last mark, or else the last sentence that holds a value.

Takes a response, the question and whether words or formulas are expected; gives an `Answer` and the texts in which its
value may be written. Depends neither on the value of the reference nor on verdicts.

Only the end of a long response is read: the last final answer outranks everything before it, so that the time does not
depend on the length of the working.
"""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.false_equations import REACH as REACH_OF_EQUATION
from restem.verifiers.answers.false_equations import ends_in_false_equation
from restem.verifiers.answers.final_answer import one_marker
from restem.verifiers.answers.marked import find_marked, in_one_sentence, side_by_side
from restem.verifiers.answers.question import asked
from restem.verifiers.answers.reader import Answer, no_answer
from restem.verifiers.answers.sentences import find_in_sentences
from restem.verifiers.answers.view import (
    MAX_TAIL,
    NEAR,
    after_thought,
    holds_word,
    solution_end,
    window,
    without_grader,
)

_MARK_WORDS = ("box", "####", "ans", "final", "result", "solution")  # looked for before the pattern, which is slower
_MAY_BE_MARKED = re.compile(r"box|####|answer|final|\bans\b|[<\"'](?:result|solution)", re.IGNORECASE)
_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
REACH = 400  # characters before a box in which the other boxes of its sentence are looked for
LONG = 12  # words from which a reference is taken for a worked solution
_LISTED = re.compile(r",|;|\b(?:or|and)\b|\\q?quad")  # `x = 2 or x = 3` is a list and no chain
_CHOICES = re.compile(r"\(([A-H])\)|\b([A-H])\b(?=\s(?:or|and)\s)")
_BELOW_ZERO = re.compile(r"(.+?)\sbelow\szero", re.IGNORECASE)
_CHANCE = re.compile(r"([0-9]+)\s(?:in|out of)\s([0-9]+)")
_ASIDE = re.compile(
    r"(.*\S)\s{1,8}\(((?![^()]*\b(?:or|not|mod|base|maybe|about|approx\w*|rounded|wrong|if)\b)[^()]{3,80})\)[.\s]*",
    re.DOTALL,
)
_EQUALS = re.compile(r"(?<![<>!:=\\])=(?!=)")


class Reading(NamedTuple):
    """An answer, and the texts that may hold its value, the most likely one first."""

    answer: Answer
    texts: tuple[str, ...] = ()


def read_answer(response: str, question: str, *, wordy: bool = False, formula: bool = False) -> Reading:
    """The final answer of a response.

    Args:
        response: Any text.
        question: The question, which decides what is asked.
        wordy: Whether the expected answer is a word, a name or a letter.
        formula: Whether the expected answer is more than a number: a formula, a set, an equation.
    """
    reading = _read(response, question, wordy, formula)
    span = reading.answer.span
    if span is not None and ends_in_false_equation(canonical(response[max(0, span[0] - REACH_OF_EQUATION) : span[1]])):
        return Reading(dataclasses.replace(reading.answer, reason="contradiction"))
    return reading


def _read(response: str, question: str, wordy: bool, formula: bool) -> Reading:
    if not wordy and not formula and (quick := one_marker(response, None)) is not None:
        return Reading(quick, (quick.text or "",))
    lo = after_thought(response) if "<" in response else 0
    if lo is None:
        return Reading(no_answer("thought", "unfinished"))
    end = solution_end(response, lo)
    reading = _before(response, lo, end, question, wordy, formula)
    if reading.answer.text is None and end < len(response) and not response[lo:end].strip():
        return _before(response, lo, len(response), question, wordy, formula)
    return reading


def _before(response: str, lo: int, end: int, question: str, wordy: bool, formula: bool) -> Reading:
    """The answer in the last characters before `end`; of more of them where the first few hold no mark."""
    end = lo + len(response[lo:end].rstrip())
    near, far = window(response, lo, end, NEAR), window(response, lo, end, MAX_TAIL)
    if near is None or far is None:
        return Reading(no_answer("none", "too_long"))
    start, text = near, _plain(response[near:end])
    answer = find_marked(text, wordy=wordy)
    if answer is None and far < near:
        more = response[far:end]
        answer, start = (find_marked(_plain(more), wordy=wordy) if _may_be_marked(more) else None), far
    if answer is None:
        answer, start = find_in_sentences(text, asked(question), wordy=wordy, formula=formula), near
    if answer.span is None:
        return Reading(answer)
    if wordy and asked(question).is_choice and len(set(_CHOICES.findall(answer.text or ""))) > 1:
        return Reading(no_answer(answer.rule, "two_answers"))
    span = (answer.span[0] + start, answer.span[1] + start)
    answer = Answer(response[slice(*span)], span, answer.rule, answer.reason)
    texts = _texts(canonical(answer.text or ""), answer.rule, question, wordy, formula)
    if answer.rule == "box" and formula:
        boxes = in_one_sentence(response[max(start, span[0] - REACH) : span[1] + 1])
        texts = tuple(dict.fromkeys((*texts, ", ".join(boxes)))) if len(set(boxes)) > 1 else texts
    return Reading(answer, texts)


def read_solution(text: str) -> str:
    """The answer of a worked solution, as GSM8K and MATH have them; any other text as it is."""
    marked = find_marked(canonical(text), wordy=True)
    if len(set(boxes := in_one_sentence(text))) > 1:
        return ", ".join(dict.fromkeys(boxes))
    if marked is not None and marked.span is not None:
        answer = text[slice(*marked.span)]
        return ", ".join(dict.fromkeys(side_by_side(answer))) if "\\boxed{" in answer else answer
    if len(_WORDS.findall(text)) < LONG:
        return text
    said = find_in_sentences(canonical(text), asked(""), formula=True)
    return text if said.span is None else text[slice(*said.span)]


def _may_be_marked(text: str) -> bool:
    return not text.isascii() or (holds_word(text, _MARK_WORDS) and _MAY_BE_MARKED.search(text) is not None)


def _plain(text: str) -> str:
    """The text in ASCII characters, without lines about a grader."""
    return without_grader(canonical(text))


def _texts(text: str, rule: str, question: str, wordy: bool, formula: bool) -> tuple[str, ...]:
    """The texts that may hold the value: the whole, a chain's ends, the text without an aside, its last sentence."""
    if "\\boxed{" in text:  # boxes side by side
        text = ", ".join(dict.fromkeys(side_by_side(text)))
    if text.count("$") % 2 and not re.search(r"\$\s?-?[0-9.]", text):
        text = text.replace("$", "")  # the end of a formula that began before the answer
    elif re.search(r"\$,?\s(?:(?:and|or)\s)?\$", text):
        text = text.replace("$", "")  # a list of formulas
    if text.lower() in ("no", "none", "nothing") and not wordy and not formula:
        return ("0",)
    if below := _BELOW_ZERO.fullmatch(text):
        return (f"-{below[1]}",)
    if chance := _CHANCE.fullmatch(text):
        return (f"{chance[1]}/{chance[2]}",)
    texts = [text]
    sides = [side.strip() for side in _EQUALS.split(text)]
    if len(sides) > 2 and not any(_LISTED.search(side) for side in sides[1:-1]):
        texts = [f"{sides[0]} = {sides[-1]}", sides[-1]]
    elif len(sides) == 2 and not re.search(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])|[A-Za-z]\(", sides[0]):
        texts = [sides[-1], text]  # `8 * 3 = 24`, `area = 24`
    if aside := _ASIDE.fullmatch(text):
        texts += [aside[1], aside[2]]
    if rule in ("answer", "hashes", "tag", "json", "box") and (" " in text or "**" in text):
        plain = re.sub(r"\\(?:text|mbox|textbf)\{([^{}]*)\}", r" \1 ", text)
        inner = find_in_sentences(plain.strip(), asked(question), wordy=wordy, formula=formula)
        if inner.text is not None:
            # A sentence is never read as a whole: "700 seats are sold, and 140 are empty" is no list.
            texts = [inner.text] if not wordy and len(_WORDS.findall(text)) > 2 else [*texts, inner.text]
    return tuple(dict.fromkeys(texts))
