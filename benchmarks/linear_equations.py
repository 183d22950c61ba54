"""Linear equations in one unknown as they are written: read, solved, worked out line by line, and their steps checked.

Takes the text of a question (`Solve -3*b - 2 = 4*b + 12 for b.`) or of a response; gives Equations, solutions and a
verdict on written steps. Depends on nothing of ours.
"""

from __future__ import annotations

import dataclasses
import enum
import operator
import re
from collections.abc import Callable, Sequence
from fractions import Fraction


@dataclasses.dataclass(frozen=True)
class Term:
    """One signed term of an equation side: `coefficient * variable`, or a constant where `of_variable` is false."""

    coefficient: int
    of_variable: bool


@dataclasses.dataclass(frozen=True)
class Equation:
    """A linear equation as written: the terms of both sides, in order, and the variable's letter."""

    left: tuple[Term, ...]
    right: tuple[Term, ...]
    variable: str


_QUESTION = re.compile(r"Solve (?P<left>[^=]+) = (?P<right>[^=]+) for (?P<variable>[a-z])\.")
_TERM = re.compile(r"(?P<sign>[+-]?) ?(?:(?P<number>[0-9]{1,12})(?:\*(?P<times>[a-z]))?|(?P<alone>[a-z]))(?: |$)")


def _terms(side: str, variable: str) -> tuple[Term, ...]:
    terms: list[Term] = []
    side, position = side.strip(), 0
    while position < len(side):
        match = _TERM.match(side, position)
        if match is None or (terms and not match["sign"]):
            raise ValueError(f"not a sum of terms: {side!r}")
        letter = match["times"] or match["alone"]
        if letter not in (None, variable):
            raise ValueError(f"not a term in {variable}: {side!r}")
        number = int(match["number"] or 1)
        terms.append(Term(-number if match["sign"] == "-" else number, letter is not None))
        position = match.end()
    if not terms:
        raise ValueError("an empty side")
    return tuple(terms)


def parse_question(question: str) -> Equation:
    """The equation of a question.

    Raises:
        ValueError: The text is not `Solve <sum> = <sum> for <letter>.`
    """
    match = _QUESTION.fullmatch(question.strip())
    if match is None:
        raise ValueError(f"not a linear equation to solve: {question[:80]!r}")
    variable = match["variable"]
    return Equation(_terms(match["left"], variable), _terms(match["right"], variable), variable)


def is_question(text: str) -> bool:
    """Whether a text is a question that `parse_question` reads."""
    try:
        parse_question(text)
    except ValueError:
        return False
    return True


def solution(equation: Equation) -> Fraction | None:
    """The value that solves the equation, or None where none or every value does."""
    slope = intercept = 0
    for sign, side in ((1, equation.left), (-1, equation.right)):
        slope += sum(sign * term.coefficient for term in side if term.of_variable)
        intercept += sum(sign * term.coefficient for term in side if not term.of_variable)
    return Fraction(-intercept, slope) if slope else None


def render_sum(coefficients: Sequence[int], variable: str = "") -> str:
    """`3*x - x` from (3, -1) and `x`; `7 - 2` from (7, -2) and no variable; `0` from nothing."""
    text = ""
    for coefficient in coefficients:
        size = abs(coefficient)
        body = str(size) if not variable else variable if size == 1 else f"{size}*{variable}"
        if not text:
            text = f"-{body}" if coefficient < 0 else body
        else:
            text += f" - {body}" if coefficient < 0 else f" + {body}"
    return text or "0"


def collect(equation: Equation) -> tuple[list[int], list[int]]:
    """All variable coefficients brought to the left, all constants to the right; zeros dropped."""
    variables = [t.coefficient for t in equation.left if t.of_variable]
    variables += [-t.coefficient for t in equation.right if t.of_variable]
    constants = [t.coefficient for t in equation.right if not t.of_variable]
    constants += [-t.coefficient for t in equation.left if not t.of_variable]
    return [c for c in variables if c], [c for c in constants if c]


def render_question(equation: Equation) -> str:
    """The question as the data set writes it; `parse_question` reads it back."""

    def side(terms: Sequence[Term]) -> str:
        text = ""
        for term in terms:
            part = render_sum([term.coefficient], equation.variable if term.of_variable else "")
            text += part if not text else f" - {part[1:]}" if part[0] == "-" else f" + {part}"
        return text or "0"

    return f"Solve {side(equation.left)} = {side(equation.right)} for {equation.variable}."


def reduction(
    variable: str, variables: Sequence[int], constants: Sequence[int], add: Callable[[int, int], int] = operator.add
) -> tuple[list[str], int, int]:
    """The lines that sum a collected equation, a pair of terms a line, and the slope and constant of the last one."""
    variables, constants = list(variables), list(constants)
    lines = [f"{render_sum(variables, variable)} = {render_sum(constants)}"]
    while len(variables) > 1:
        variables = [add(variables[0], variables[1]), *variables[2:]]
        if not variables[0] and len(variables) > 1:
            variables = variables[1:]
        lines.append(f"{render_sum(variables, variable)} = {render_sum(constants)}")
    while len(constants) > 1:
        constants = [c for c in [add(constants[0], constants[1]), *constants[2:]] if c]
        lines.append(f"{render_sum(variables, variable)} = {render_sum(constants)}")
    return lines, variables[0], sum(constants)


def worked_solution(equation: Equation) -> list[str]:
    """A solution line by line: move the terms, add one pair of them a line, write the quotient, divide.

    Every line is an equation with the question's solution; the last is `variable = answer`.
    """
    x = equation.variable
    lines, slope, constant = reduction(x, *collect(equation))
    if slope != 1:
        lines += [f"{x} = {constant}/{slope}", f"{x} = {constant // slope}"]
    return lines


class Steps(enum.StrEnum):
    """Whether a response's written steps hold, whatever its final answer.

    A right answer whose steps do not `HOLD` is "right by wrong steps".
    """

    HOLD = "hold"
    BROKEN = "broken"
    MISSING = "missing"


_LINE = re.compile(r"[0-9a-z =+*/-]{3,120}")
_QUOTIENT = re.compile(r"(-?[0-9]{1,12})/(-?[0-9]{1,12})")


def _line_solution(line: str, variable: str) -> Fraction | None:
    if not _LINE.fullmatch(line) or line.count("=") != 1:
        return None
    left, right = line.split("=")
    quotient = _QUOTIENT.fullmatch(right.strip())
    if quotient:
        if left.strip() != variable or not int(quotient[2]):
            return None
        return Fraction(int(quotient[1]), int(quotient[2]))
    try:
        return solution(Equation(_terms(left, variable), _terms(right, variable), variable))
    except ValueError:
        return None


def check_steps(question: str, response: str) -> Steps:
    """Whether every line of a response is an equation with the question's own solution.

    A response needs another line than its answer; one without is `MISSING` its steps.
    A line that does not read as a linear equation in the question's variable is a broken step.

    Raises:
        ValueError: `parse_question` cannot read the question.
    """
    equation = parse_question(question)
    lines = [line.strip() for line in response[:4000].splitlines() if line.strip()]
    if len(set(lines)) < 2:
        return Steps.MISSING
    expected = solution(equation)
    holds = all(_line_solution(line, equation.variable) == expected for line in lines)
    return Steps.HOLD if holds and expected is not None else Steps.BROKEN
