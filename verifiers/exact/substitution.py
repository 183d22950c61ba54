"""`substitution`: whether the final answer solves the equation of the question.

Takes attempts; gives verdicts; uses no reference. Parses the equation in the question with the bounded grammar,
brings it to `slope * x + intercept = 0` over fractions, and compares the final answer with its only solution by the
rules of `sympy`. Undecided for a question without exactly one equation in one unknown, for an equation of another
degree than one (one root of several is not the whole answer), and for one that is true for every value or for none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from restem.benchmarks.problem import Problem
from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.grammar import parse
from restem.verifiers.algebra.linear import linear
from restem.verifiers.algebra.nodes import MAX_BITS, Number, Operation, Unreadable, symbols
from restem.verifiers.answers.final_answer import READER_VERSION, asked_variable
from restem.verifiers.exact.expected import ExpectedAnswer
from restem.verifiers.exact.sympy_exact import by_value, unreadable
from restem.verifiers.verdict import Attempt, Verdict, fingerprint

VERSION = 2
MAX_QUESTION = 1000

# The text that may precede and follow an equation is listed, so that never only a part of an equation is read:
# `log x = 3`, `x = 3 mod 5`, `1,500*x = 3`, `x = 3!`.
_BEFORE = (
    r"(?:^|(?:[.;,?]|(?<=[A-Za-z]):)(?=\s)|[$\n]"
    r"|\b(?:solve|suppose|if|that|let|when|where|given|in|equation|satisf(?:y|ies))\b)\s{0,4}"
)
_SIDE = (
    r"(?:[0-9+*/^(){} \u2009-]|\.(?=[0-9])|\\(?:[dt]?frac|cdot|times)(?![A-Za-z])"
    r"|(?<![A-Za-z])[A-Za-z](?![A-Za-z])){1,400}"
)
_AFTER = r"(?=$|[.;,?](?=\s|$)|[$\n]|(?:for|then|what)\b)"
_EQUATION = re.compile(rf"{_BEFORE}({_SIDE})=({_SIDE}){_AFTER}", re.IGNORECASE)
_RELATIONS = re.compile(r"[=<>\u2264\u2265\u2260]")


class Substitution:
    """The final answer is the only solution of the question's equation."""

    name = "substitution"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return by_value(attempts, _solution)

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose question is not one equation with one solution, which stands for the reference here."""
        return unreadable(problems, _solution)


def _solution(problem: Problem) -> Sequence[ExpectedAnswer]:
    return (_solved(problem.question),)


@functools.lru_cache(maxsize=4096)
def _solved(question: str) -> ExpectedAnswer:
    """The only solution of the question's equation, or why there is not exactly one."""
    if len(question) > MAX_QUESTION:
        return ExpectedAnswer(unreadable="no_equation: too_long")
    text = canonical(question)
    match = _EQUATION.search(text)
    if match is None or len(_RELATIONS.findall(text)) != 1:
        return ExpectedAnswer(unreadable="no_equation")
    try:
        difference = Operation("-", (parse(match[1]), parse(match[2])))
        unknowns = symbols(difference)
        if len(unknowns) != 1 or asked_variable(question) not in (None, *unknowns):
            return ExpectedAnswer(unreadable="no_equation: unknown")
        slope, intercept = linear(difference)
    except Unreadable as problem:
        return ExpectedAnswer(unreadable=f"no_equation: {problem.reason}")
    if not slope:
        return ExpectedAnswer(unreadable="no_solution" if intercept else "every_value")
    root = -intercept / slope
    if max(root.numerator.bit_length(), root.denominator.bit_length()) > MAX_BITS:
        return ExpectedAnswer(unreadable="no_equation: too_large")
    return ExpectedAnswer(text=str(root), number=root, node=Number(root), variable=unknowns.pop())
