"""Finds the final answer in a response: its text, where it stands, and the rule that found it; or says there is none.

Takes a response and, where the question names one, the asked variable. Gives an `Answer`. Does not know the
reference, so it cannot prefer a right reading to a wrong one, and never takes a number out of text that does not parse.

The rules, in order:
1. Text in a `<think>` block is not an answer; one that is never closed leaves none.
2. What stands before the last correction ("wait", "no,", "that is wrong") is dead; with nothing after it, retracted.
3. Marks of a final answer: box, <answer> tag, JSON key, `####`, "answer is" / "Answer:" in several languages.
   Assignments: `x = 14/2 = 7`, `7 = x`, "x is 7". Results: "which gives 7". A mark outranks what stands before it.
4. Without any of these: the last line, a leading value with a remark after it, the last sentence.
5. The last candidate is the answer. It is refused where it is hedged, negated or unfinished, or where another
   candidate that is still alive has another value.
"""

from __future__ import annotations

import functools
import re

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.patterns import blank
from restem.verifiers.answers.reader import Answer, Reader, none

__all__ = ["CANNOT_TELL", "READER_VERSION", "Answer", "asked_variable", "find"]

# Part of the fingerprint of every verifier that reads answers: raised with each change of what is read.
READER_VERSION = 4

MAX_TAIL = 8000
# Reasons for which no reference could make the response right or wrong: nobody can tell.
CANNOT_TELL = frozenset({"not_found", "too_long", "unread"})


# -- The asked variable ------------------------------------------------------------------------------------------------

_ASKED = re.compile(
    r"\bfor ([A-Za-z])\s*[.?!]?\s*$"
    r"|\b(?:what is|what's|find|calculate|determine|evaluate|compute|give)"
    r"(?: the)?(?: value of| solution for)? ([A-Za-z])\s*[.?!]?\s*$"
    r"|\b[Ss]olve\b.*\bfor ([A-Za-z])\b"
    r"|\b(?:value of|find) ([A-Za-z])\b",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=4096)
def asked_variable(question: str) -> str | None:
    """The variable a question asks for, or None: `Solve 3*x = 6 for x.`, `What is x?`."""
    match = _ASKED.search(question[-400:].strip())
    return next(filter(None, match.groups())) if match else None


# -- The fast paths: one mark and a number; a worked solution ----------------------------------------------------------

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
        return none("assignment", "unfinished")
    last = body[head:]
    scaled = all(match[1] for match in _LEFT_SIDE.finditer(body))
    if "=" in last and variable in last and scaled and not _REVERSED.search(body):
        return none("assignment", "unsolved")
    return None


def _agree(steps: str, variable: str, answer: str) -> bool:
    """Whether no earlier line gives the variable another written-out number."""
    for line in steps.split("\n"):
        left, _, right = line.rpartition("=")
        right = right.strip()
        if left.partition("=")[0].strip() == variable and right.lstrip("-").isdecimal() and right != answer:
            return False
    return True


_ONE_MARK = re.compile(
    r"(?:(?P<answer>(?:(?:The |the )?(?:[Ff]inal )?[Aa]nswer|(?:The )?[Ss]olution)(?: is|:) )|(?P<box>\\boxed\{)"
    r"|(?P<hashes>#### )|(?P<assignment>[a-z]) ?= ?)?(?P<open>\()?"
    r"(?P<number>[-+]?[0-9]{1,18}(?:\.[0-9]{1,18}|/-?[1-9][0-9]{0,17})?)(?(open)\))(?(box)\})\.?"
)


def _one_mark(response: str, variable: str | None) -> Answer | None:
    """The answer of `7`, `x = 7`, `The answer is 7.`, `\\boxed{7}`, `#### 7`; None for anything else."""
    match = _ONE_MARK.fullmatch(response) if len(response) <= 80 else None
    if match is None or match["assignment"] not in (None, variable):
        return None
    rule = next((mark for mark in ("answer", "box", "hashes", "assignment") if match[mark]), "whole")
    return Answer(match["number"], match.span("number"), rule)


# -- The view: the same text, same length, with markup blanked ---------------------------------------------------------

_EMPHASIS = re.compile(
    r"(?<![\w)\]}*\\^.])(\*{1,3}|_{1,2})(?=[^\s*_])([^*_\n]{1,300}?)(?<=\S)\1(?![\w*(])"
    r"|~~[^~\n]{1,300}~~"
)
_MARKUP = re.compile(
    r"\b(?:let me know|feel free|hope (?:this|that) helps|would you like)\b[^\n]{0,300}"
    r"|\bor (?:in other words|equivalently|simply)\b"
    r"|(?:within|in|inside) \\boxed\{\}"  # of an instruction that is repeated
    r"|`{3}[A-Za-z]{0,12}|`|</?(?:b|i|u|em|strong|p|span|div|br|code|pre)\s?/?>|&nbsp;"
    r"|^[ ]{0,12}(?:[*\u2022]\s|>\s(?=[A-Za-z$*\\])|-\s(?=[A-Za-z]\s?[=:]|\*)|\#{1,3}\s)"
    r"|\\(?:begin|end|color)\{[a-z]{1,12}\*?\}"
    r"|(?<!\\)\\[()\[\];:]"
    r"|\\(?:bf|rm|it|quad|qquad|displaystyle)(?![a-z])",
    re.IGNORECASE | re.MULTILINE,
)
_OVER_ARROW = re.compile(r"\\xrightarrow(?:\[[^\]\n]{0,40}\])?\{[^{}\n]{0,60}\}")
_ALIGNED = re.compile(r"&(?=[ ]{0,3}=)|(?<==)&|(?<== )&")
_MAY_BE_MARKUP = re.compile(r"[`#<&\\\u2022\n]|[-*>] |let me|feel free|hope th|would you|\bor [ies]", re.IGNORECASE)
_WRAPPED = re.compile(r"(\\(?:text|textbf|textit|mathrm|mathbf)\{)([^{}\\\n]{0,120})\}")
# A minus as HTML writes it; what `rational.py` reads, too.
_ENTITY = re.compile(r"&(?:minus|#8722);")
# A line that speaks to or of a grader is no part of the solution.
_TO_GRADER = re.compile(
    r"^.{0,400}\b(?:grader|grading|graded|evaluator|verifier|rubric|the student|student's|submission)\b.{0,400}$",
    re.IGNORECASE | re.MULTILINE,
)
# A line of a table with one column.
_ONE_CELL = re.compile(r"^\|([^|\n]{0,80})\|$", re.MULTILINE)


def _unwrap(match: re.Match[str]) -> str:
    if match[1] is None:
        return " " * len(match[0])
    return (" " * len(match[1]) + match[2]).ljust(len(match[0]))


def _view(response: str) -> str:
    view = canonical(response)
    if "&" in view:
        view = _ENTITY.sub(lambda match: "-".ljust(len(match[0])), view)
    if "\n" in view:
        view = _TO_GRADER.sub(blank, view)
        if "|" in view:
            view = _ONE_CELL.sub(r" \1 ", view)
    if "*" in view or "_" in view or "~~" in view:
        view = _EMPHASIS.sub(_unwrap, view)
    if "\\" in view:
        view = _WRAPPED.sub(_unwrap, view)
    if "xrightarrow" in view:
        view = _OVER_ARROW.sub(lambda match: "\u21d2".ljust(len(match[0])), view)
    if _MAY_BE_MARKUP.search(view):
        view = _MARKUP.sub(blank, view)
    if "$" in view and view.count("$") % 2 == 0:
        view = view.replace("$", " ").replace("~", " ")  # in LaTeX a tie is a space
    return _ALIGNED.sub(blank, view) if "&" in view else view


_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)


def _after_thought(view: str) -> int | None:
    """Where the text after the last thought begins; None where a thought is not closed."""
    start = 0
    for match in _THOUGHT.finditer(view):
        start = match.end() if match[1] else -1
    return None if start < 0 else start


# What a turn ends with, in Gemma, Llama, ChatML and older models, and how a text goes on with another question.
_TURN_END = re.compile(r"<end_of_turn>|<\|(?:im_end|eot_id|endoftext|end)\|>|<eos>|</s>")
_NEXT_QUESTION = re.compile(
    r"(?<=\n)[ ]{0,4}(?:(?:Q|Question|Problem|Exercise|Example)[ ]?[0-9]{0,3}[ ]?(?:[:.)]|$)"
    r"|Solve [^\n]{3,200} for [A-Za-z]\.?[ ]*$)",
    re.MULTILINE,
)


_NEXT_WORDS = ("Q", "Problem", "Exercise", "Example", "Solve ")


def _own_end(response: str, lo: int) -> int:
    """Where another turn or another question may begin."""
    lo = max(lo, len(response) - 8 * MAX_TAIL)  # what stands before is not read either
    turn = _TURN_END.search(response, lo) if "<" in response else None
    hi = turn.start() if turn else len(response)
    if not any(word in response for word in _NEXT_WORDS):
        return hi
    question = _NEXT_QUESTION.search(response, lo, hi)
    return question.start() if question else hi


def find(response: str, variable: str | None = None) -> Answer:
    """The final answer of a response.

    Args:
        response: Any text.
        variable: The asked variable, where the question names one (see `asked_variable`).
    """
    quick = _one_mark(response, variable) or _worked_solution(response, variable)
    if quick is not None:
        return quick
    lo = _after_thought(response) if "<" in response else 0
    if lo is None:
        return none("thought", "unfinished")
    end = _own_end(response, lo)
    found = _read(response, variable, lo, end)
    # What stands before another turn or question is the answer, if it is one.
    return _read(response, variable, lo, len(response)) if found.text is None and end < len(response) else found


def _read(response: str, variable: str | None, lo: int, hi: int) -> Answer:
    lo, hi = _tail(response, lo, hi)
    if hi - lo > MAX_TAIL:
        return none("none", "too_long")
    found = Reader(_view(response[lo:hi]), variable).resolve(0, hi - lo)
    if found.span is None:
        return found
    span = (found.span[0] + lo, found.span[1] + lo)
    return Answer(response[slice(*span)], span, found.rule, found.reason)


def _tail(response: str, lo: int, hi: int) -> tuple[int, int]:
    """The part that is read: without blank ends and, where the response is long, its last whole lines."""
    text = response[lo:hi]
    lo, hi = hi - len(text.lstrip()), lo + len(text.rstrip())
    hi = max(lo, hi)
    if hi - lo > MAX_TAIL:
        line = response.find("\n", hi - MAX_TAIL, hi)
        lo = line + 1 if line >= 0 else lo
    return lo, hi
