"""What a question asks for: a variable, the value of an expression, an equation, words; one value or several.

Takes a question; gives an `Asked`. Depends on no response and no reference.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from restem.verifiers.answers.patterns import word_set

# A letter that stands for a variable: no article ("find a line"), no part of `x + y` or `f(3)`, no unit or label.
_LETTER = r"\$?\\?\(?([A-Za-z])\)?\$?"
_ASKED = re.compile(
    rf"\bfor {_LETTER}\s*[.?!]?\s*$"
    r"|\b(?:what is|what's|find|calculate|determine|evaluate|compute|give)"
    rf"(?: the)?(?: value of| solution for)? {_LETTER}\s*[.?!]?\s*$"
    rf"|\b[Ss]olve\b.*\bfor {_LETTER}(?![A-Za-z])"
    rf"|\b(?:what is|what's)(?: the value of)? {_LETTER}(?=,?\s(?:if|when|given|in|such)\b)"
    rf"|\b[Ss]olve for {_LETTER}(?=\s?[:,])"
    r"|\b(?:values? of|find)(?: all| the)?(?: (?:real|integer|positive|possible|complex|rational"
    r"|whole)){0,2}(?: values? of| numbers?)?"
    rf" (?!a\b|I\b){_LETTER}(?![A-Za-z_])(?!\s?[-+*/^=(,]|\s(?:and|or)\s)",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(
    r"\b(?:value of|what is|what's|find|calculate|determine|evaluate|compute|express"
    r"|give)\s+(?:the\s+)?(?:value\s+of\s+)?"
    r"(\$[^$\n]{1,80}\$|\\\([^\n]{1,80}?\\\)|[-A-Za-z0-9+*/^()|\\{}_ ]{2,60}?)\s*(?:[.?!,]|$|\bif\b|\bwhen\b"
    r"|\bwhere\b|\bfor\b|\bin\b|\bgiven\b)",
    re.IGNORECASE,
)
_EQUATION = re.compile(
    r"\b(?:equation|asymptotes?|directrix|axis of symmetry|slope-intercept|standard form|line of best|formula|inverse"
    r"|tangent line|normal line|vertical line|horizontal line|inequality|in the form)\b",
    re.IGNORECASE,
)
_ROUNDED = re.compile(
    r"\b(?:approximate(?:ly)?|about|roughly|nearest|round(?:ed)?|estimate|decimal places?|significant)\b", re.IGNORECASE
)
_LETTERS_LISTED = re.compile(r"\bA, ?B(?:, ?C)?(?:, ?D)?(?:, ?E)?\b|\(A\)|\bA\) |\bA\. |\btextbf\{\(A\)")
_PERCENT = re.compile(
    r"\b(?:what|which|how many|how much|as an?|in|the|find|express|give)\s(?:\w+\s){0,3}percent(?:age)?\b"
    r"|\bpercentage\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"\byes or no\b|(?:\A|[.?!,]\s)(?:is|are|was|were|does|do|did|can|could|will|would|has|have"
    r"|should)\s[^?!]*\?\s*\Z",
    re.IGNORECASE,
)
_NOUN = re.compile(
    r"\b(?:what (?:is|was|are|were|will be)|find|determine|calculate|compute|state|give)\s+(?:(?:the|its|their|his|her"
    r"|total|exact|smallest|largest|least|greatest|minimum|maximum)\s+){0,3}([A-Za-z][A-Za-z-]{2,24})\b"
    r"|\bhow (?:many|much)\s+(?:more\s|fewer\s|total\s|whole\s|different\s)?([A-Za-z][A-Za-z-]{2,24})\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![A-Za-z\\$])[A-Z][a-z]+(?![A-Za-z])")
_NO_TOPIC = word_set(
    "find the answer what compute solve problem result give final following evaluate determine value simplify name"
    " equation root roots solution solutions for all and frac dfrac sqrt left right cdot"
)
_NO_NAMES = word_set(
    "The A An If In On At Of For To What Which Who When Where How Why Find Solve Is Are Was Does Do Did Let Suppose"
    " Each There Compute Calculate Determine Give Write State Express Today It He She They This That Every One Two"
    " Three From After Before With By And Or Not No Yes Given Round Answer Choose Select Then"
)
_NO_NOUNS = word_set("value number all sum the following answer result does did money time")


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks for.

    Attributes:
        variable: The letter of `Solve 3*x = 6 for x.`, `What is x?`, `Find x.`; None where no single letter is asked.
        expression: The expression of `Find x + y.`, `What is f(3)?`, without blanks; None where none is asked.
        nouns: Words that name the asked quantity: `slope` of "What is the slope?", in lower case.
        words: All words of the question, in lower case.
        names: Names in the question, which may be the choices of "Who is the fastest?".
        subjects: The names in the last sentence, which asks: `Bo` of "How much does Bo get?".
        numbers: The numbers of the question, as written.
        is_percent: Whether a percentage is asked.
        is_equation: Whether an equation, an inequality or a formula is asked.
        is_rounded: Whether an approximate value is asked.
        is_yes_no: Whether it is answered by yes or no.
        is_choice: Whether the question lists lettered choices.
        text: The end of the question.
    """

    variable: str | None = None
    expression: str | None = None
    nouns: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    is_percent: bool = False
    is_equation: bool = False
    is_rounded: bool = False
    is_yes_no: bool = False
    is_choice: bool = False
    text: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the question does not tell what is asked, so that an assignment to any letter answers it."""
        return not self.words - _NO_TOPIC and self.variable is None and self.expression is None

    def holds(self, formula: str) -> bool:
        """Whether the question holds this formula."""
        return formula in self.text


@functools.lru_cache(maxsize=4096)
def asked_variable(question: str) -> str | None:
    """The variable a question asks for, or None: `Solve 3*x = 6 for x.`, `What is x?`."""
    match = _ASKED.search(question[-400:].strip())
    return next(filter(None, match.groups())) if match else None


@functools.lru_cache(maxsize=4096)
def asked(question: str) -> Asked:
    """What the last 1,000 characters of a question ask for."""
    text = question[-1000:].strip()
    variable = asked_variable(question)
    return Asked(
        variable=variable,
        expression=None if variable else _expression(text),
        nouns=frozenset(
            noun.lower().rsplit("-", 1)[-1]
            for match in _NOUN.finditer(text)
            for noun in match.groups()
            if noun and noun.lower() not in _NO_NOUNS
        ),
        words=frozenset(re.findall(r"[a-z]{3,}", text.lower())),
        names=frozenset(_NAME.findall(text)) - _NO_NAMES,
        subjects=frozenset(_NAME.findall(re.split(r"[.?!]\s", text.rstrip("?. "))[-1])) - _NO_NAMES,
        numbers=frozenset(re.findall(r"[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?", text)),
        is_percent=_PERCENT.search(text) is not None,
        is_equation=_EQUATION.search(text) is not None,
        is_rounded=_ROUNDED.search(text) is not None,
        is_yes_no=_YES_NO.search(text) is not None,
        is_choice=_LETTERS_LISTED.search(text) is not None,
        text=text,
    )


def _expression(text: str) -> str | None:
    """The asked expression without blanks and dollar signs, if it holds an operator or a call with a letter."""
    for match in _EXPRESSION.finditer(text):
        expression = re.sub(r"[\s$]|\\[()]", "", match[1])
        is_short = len(expression) <= 40 and not re.search(r"(?<!\\)[A-Za-z]{4}", expression)
        if is_short and re.search(r"[A-Za-z]", expression) and re.search(r"[-+*/^|(_]", expression):
            return expression
    return None
