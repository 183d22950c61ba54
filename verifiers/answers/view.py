"""The part of a response that is read, and its view: a text of the same length, with blanks for markup.

Takes a response; gives offsets and texts. Text in a `<think>` block is no answer; the end of a turn and the beginning
of another question end a solution. Depends on no rule for answers.
"""

from __future__ import annotations

import re

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.patterns import blank

NEAR, MAX_TAIL = 500, 8_000  # characters from the end that are read first, and at most

_EMPHASIS = re.compile(
    r"(?<![\w)\]}*\\^.])(\*{1,3}|_{1,2})(?=[^\s*_])([^*_\n]{1,300}?)(?<=\S)\1(?![\w*(])"
    r"|~~[^~\n]{1,300}~~"
)
_MARKUP = re.compile(
    r"\b(?:let me know|feel free|hope (?:this|that) helps|would you like)\b[^\n]{0,300}"
    r"|,?\s(?:and\s)?no\s(?:more|less)\b"
    r"|\bor (?:in other words|equivalently|simply)\b"
    r"|\(?\bnote(?:\sthat|:)(?![^.\n]{0,200}\b(?:answers?|wrong|mistake|error|correct|should|actually|sorry"
    r"|real)\b)[^.\n)]{0,200}[.)]?"
    r"|(?:within|in|inside) \\boxed\{\}"  # a repeated instruction
    r"|`{3}[A-Za-z]{0,12}|`|</?(?:b|i|u|em|strong|p|span|div|br|code|pre)\s?/?>|&nbsp;"
    r"|^[ ]{0,12}(?:[*\u2022]\s|>\s(?=[A-Za-z$*\\])|-\s(?=[A-Za-z]\s?[=:]|\*)|\#{1,3}\s)"
    r"|\\(?:begin|end|color)\{[a-z]{1,12}\*?\}"
    r"|(?<!\\)\\[()\[\];:]"
    r"|\\(?:bf|rm|it|quad|qquad|displaystyle)(?![a-z])",
    re.IGNORECASE | re.MULTILINE,
)
_OVER_ARROW = re.compile(r"\\xrightarrow(?:\[[^\]\n]{0,40}\])?\{[^{}\n]{0,60}\}")
_QUOTED = re.compile(r"^([\"'])(?=[^\"'\n]{1,200}\1[.!]?$)|(?<=[^\s])[\"'](?=[.!]?$)", re.MULTILINE)
_ALIGNED = re.compile(r"&(?=[ ]{0,3}=)|(?<==)&|(?<== )&")
_MAY_BE_MARKUP = re.compile(
    r"[`#<&\\\u2022\n]|[-*>] |let me|feel free|hope th|would you|\bor [ies]|\bnote[ :]|\bno [ml]", re.IGNORECASE
)
_WRAPPED = re.compile(r"(\\(?:text|textbf|textit|mathrm|mathbf)\{)([^{}\\\n]{0,120})\}")
# A minus sign as an HTML entity; the grammar reads it too.
_ENTITY = re.compile(r"&(?:minus|#8722);")
# A line addressed to a grader, or about one, is no part of the solution.
_TO_GRADER = re.compile(
    r"^.{0,400}\b(?:grader|grading|graded|evaluator|verifier|rubric|the student|student's|submission)\b.{0,400}$",
    re.IGNORECASE | re.MULTILINE,
)
_GRADER_WORDS = (
    "grad",
    "evaluator",
    "verifier",
    "rubric",
    "student",
    "submission",
)  # looked for first, which is faster
# A row of a table with one column.
_ONE_CELL = re.compile(r"^\|([^|\n]{0,80})\|$", re.MULTILINE)


def _unwrap(match: re.Match[str]) -> str:
    """The text inside the markup, padded to the length of the match; blanks for struck-out text."""
    if match[1] is None:
        return " " * len(match[0])
    return (" " * len(match[1]) + match[2]).ljust(len(match[0]))


def without_grader(text: str) -> str:
    """The text with blanks for lines addressed to a grader, or about one."""
    if "\n" not in text or not holds_word(text, _GRADER_WORDS):
        return text
    return _TO_GRADER.sub(blank, text)


def holds_word(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text holds one of these words in lower case, in any case."""
    lower = text.lower()
    return any(word in lower for word in words)


def view_of(response: str) -> str:
    """The response with ASCII characters, and with blanks for markup and for lines about a grader."""
    view = canonical(response)
    if "&" in view:
        view = _ENTITY.sub(lambda match: "-".ljust(len(match[0])), view)
    if "\n" in view:
        view = without_grader(view)
        if "|" in view:
            view = _ONE_CELL.sub(r" \1 ", view)
    if view[:1] in "\"'":
        view = _QUOTED.sub(blank, view)
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


def after_thought(view: str) -> int | None:
    """The offset of the text after the last thought; None where a thought is not closed."""
    start = 0
    for match in _THOUGHT.finditer(view):
        start = match.end() if match[1] else -1
    return None if start < 0 else start


# The ends of a turn in Gemma, Llama, ChatML and older models, and the beginnings of another question.
_TURN_END = re.compile(r"<end_of_turn>|<\|(?:im_end|im_start|eot_id|endoftext|end)\|>|<eos>|</s>")
_NEXT_QUESTION = re.compile(
    r"(?<=\n)[ ]{0,4}(?:(?:Q|Question|Problem|Exercise|Example)[ ]?[0-9]{0,3}[ ]?(?:[:.)]|$)"
    r"|(?:Verdict|Model Answer|Reference Answer)[ ]?:|Solve [^\n]{3,200} for [A-Za-z]\.?[ ]*$)",
    re.MULTILINE,
)


_NEXT_WORDS = ("Q", "Problem", "Exercise", "Example", "Solve ", "Verdict", " Answer")


def solution_end(response: str, lo: int) -> int:
    """The offset at which another turn or another question may begin."""
    lo = max(lo, len(response) - 8 * MAX_TAIL)  # text before this offset is not read in any case
    turn = _TURN_END.search(response, lo) if "<" in response else None
    hi = turn.start() if turn else len(response)
    if not any(word in response for word in _NEXT_WORDS):
        return hi
    question = _NEXT_QUESTION.search(response, lo, hi)
    return question.start() if question else hi


def window(response: str, lo: int, hi: int, size: int) -> int | None:
    """Where the last `size` characters before `hi` begin: at the beginning of a line, or else of a word.

    None where these characters are one word: a part of a number is another number.
    """
    if hi - lo <= size:
        return lo
    start = hi - size
    line = response.find("\n", start, hi - size // 4)
    word = response.find(" ", start, hi)
    return line + 1 if line >= 0 else word + 1 if word >= 0 else None
