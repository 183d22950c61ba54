"""The final answer of a response to a question for one letter: its text, its position, its rule, or why there is none.

Answers to any other question are read by `general.py`. Takes a response and, if the question names one, the asked
variable. Gives an `Answer`. Does not depend on the reference, so it cannot prefer a right reading to a wrong one, and
never extracts a number from text that does not parse.

The rules, in order:
1. Text in a `<think>` block is no answer; a response whose block is not closed has none.
2. Text before the last correction ("wait", "no,", "that is wrong") does not count; without text after the correction
   the answer is retracted.
3. Markers of a final answer: box, <answer> tag, JSON key, `####`, "answer is" / "Answer:" in several languages.
   Assignments: `x = 14/2 = 7`, `7 = x`, "x is 7". Results: "which gives 7". A marker of a final answer outranks the
   assignments and results before it.
4. Without any of these: the last line, a leading value with a remark after it, or the last sentence.
5. The last candidate is the answer. It is refused where it is hedged, negated or unfinished, or where another
   candidate that still counts has another value.
"""

from __future__ import annotations

import re

from restem.verifiers.answers.question import asked_variable
from restem.verifiers.answers.reader import Answer, Reader, no_answer
from restem.verifiers.answers.view import MAX_TAIL, NEAR, after_thought, solution_end, view_of, window

__all__ = ["CANNOT_TELL", "READER_VERSION", "Answer", "asked_variable", "find"]

# Part of the fingerprint of every verifier that reads answers; must be raised with every change of their results.
READER_VERSION = 7

# Reasons that leave a verdict undecided, whatever the reference; the other reasons make the response wrong.
CANNOT_TELL = frozenset({"not_found", "too_long", "unread", "hedged", "contradiction"})


# Reasons for which more of a long response is read than its last lines.
_LOOKS_FURTHER = frozenset({"not_found", "no_answer", "unread"})

# -- The fast paths: one marker and a number; a worked solution -------------------------------------------------------

_STEPS = re.compile(r"(?:[0-9 =+*/\n().-]|(?<![A-Za-z])[a-z](?![A-Za-z]))*")
_LAST_STEP = re.compile(r"([a-z]) ?= ?(-?[0-9]{1,18}(?:/-?[1-9][0-9]{0,17})?)")
_LEFT_SIDE = re.compile(r"([0-9]\*)?[a-z] *=")
_REVERSED = re.compile(r"= ?\(?[a-z]\)?(?: *=| *$)", re.MULTILINE)
_CUT_STEP = re.compile(r"([a-z])(?: ?(?:= ?(?:-?[0-9]{1,18}/-?|-)?)?)?")


def _worked_solution(response: str, variable: str | None) -> Answer | None:
    """The answer of lines such as `5*w = 15`, `w = 15/5`, `w = 3`, or of a part of them; None for anything else."""
    body = response.rstrip()
    if variable is None or len(body) > 4000 or not _STEPS.fullmatch(body):
        return None
    head = body.rfind("\n") + 1
    match = _LAST_STEP.fullmatch(body, head)
    if match is not None and match[1] == variable:
        agree = not head or _agree(body[:head], variable, match[2])
        return Answer(match[2], match.span(2), "assignment") if agree else None
    cut = _CUT_STEP.fullmatch(body, head)
    if cut is not None and cut[1] == variable:
        return no_answer("assignment", "unfinished")
    last = body[head:]
    scaled = all(match[1] for match in _LEFT_SIDE.finditer(body))
    if "=" in last and variable in last and scaled and not _REVERSED.search(body):
        return no_answer("assignment", "unsolved")
    return None


def _agree(steps: str, variable: str, answer: str) -> bool:
    """Whether no earlier line assigns another literal number to the variable."""
    for line in steps.split("\n"):
        left, _, right = line.rpartition("=")
        right = right.strip()
        if left.partition("=")[0].strip() == variable and right.lstrip("-").isdecimal() and right != answer:
            return False
    return True


_ONE_MARKER = re.compile(
    r"(?:(?P<answer>(?:(?:The |the )?(?:[Ff]inal )?[Aa]nswer|(?:The )?[Ss]olution)(?: is|:) )|(?P<box>\\boxed\{)"
    r"|(?P<hashes>#### )|(?P<assignment>[a-z]) ?= ?)?(?P<open>\()?"
    r"(?P<number>[-+]?[0-9]{1,18}(?:\.[0-9]{1,18}|/-?[1-9][0-9]{0,17})?)(?(open)\))(?(box)\})\.?"
)


def one_marker(response: str, variable: str | None) -> Answer | None:
    """The answer of `7`, `x = 7`, `The answer is 7.`, `\\boxed{7}`, `#### 7`; None for anything else."""
    match = _ONE_MARKER.fullmatch(response) if len(response) <= 80 else None
    if match is None or match["assignment"] not in (None, variable):
        return None
    for rule in ("answer", "box", "hashes", "assignment"):
        if match[rule]:
            break
    else:
        rule = "whole"
    return Answer(match["number"], match.span("number"), rule)


# -- The answer --------------------------------------------------------------------------------------------------------


def find(response: str, variable: str | None = None) -> Answer:
    """The final answer of a response.

    Args:
        response: Any text.
        variable: The asked variable, if the question names one (see `asked_variable`).
    """
    quick = one_marker(response, variable) or _worked_solution(response, variable)
    if quick is not None:
        return quick
    lo = after_thought(response) if "<" in response else 0
    if lo is None:
        return no_answer("thought", "unfinished")
    end = solution_end(response, lo)
    answer = _read(response, variable, lo, end)
    # The whole rest is read only if there is no answer before another turn or question.
    return _read(response, variable, lo, len(response)) if answer.text is None and end < len(response) else answer


def _read(response: str, variable: str | None, lo: int, hi: int) -> Answer:
    """The final answer between two offsets: in the last lines, or in more of them where the last ones hold none."""
    text = response[lo:hi]
    lo, hi = hi - len(text.lstrip()), lo + len(text.rstrip())
    hi = max(lo, hi)
    for size in (NEAR, MAX_TAIL):
        start = window(response, lo, hi, size)
        if start is None:
            return no_answer("none", "too_long")
        answer = Reader(view_of(response[start:hi]), variable).resolve(0, hi - start)
        if start == lo or answer.reason not in _LOOKS_FURTHER:
            break
    if answer.span is None:
        return answer
    span = (answer.span[0] + start, answer.span[1] + start)
    return Answer(response[slice(*span)], span, answer.rule, answer.reason)
