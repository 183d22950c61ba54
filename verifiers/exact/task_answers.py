"""Which text of a response is the answer to a task that scores its answers itself.

Takes a response, the question and the reference of a reasoning-gym task; gives the texts that may be the answer. The
task's own code compares texts character by character or parses them, so nothing is rewritten here: what surrounds the
answer is taken away. Depends on no task.

1. Text in a `<think>` block is no answer; a response whose block is not closed has none.
2. `<answer>` tags: what the last ones hold, and nothing else.
3. Where the reference has several lines: the last fenced block; or what follows a last line such as `Answer:`; or the
   whole response.
4. Where it has one line, or there is none: the last box, `####`, "the answer is" and the like. A hedge or denial at
   the mark counts as everywhere. Behind "the answer is" the clause, the line and the rest are tried, because answers
   may be sentences, lists or JSON objects.
5. Without a mark: the whole response; or its last fenced block or last line; or for a number the reader's last value.
6. Where the reference is a number, also the number of `22 apples`, `1,234` or `seven`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from restem.verifiers.algebra import read_value
from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.algebra.nodes import Quantity, Unreadable, value
from restem.verifiers.answers.general import read_answer
from restem.verifiers.answers.marked import find_marked
from restem.verifiers.answers.view import after_thought, solution_end

MAX_TAIL = 20_000  # characters of a response that are read
SHORT = 80  # characters of a one-line response without a mark that is taken as an answer and nothing else

_TAG = re.compile(r"<answer>(.*?)(</answer>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_HEADING = re.compile(
    r"^[ *_#>]{0,6}(?:(?:the )?(?:final )?(?:answer|solution)(?: is)?)[ *_]{0,4}:[ *_]{0,4}\n", re.I | re.M
)
_IS = re.compile(r"answer(?: is|:)[ ]*([^\n]+)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{3,}")
_NUMERAL = re.compile(r"-?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?")


class TaskAnswer(NamedTuple):
    """The texts that may be the answer.

    Attributes:
        texts: The most likely one first; empty where there is no answer.
        rule: How they were found.
        reason: Why there is none; or why, unless one of the texts is right, there is none.
        certain: Whether the answer is one of these texts. Otherwise the response may state it in another form, so a
            low score does not make it wrong.
    """

    texts: tuple[str, ...] = ()
    rule: str = "none"
    reason: str | None = None
    certain: bool = True


def task_answer(response: str, question: str, reference: str | None) -> TaskAnswer:
    """The answer of a response.

    Args:
        response: Any text.
        question: The question.
        reference: The task's own answer, which tells whether answers have several lines; None where it has none.
    """
    lo = after_thought(response) if "<" in response else 0
    if lo is None:
        return TaskAnswer(rule="thought", reason="unfinished")
    text = response[lo : solution_end(response, lo)].rstrip()
    if not text.strip():
        return TaskAnswer(reason="not_found")
    if len(text) > MAX_TAIL + 2 * len(reference or ""):
        return TaskAnswer(reason="too_long")
    if tags := _TAG.findall(text):
        content, end = tags[-1]
        return _several("tag", _unfenced(content)) if end else TaskAnswer(rule="tag", reason="unfinished")
    if reference is not None and "\n" in reference.strip("\n"):
        return _lines(text, reference)
    answer = _marked(text) or _unmarked(text, question, reference)
    if not isinstance(fraction(reference or ""), Fraction):
        return answer
    return answer._replace(texts=tuple(dict.fromkeys([*answer.texts, *filter(None, map(_numeral, answer.texts))])))


def _lines(text: str, reference: str) -> TaskAnswer:
    if fences := _FENCE.findall(text):
        return _several("fence", fences[-1])
    headings = list(_HEADING.finditer(text))
    if headings:
        return _several("answer", text[headings[-1].end() :])
    bare = set(_WORD.findall(text.lower())) <= set(_WORD.findall(reference.lower()))  # nothing but rows, or moves
    return _several("whole", text, certain=bare)


def _marked(text: str) -> TaskAnswer | None:
    answer = find_marked(canonical(text), wordy=True)
    if answer is None:
        return None
    if answer.span is None:
        # The words of a hedge may be those of the answer: "The answer is We must think about it."
        lines = _IS.findall(text) if answer.reason in ("hedged", "negated") else []
        return _several(answer.rule, *lines[-1:])._replace(reason=answer.reason)
    start, end = answer.span
    if answer.rule not in ("answer", "json"):
        return _several(answer.rule, text[start:end])
    line = text[len(text[:start].rstrip("\"'`*$ ")) :].partition("\n")[0]  # with the quotes of an answer in quotes
    return _several(answer.rule, text[start:end], text[start:].partition("\n")[0], line, _unfenced(text[start:]))


def _unmarked(text: str, question: str, reference: str | None) -> TaskAnswer:
    last = text.rpartition("\n")[2]
    fences = _FENCE.findall(text)
    certain = "\n" not in text.strip() and len(text.strip()) <= max(SHORT, 2 * len(reference or ""))
    texts = [fences[-1]] if fences else [text, last]
    if isinstance(fraction(reference or ""), Fraction):
        reading = read_answer(text, question).answer
        if reading.reason is not None and reading.text is None and not certain:
            return TaskAnswer(rule=reading.rule, reason=reading.reason)
        texts += [] if reading.text is None else [reading.text]
    return _several("fence" if fences else "whole", *texts, certain=certain or bool(fences))


def _numeral(text: str) -> str | None:
    """The number of a text such as `22 apples`, `7,000` or `seven`, in digits without commas; None for other texts."""
    if len(text) > SHORT:
        return None
    numerals = _NUMERAL.findall(text)
    if not numerals and isinstance(number := fraction(text), Fraction):
        return str(number)
    if len(numerals) != 1:
        return None
    try:
        tree = read_value(text, "")
        amount = value(tree.value if isinstance(tree, Quantity) else tree)
    except Unreadable:
        return None
    plain = numerals[0].replace(",", "")
    return plain if fraction(plain) == amount else None


def _unfenced(text: str) -> str:
    fences = _FENCE.findall(text)
    return fences[-1] if fences else text


def _several(rule: str, *texts: str, certain: bool = True) -> TaskAnswer:
    """The texts, each without surrounding blanks and also without a final point."""
    forms = dict[str, None]()
    for text in texts:
        lines, bare = text.strip("\n"), text.strip()
        forms |= dict.fromkeys(form for form in (bare, lines, bare.removesuffix(".").rstrip()) if form)
    return TaskAnswer(tuple(forms), rule, None, certain) if forms else TaskAnswer(rule=rule, reason="not_found")
