"""The final answer where the reference is an expression or several values, which the rules for numbers do not cover.

Takes the answer by those rules, the response, the tree of the reference and the question; gives the answer and every
text that the response presents as its answer (a claim), so that contradicting claims are detected. Of the reference it
uses only the letters and whether it is several numbers. Compares no values and does not depend on verdicts.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TypeAlias

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.grammar import parse
from restem.verifiers.algebra.nodes import Many, Node, Symbol, Unreadable, is_constant, symbols
from restem.verifiers.answers.final_answer import Answer, asked_variable
from restem.verifiers.answers.patterns import HEDGES, NEGATIONS, SUPPOSITIONS, words_of

MAX_TAIL = 8000
MAX_LINES = 60
MAX_LINE = 400
MAX_CLAIMS = 16
SUSPECT = NEGATIONS | HEDGES | SUPPOSITIONS | {"nothing", "none", "nobody", "far", "converse"}

_MARKED_RULES = frozenset({"box", "tag", "json", "hashes", "answer"})
_THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)
_OTHER_TURN = re.compile(r"<end_of_turn>|<\|[a-z_]{1,20}\|>|<eos>|</s>|^[ ]{0,4}(?:Q|Question|Problem)\b", re.MULTILINE)
_CLAUSE_END = re.compile(r"[.,;:!?](?:\s|$)")
_AROUND = " .$*`\n"

Line: TypeAlias = tuple[int, str]
"""Offset of a line in the response, and its text."""


# -- The question ------------------------------------------------------------------------------------------------------

_CALL = re.compile(r"(?<![A-Za-z])([A-Za-z])\((?:[A-Za-z]|-?[0-9]{1,6})(?:,\s?(?:[A-Za-z]|-?[0-9]{1,6})){0,3}\)")
_IN_ORDER = re.compile(
    r"\b(?:sort|order(?:ed)?|rank|arrange|ascending|descending|increasing|decreasing|respectively|sequence|coordinates"
    r"|(?:largest|smallest|biggest|greatest|highest|lowest|least|longest|shortest) (?:to|first)"
    r"|(?:starting|beginning) with"
    r"|(?:first|next|last) (?:\w{1,12} ){0,2}(?:terms?|values|numbers|elements|multiples|primes|powers|digits))\b",
    re.IGNORECASE,
)
_ANY_ORDER = re.compile(r"\bany order\b|\border (?:does not|doesn't) (?:matter|count)\b", re.IGNORECASE)
_SOLUTIONS = re.compile(r"\b(?:any order|solve|solutions?|roots?|zeros|zeroes|factors)\b", re.IGNORECASE)
_UNKNOWNS = re.compile(r"(?<![A-Za-z])[A-Za-z](?:, ?[A-Za-z]){0,4},? and [A-Za-z](?![A-Za-z])")


def letters_of(node: Node, question: str) -> str:
    """The letters of implicit products: those of the reference that the question does not use as functions."""
    return "".join(sorted(symbols(node) - set(_CALL.findall(question))))


def is_ordered(question: str) -> bool | None:
    """Whether the question asks for several values in order; None where it does not say."""
    if _IN_ORDER.search(_ANY_ORDER.sub("", question)):
        return True
    if _UNKNOWNS.search(question):
        return None  # values of x and y, in no stated order
    return False if _SOLUTIONS.search(question) or asked_variable(question) else None


# -- The answer and the other claims -----------------------------------------------------------------------------------


def find_expression(answer: Answer, response: str, node: Node, question: str) -> tuple[Answer, tuple[str, ...]]:
    """The answer, and the texts of all claims; the answer's text is the last.

    Args:
        answer: The answer by the rules for numbers.
        response: Any text.
        node: The tree of the reference.
        question: The question.
    """
    texts = () if answer.text is None else (answer.text,)
    start = _last_lines_start(response)
    if answer.rule == "thought" or answer.reason == "too_long" or _OTHER_TURN.search(response, start):
        return answer, texts
    lines = _lines(canonical(response[start:]), start)
    if isinstance(node, Many) and all(is_constant(item) for item in node.items):
        several = _several(lines, response, asked_variable(question))
        if several is not None:
            return several
    letters = letters_of(node, question)
    answer = _expression(answer, response, lines, letters)
    if answer.text is None or answer.span is None or answer.reason is not None:
        return answer, texts
    claims = list(dict.fromkeys([*_other_claims(answer, answer.span, lines, letters), answer.text]))
    if len(claims) > MAX_CLAIMS:
        return Answer(None, None, answer.rule, "two_answers"), ()
    return answer, (*(claim for claim in claims if claim != answer.text), answer.text)


def _last_lines_start(response: str) -> int:
    """The offset of the last whole lines, behind any thought."""
    start = response.find("\n", len(response) - MAX_TAIL) + 1 if len(response) > MAX_TAIL else 0
    return max([start, *(match.end() for match in _THOUGHT.finditer(response, start))])


def _lines(text: str, start: int) -> list[Line]:
    """The last lines that are not blank."""
    lines: list[Line] = []
    for line in text.split("\n"):
        if line.strip():
            lines.append((start, line))
        start += len(line) + 1
    return lines[-MAX_LINES:]


_LEAD = re.compile(r".*(?:[=:]|\bis\b)", re.DOTALL)


def _expression(answer: Answer, response: str, lines: list[Line], letters: str) -> Answer:
    """The answer, completed where the rules for numbers missed it or cut it short.

    They end `-5, 0, n, 24` before its letter, and read neither a last line nor a right side that is no number. Where
    their reason is `not_found` or `unsolved`, the response holds no word that hedges or denies.
    """
    if answer.reason is None and answer.span is not None and response[answer.span[1] :].lstrip().startswith(","):
        start, rule = answer.span[0], answer.rule
        end = response.find("\n", answer.span[1])
        line = response[start : end if end >= 0 else len(response)]
    elif answer.reason in ("not_found", "unsolved") and lines:
        (start, line), rule = lines[-1], "last_line"
        line = response[start : start + len(line)]
        if len(lines) > 1 and _is_suspect(lines[-2][1]):
            return Answer(None, None, rule, "not_found")
    else:
        return answer
    lead = _LEAD.match(line) if rule == "last_line" else None
    text = line[lead.end() if lead else 0 :].strip(_AROUND)
    start += line.rindex(text)
    tree = _tree(text, letters)
    cut = tree is None or (lead is not None and isinstance(tree, Symbol))  # "This is a", cut off
    return Answer(text, (start, start + len(text)), rule, "unread" if cut else None)


def _other_claims(answer: Answer, span: tuple[int, int], lines: list[Line], letters: str) -> list[str]:
    """The other claims: lines that are an expression, other values of the same left side, links of the same chain."""
    marked = answer.rule in _MARKED_RULES
    claims: list[str] = []
    left = None
    for start, line in lines:
        if start <= span[0] < start + len(line):
            links = [link.strip(_AROUND) for link in line[: span[0] - start].split("=")]
            if not marked and len(links) > 1:
                left = links[0]
                claims += links[1:-1]
                claims += [left] if not isinstance(_tree(left, letters), Symbol | None) else []
    for start, line in lines:
        other = start > span[0] or (not marked and start + len(line) <= span[0])
        head, equals, text = line.strip(_AROUND).rpartition("=")
        text = text.strip(_AROUND)
        if other and (head.strip() == left if equals else _tree(text, letters) is not None):
            claims.append(text)
    return claims


def _tree(text: str, letters: str) -> Node | None:
    try:
        return parse(text, letters)
    except Unreadable:
        return None


def _is_suspect(line: str) -> bool:
    """Whether the last clause of a line denies, hedges or supposes the line that follows."""
    return not SUSPECT.isdisjoint(words_of(_CLAUSE_END.split(line.rstrip(" :,"))[-1]))


# -- Several numbers ---------------------------------------------------------------------------------------------------

_SET = re.compile(
    r"(?:(?:and|so|thus|therefore|hence|then),?\s+)?"
    r"(?:(?:(?:the|my|its|our|both|two|three|four|final|only|real|correct|possible|integer)\s+)*"
    r"(?:answer|solution|root|value|zero|zeroe|factor)s?(?:\s+sets?)?"
    r"(?:(?:\s+(?:of|to|for|in)\s+[^.:\n]{1,80}?)?\s*(?:\bis\b|\bare\b|:)|\s*=)\s*:?"
    r"|(?:we|this)\s+(?:get|gets|find|have|gives?)\b)?\s*",
    re.IGNORECASE,
)
_DROPPED = re.compile(
    r"^\s*[-*\u2022]\s+(?=[A-Za-z$\\])|\$|\\left(?![a-z])|\\right(?![a-z])|\\[()\[\],;!]|(?<![*\w)}])\*\*"
    r"|\*\*(?=[.\s]*$)|`"
)
_BETWEEN = re.compile(
    r"\s*(?:,\s*(?:and|or)\b|;|,(?=\s)|,(?![0-9]{3}(?![0-9]))|\b(?:and|or)\b|\\text\{\s*(?:and|or)\s*\})\s*"
)
_MEMBER = re.compile(
    r"(?:(?P<name>[A-Za-z])(?:_?\{?[0-9]\}?)?\s*(?:=|\u2208|\\in(?![a-z])|\bis\b)\s*)?"
    r"(?P<both>\u00b1|\\pm(?![a-z]))?\s*(?P<value>.+)"
)
_BOX = re.compile(r"\\(?:boxed|fbox)\{(.*)\}")
_BRACES = re.compile(r"\\?\{(.*?)\\?\}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Values:
    """The values that one line lists, as texts, and the unknowns to which it assigns them."""

    items: list[str]
    names: set[str]


def _values(line: str) -> _Values | None:
    """The values of a line that is a list of numbers, with or without an introduction; None for any other line."""
    if len(line) > MAX_LINE:
        return None
    body = _DROPPED.sub("", line).strip(" .")
    lead = _SET.match(body)
    if lead is None or not SUSPECT.isdisjoint(words_of(lead[0])):
        return None
    body = body[lead.end() :]
    items: list[str] = []
    names: set[str] = set()
    whole = _MEMBER.fullmatch(_unwrapped(body, _BOX))
    if whole and whole["name"] and _BRACES.fullmatch(whole["value"]):
        names.add(whole["name"])
        body = whole["value"]
    for piece in _BETWEEN.split(_unwrapped(_unwrapped(body, _BOX), _BRACES)):
        member = _MEMBER.fullmatch(_unwrapped(piece.strip(), _BOX))
        tree = _tree(_unwrapped(member["value"].strip(), _BOX), "") if member else None
        if member is None or tree is None or not is_constant(tree):
            return None
        value = _unwrapped(member["value"].strip(), _BOX)
        items += [value, f"-({value})"] if member["both"] else [value]
        names |= {member["name"]} if member["name"] else set()
    return _Values(items, names)


def _unwrapped(text: str, around: re.Pattern[str]) -> str:
    """The text without the box or braces around the whole of it."""
    match = around.fullmatch(text.strip())
    inner = match[1] if match else text
    depth = 0
    for character in inner if match else "":
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return text  # two boxes side by side
    return inner


def _several(lines: list[Line], response: str, variable: str | None) -> tuple[Answer, tuple[str, ...]] | None:
    """The values that the last lines list, with the other lists of the response as claims; None without a list."""
    if not lines or _values(lines[-1][1]) is None:
        return None
    listed = [_values(line) for _, line in lines]
    run = _last_run(listed)
    items = [item for values in run for item in values.items]
    names = {name for values in run for name in values.names}
    first = len(lines) - len(run)
    if len(items) < 2 or len(names) > 1 or (variable and names - {variable}):
        return None
    if first and _is_suspect(lines[first - 1][1]):
        return None
    others = [values.items for values in listed[:first] if values]
    # A single value that is among those of the answer is part of the working.
    claims = dict.fromkeys(", ".join(other) for other in others if len(other) > 1 or other[0] not in items)
    if len(claims) > MAX_CLAIMS:
        return Answer(None, None, "list", "two_answers"), ()
    (start, line), (last, last_line) = lines[first], lines[-1]
    span = (start + len(line) - len(line.lstrip()), last + len(last_line.rstrip()))
    return Answer(response[slice(*span)], span, "list"), (*claims, ", ".join(items))


def _last_run(listed: list[_Values | None]) -> list[_Values]:
    """The last line, or the last lines if each assigns one value to the unknown."""
    if listed[-1] is None or len(listed[-1].items) > 1:
        return [values for values in listed[-1:] if values]
    run: list[_Values] = []
    for values in reversed(listed):
        if values is None or len(values.items) > 1 or not values.names:
            break
        run.insert(0, values)
    return run
