"""What a question asks for, as far as it decides how an answer is compared with the reference.

Takes the text of a question; gives facts: order, unit, letter or expression asked for. Does not depend on responses.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from restem.verifiers.algebra.nodes import Call, Constant, Node, Operation, Symbol, Unit, Unreadable, Words
from restem.verifiers.algebra.reading import read_value
from restem.verifiers.algebra.units import unit_of

MAX_QUESTION = 4000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a question asks for.

    Attributes:
        is_ordered: Whether several values have an order; None where the question does not say.
        asks_percent: Whether it asks for a percentage.
        asks_ratio: Whether it asks for a ratio or odds.
        asks_time: Whether it asks for a time of day.
        asks_base: Whether it names a base, or there is no question.
        asks_equation: Whether it asks for an equation, a line, an asymptote or the like.
        has_choices: Whether it lists lettered choices.
        asks_dollars: Whether it speaks of dollars and not of cents.
        unit: The unit that it asks for.
        target: The letter or the expression whose value it asks for.
        unknowns: The letters of the tuple that it asks for, `("x", "y")`.
        text: The question without spaces and dollar signs.
    """

    is_ordered: bool | None
    asks_percent: bool
    asks_ratio: bool
    asks_time: bool
    asks_base: bool
    asks_equation: bool
    has_choices: bool
    asks_dollars: bool
    unit: Unit | None
    target: Node | None
    unknowns: tuple[str, ...]
    text: str


_IN_ORDER = re.compile(
    r"\b(?:sort|order(?:ed)?|rank|arrange|ascending|descending|increasing|decreasing|respectively|sequence|coordinates"
    r"|(?:largest|smallest|biggest|greatest|highest|lowest|least|longest|shortest) (?:to|first)"
    r"|(?:starting|beginning) with"
    r"|(?:first|next|last) (?:\w{1,12} ){0,2}(?:terms?|values|numbers|elements|multiples|primes|powers|digits))\b",
    re.IGNORECASE,
)
_ANY_ORDER = re.compile(r"\bany order\b|\border (?:does not|doesn't) (?:matter|count)\b", re.IGNORECASE)
_ORDER_OF = re.compile(
    r"\bin order (?:to|that|for)\b|\border of (?:the )?(?:group|operations|magnitude)", re.IGNORECASE
)
_SOLUTIONS = re.compile(
    r"\b(?:any order|solve|solutions?|roots?|zeros|zeroes|factors|divisors|find (?:all|every|both|the two)|list all"
    r"|all (?:\w{1,12} ){0,3}(?:values|numbers|integers|pairs|triples|solutions|primes|points|cubes|squares|n|x|k)"
    r"|(?:which|what|two|three|consecutive|both) (?:\w{1,12} ){0,2}(?:numbers|integers|values|primes)"
    r"|(?:for|at|on) (?:what|which) (?:\w{1,12} ){0,2}(?:values|points|days)|possible values|what are the)\b"
    r"|\bfind (?:all|every)\b",
    re.IGNORECASE,
)
_UNKNOWNS = re.compile(r"(?<![A-Za-z])[A-Za-z](?:, ?[A-Za-z]){0,4},? and [A-Za-z](?![A-Za-z])")
_TUPLE = re.compile(r"\(\s*([A-Za-z](?:\s*,\s*[A-Za-z]){1,4})\s*\)")
_PERCENT = re.compile(r"percent|%", re.IGNORECASE)
_RATIO = re.compile(r"\bratio|\bodds\b|:", re.IGNORECASE)
_TIME = re.compile(r"\bwhat time|\bwhen\b|\bclock\b|\b[ap]\.?m\b|\btime (?:does|did|will|is it)\b", re.IGNORECASE)
_BASE = re.compile(r"\bbase\b|binary|octal|hexadecimal|ternary|_\{?[0-9]", re.IGNORECASE)
_EQUATION = re.compile(
    r"\b(?:equations?|lines?|asymptotes?|directrix|axis of symmetry|slope-intercept|point-slope|standard form|planes?"
    r"|curves?|locus|formula)\b",
    re.IGNORECASE,
)
_CHOICES = re.compile(r"\([A-E]\)|(?:^|[\s(])[A-E][.):]\s|\bA, B\b|\bmultiple.choice\b")
_HOW_MANY = re.compile(r"\bhow many ((?:square |cubic )?[A-Za-z]+(?: per [a-z]+)?)", re.IGNORECASE)
_IN_UNIT = re.compile(
    r"\b(?:in|nearest(?: whole)?|number of) ((?:square |cubic )?[A-Za-z]+(?:/[a-z]+| per [a-z]+)?)(?=[\s.?,;)$]|$)",
    re.IGNORECASE,
)
_VERB = (
    r"\b(?:find|determine|compute|evaluate|calculate|what(?:'s| is| are)|solve(?: [^.?]{1,80}?)? for|values? of|express"
    r"|give|simplify|write|report)\s+(?:the\s+)?(?:(?:[a-z]+\s+){0,4}values?\s+of\s+)?(?:all\s+)?"
)
_COMBINED = re.compile(r"\b(?:sum|product|difference|average|mean|quotient) of (?:the )?\$?[A-Za-z]\$?(?:,| and\b)")
_TARGETS = (
    re.compile(_VERB + r"\$([^$]{1,60})\$", re.IGNORECASE),
    re.compile(
        _VERB
        + r"((?:[A-Za-z]|[0-9]{1,4}[a-z])(?:\([^()]{1,12}\))?(?:\s?[-+*/^]\s?[0-9]{0,4}[A-Za-z0-9])*)(?=[\s.?,;]|$)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:for|of|find|determine|all|real|integers?|numbers?|values?)\s+\$?([b-zB-HJ-Z])\$?"
        r"(?=\s*(?:[.?,;]|$|such|for|satisf|so|that|if|when|where|in|given))"
    ),
)


_CLOCK = re.compile(r"\bclock\b|\bwhat time\b|\bo'clock\b|\b[ap]\.?m\b", re.IGNORECASE)
_DOLLARS = re.compile(r"\\?\$\s?[0-9]|\bdollars?\b", re.IGNORECASE)


@functools.lru_cache(maxsize=1024)
def facts_of(question: str) -> Question:
    """What a question asks for."""
    text = question[-MAX_QUESTION:]
    unknowns = _TUPLE.findall(text)
    return Question(
        is_ordered=is_ordered(text),
        asks_percent=bool(_PERCENT.search(text)),
        asks_ratio=bool(_RATIO.search(text)) and not _CLOCK.search(text),
        asks_time=bool(_TIME.search(text)),
        asks_base=bool(_BASE.search(text)) or not text.strip(),
        asks_equation=bool(_EQUATION.search(text)),
        has_choices=bool(_CHOICES.search(text)),
        asks_dollars=bool(_DOLLARS.search(question)) and "cent" not in question,
        unit=_unit(text),
        target=_target(text),
        unknowns=tuple(re.findall("[A-Za-z]", unknowns[-1])) if unknowns else (),
        text=re.sub(r"[\s$]|\\left|\\right|\\[,;!]", "", text),
    )


def is_ordered(question: str) -> bool | None:
    """Whether the question asks for several values in order; None where it does not say."""
    if _IN_ORDER.search(_ORDER_OF.sub("", _ANY_ORDER.sub("", question))):
        return True
    if _UNKNOWNS.search(question) or _TUPLE.search(question):
        return None  # values of x and y, in no stated order
    return False if _SOLUTIONS.search(question) or not question.strip() else None


def _unit(question: str) -> Unit | None:
    for pattern in (_HOW_MANY, _IN_UNIT):
        for name in reversed(pattern.findall(question)):
            unit = unit_of(name)
            if unit is not None:
                return unit
    return None


def _target(question: str) -> Node | None:
    """The letter or expression whose value is asked for; words for the sum or product of letters."""
    if _COMBINED.search(question):
        return Words(("combination",))
    for pattern in _TARGETS:
        for text in reversed(pattern.findall(question)):
            if text in ("a", "A", "I"):
                continue
            letters = "".join(sorted(set(re.findall("[a-z](?!\\()", text)) - {"e", "i"}))
            try:
                node = read_value(text, letters)
            except Unreadable:
                continue
            if isinstance(node, Symbol | Call) or (isinstance(node, Operation) and not _is_number(node)):
                return node
    return None


def _is_number(node: Node) -> bool:
    if isinstance(node, Operation):
        return all(_is_number(part) for part in node.operands)
    return not isinstance(node, Symbol | Call | Constant)
