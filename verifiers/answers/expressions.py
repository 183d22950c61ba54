"""Finds the final answer where an expression or several values are asked: what the rules for numbers do not see.

Takes what those rules found, the response, the tree of the reference and the question; gives the answer and every text
that claims to be it, so that two claims that differ can be told. Of the reference it uses the kind alone: its letters,
and whether it is several numbers. Compares nothing.
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

_MARKED = frozenset({"box", "tag", "json", "hashes", "answer"})
_THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)
_OTHER_TURN = re.compile(r"<end_of_turn>|<\|[a-z_]{1,20}\|>|<eos>|</s>|^[ ]{0,4}(?:Q|Question|Problem)\b", re.MULTILINE)
_CLAUSE_END = re.compile(r"[.,;:!?](?:\s|$)")
_AROUND = " .$*`\n"

Line: TypeAlias = tuple[int, str]
"""Where a line begins in the response, and its text."""


# -- What the question says --------------------------------------------------------------------------------------------

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
    """The letters that may stand side by side as a product: those of the reference that name no function."""
    return "".join(sorted(symbols(node) - set(_CALL.findall(question))))


def is_ordered(question: str) -> bool | None:
    """Whether several values are asked for in an order; None where the question does not tell."""
    if _IN_ORDER.search(_ANY_ORDER.sub("", question)):
        return True
    if _UNKNOWNS.search(question):
        return None  # values of x and y: which of them is which
    return False if _SOLUTIONS.search(question) or asked_variable(question) else None


# -- The answer and what else claims to be it --------------------------------------------------------------------------


def read(found: Answer, response: str, node: Node, question: str) -> tuple[Answer, tuple[str, ...]]:
    """The answer, and the texts of all that claim to be it, the answer's own last.

    Args:
        found: What the rules for numbers say.
        response: Any text.
        node: The tree of the reference.
        question: The question.
    """
    own = () if found.text is None else (found.text,)
    start = _own_start(response)
    if found.rule == "thought" or found.reason == "too_long" or _OTHER_TURN.search(response, start):
        return found, own
    lines = _lines(canonical(response[start:]), start)
    if isinstance(node, Many) and all(is_constant(item) for item in node.items):
        several = _several(lines, response, asked_variable(question))
        if several is not None:
            return several
    letters = letters_of(node, question)
    found = _expression(found, response, lines, letters)
    if found.text is None or found.span is None or found.reason is not None:
        return found, own
    claims = list(dict.fromkeys([*_other_claims(found, found.span, lines, letters), found.text]))
    if len(claims) > MAX_CLAIMS:
        return Answer(None, None, found.rule, "two_answers"), ()
    return found, (*(claim for claim in claims if claim != found.text), found.text)


def _own_start(response: str) -> int:
    """Where the last whole lines begin, behind any thought."""
    start = response.find("\n", len(response) - MAX_TAIL) + 1 if len(response) > MAX_TAIL else 0
    return max([start, *(match.end() for match in _THOUGHT.finditer(response, start))])


def _lines(text: str, start: int) -> list[Line]:
    """The last lines that are not blank."""
    found: list[Line] = []
    for line in text.split("\n"):
        if line.strip():
            found.append((start, line))
        start += len(line) + 1
    return found[-MAX_LINES:]


_LEAD = re.compile(r".*(?:[=:]|\bis\b)", re.DOTALL)


def _expression(found: Answer, response: str, lines: list[Line], letters: str) -> Answer:
    """The answer that the rules for numbers did not see, or cut short.

    They end `-5, 0, n, 24` before its letter, and take neither a last line nor a right side that is no number. A
    response of which they say `not_found` or `unsolved` holds no word that hedges or denies.
    """
    if found.reason is None and found.span is not None and response[found.span[1] :].lstrip().startswith(","):
        start, rule = found.span[0], found.rule
        end = response.find("\n", found.span[1])
        line = response[start : end if end >= 0 else len(response)]
    elif found.reason in ("not_found", "unsolved") and lines:
        (start, line), rule = lines[-1], "last_line"
        line = response[start : start + len(line)]
        if len(lines) > 1 and _is_suspect(lines[-2][1]):
            return Answer(None, None, rule, "not_found")
    else:
        return found
    lead = _LEAD.match(line) if rule == "last_line" else None
    text = line[lead.end() if lead else 0 :].strip(_AROUND)
    start += line.rindex(text)
    tree = _tree(text, letters)
    cut = tree is None or (lead is not None and isinstance(tree, Symbol))  # "This is a", and no more
    return Answer(text, (start, start + len(text)), rule, "unread" if cut else None)


def _other_claims(found: Answer, span: tuple[int, int], lines: list[Line], letters: str) -> list[str]:
    """What else the response says as it says its answer: bare lines, the same left side, the links of one chain."""
    marked = found.rule in _MARKED
    claims: list[str] = []
    left = None
    for start, line in lines:
        if start <= span[0] < start + len(line):
            links = [link.strip(_AROUND) for link in line[: span[0] - start].split("=")]
            if not marked and len(links) > 1:
                left = links[0]
                claims += [link for link in links[1:-1]]
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
    """Whether the clause that a line ends with denies, hedges or supposes what comes next."""
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
    r"^\s*[-*\u2022]\s+(?=[A-Za-z$\\])|\$|\\left(?![a-z])|\\right(?![a-z])|\\[()\[\],;!]|(?<![*\w)}])\*\*|\*\*(?=[.\s]*$)|`"
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
    """What one line lists: each value as text, and the unknowns that they are assigned to."""

    items: list[str]
    names: set[str]


def _values(line: str) -> _Values | None:
    """What a line lists that is nothing but a list of numbers, with or without a sentence's beginning."""
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
    match = around.fullmatch(text.strip())
    inner = match[1] if match else text
    depth = 0
    for character in inner if match else "":
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return text  # two of them side by side
    return inner


def _several(lines: list[Line], response: str, variable: str | None) -> tuple[Answer, tuple[str, ...]] | None:
    """The values that the last lines list, and all other lists of the response; None where they list none."""
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
    # One value alone is working where it is among those of the answer.
    claims = dict.fromkeys(", ".join(other) for other in others if len(other) > 1 or other[0] not in items)
    if len(claims) > MAX_CLAIMS:
        return Answer(None, None, "list", "two_answers"), ()
    (start, line), (last, last_line) = lines[first], lines[-1]
    span = (start + len(line) - len(line.lstrip()), last + len(last_line.rstrip()))
    return Answer(response[slice(*span)], span, "list"), (*claims, ", ".join(items))


def _last_run(listed: list[_Values | None]) -> list[_Values]:
    """The last line, or the last lines where each gives the unknown one value."""
    if listed[-1] is None or len(listed[-1].items) > 1:
        return [values for values in listed[-1:] if values]
    run: list[_Values] = []
    for values in reversed(listed):
        if values is None or len(values.items) > 1 or not values.names:
            break
        run.insert(0, values)
    return run
