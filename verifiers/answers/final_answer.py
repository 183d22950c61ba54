"""The final answer of a response: its text, its position and the rule that found it, or why there is none.

Takes a response and, if the question names one, the asked variable. Gives an `Answer`. Does not depend on the
reference, so it cannot prefer a right reading to a wrong one, and never extracts a number from text that does not
parse.

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

import functools
import re

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.patterns import blank
from restem.verifiers.answers.reader import Answer, Reader, no_answer

__all__ = ["CANNOT_TELL", "READER_VERSION", "Answer", "asked_variable", "find"]

# Part of the fingerprint of every verifier that reads answers; must be raised with every change of their results.
READER_VERSION = 4

MAX_TAIL = 8000
# Reasons that leave a verdict undecided, whatever the reference; the other reasons make the response wrong.
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


def _one_marker(response: str, variable: str | None) -> Answer | None:
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


# -- The view: a text of the same length, with blanks for markup -------------------------------------------------------

_EMPHASIS = re.compile(
    r"(?<![\w)\]}*\\^.])(\*{1,3}|_{1,2})(?=[^\s*_])([^*_\n]{1,300}?)(?<=\S)\1(?![\w*(])"
    r"|~~[^~\n]{1,300}~~"
)
_MARKUP = re.compile(
    r"\b(?:let me know|feel free|hope (?:this|that) helps|would you like)\b[^\n]{0,300}"
    r"|\bor (?:in other words|equivalently|simply)\b"
    r"|(?:within|in|inside) \\boxed\{\}"  # a repeated instruction
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
# A minus sign as an HTML entity; the grammar reads it too.
_ENTITY = re.compile(r"&(?:minus|#8722);")
# A line addressed to a grader, or about one, is no part of the solution.
_TO_GRADER = re.compile(
    r"^.{0,400}\b(?:grader|grading|graded|evaluator|verifier|rubric|the student|student's|submission)\b.{0,400}$",
    re.IGNORECASE | re.MULTILINE,
)
# A row of a table with one column.
_ONE_CELL = re.compile(r"^\|([^|\n]{0,80})\|$", re.MULTILINE)


def _unwrap(match: re.Match[str]) -> str:
    """The text inside the markup, padded to the length of the match; blanks for struck-out text."""
    if match[1] is None:
        return " " * len(match[0])
    return (" " * len(match[1]) + match[2]).ljust(len(match[0]))


def _view(response: str) -> str:
    """The response with ASCII characters, and with blanks for markup and for lines about a grader."""
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
    """The offset of the text after the last thought; None where a thought is not closed."""
    start = 0
    for match in _THOUGHT.finditer(view):
        start = match.end() if match[1] else -1
    return None if start < 0 else start


# The ends of a turn in Gemma, Llama, ChatML and older models, and the beginnings of another question.
_TURN_END = re.compile(r"<end_of_turn>|<\|(?:im_end|eot_id|endoftext|end)\|>|<eos>|</s>")
_NEXT_QUESTION = re.compile(
    r"(?<=\n)[ ]{0,4}(?:(?:Q|Question|Problem|Exercise|Example)[ ]?[0-9]{0,3}[ ]?(?:[:.)]|$)"
    r"|Solve [^\n]{3,200} for [A-Za-z]\.?[ ]*$)",
    re.MULTILINE,
)


_NEXT_WORDS = ("Q", "Problem", "Exercise", "Example", "Solve ")


def _solution_end(response: str, lo: int) -> int:
    """The offset at which another turn or another question may begin."""
    lo = max(lo, len(response) - 8 * MAX_TAIL)  # text before this offset is not read in any case
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
        variable: The asked variable, if the question names one (see `asked_variable`).
    """
    quick = _one_marker(response, variable) or _worked_solution(response, variable)
    if quick is not None:
        return quick
    lo = _after_thought(response) if "<" in response else 0
    if lo is None:
        return no_answer("thought", "unfinished")
    end = _solution_end(response, lo)
    answer = _read(response, variable, lo, end)
    # The whole rest is read only if there is no answer before another turn or question.
    return _read(response, variable, lo, len(response)) if answer.text is None and end < len(response) else answer


def _read(response: str, variable: str | None, lo: int, hi: int) -> Answer:
    """The final answer between two offsets."""
    lo, hi = _tail(response, lo, hi)
    if hi - lo > MAX_TAIL:
        return no_answer("none", "too_long")
    answer = Reader(_view(response[lo:hi]), variable).resolve(0, hi - lo)
    if answer.span is None:
        return answer
    span = (answer.span[0] + lo, answer.span[1] + lo)
    return Answer(response[slice(*span)], span, answer.rule, answer.reason)


def _tail(response: str, lo: int, hi: int) -> tuple[int, int]:
    """The offsets of the part that is read: without blanks at its ends; of a long response, its last whole lines."""
    text = response[lo:hi]
    lo, hi = hi - len(text.lstrip()), lo + len(text.rstrip())
    hi = max(lo, hi)
    if hi - lo > MAX_TAIL:
        line = response.find("\n", hi - MAX_TAIL, hi)
        lo = line + 1 if line >= 0 else lo
    return lo, hi
