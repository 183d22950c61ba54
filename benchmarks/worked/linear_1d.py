"""Worked solutions of linear_1d, and those of a simulated crowd with mistakes.

Takes a question and a random generator; gives the text of a response, or another question. Plain Python.
"""

from __future__ import annotations

import dataclasses
import random

from restem.benchmarks.linear_equations import (
    Equation,
    Term,
    collect,
    parse_question,
    reduction,
    render_question,
    render_sum,
    solution,
    worked_solution,
)

LETTERS = "abcdfghijklmnopqrstuvwxyz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Habits:
    """The probability of each mistake, at each opportunity for it.

    Attributes:
        guess: A random answer without steps.
        keep_sign: A term changes sides without changing its sign; once per solution that moves a term.
        slip: A sum that is off by one.
        subtract: The coefficient is subtracted instead of divided by.
        lose_minus: A negative quotient is written without its minus.
    """

    guess: float = 0.0
    keep_sign: float = 0.0
    slip: float = 0.0
    subtract: float = 0.0
    lose_minus: float = 0.0


def rewritten(question: str, answer: str, rng: random.Random) -> tuple[str, str]:
    """The question with its terms shuffled between the two sides: another problem with the same answer."""
    equation = parse_question(question)
    terms = [*equation.left, *(Term(-t.coefficient, t.of_variable) for t in equation.right)]
    terms = [t for t in terms if t.coefficient]
    rng.shuffle(terms)
    if rng.random() < 0.5:
        terms = [Term(-t.coefficient, t.of_variable) for t in terms]
    sides: tuple[list[Term], list[Term]] = ([], [])
    for term in terms:
        sides[rng.randrange(2)].append(term)
    right = [Term(-t.coefficient, t.of_variable) for t in sides[1]]
    return render_question(Equation(tuple(sides[0]), tuple(right), rng.choice(LETTERS))), answer


def crowd_solution(question: str, answer: str, habits: Habits, rng: random.Random) -> str:
    """A random solution; correct if no mistake was drawn."""
    equation = parse_question(question)
    if solution(equation) is None:
        raise ValueError(f"no single solution: {question}")
    x = equation.variable
    if rng.random() < habits.guess:
        return f"{x} = {rng.choice((-1, 1)) * rng.randint(1, 9)}"
    if not any((habits.keep_sign, habits.slip, habits.subtract, habits.lose_minus)):
        return "\n".join(worked_solution(equation))

    variables, constants = collect(equation)
    if rng.random() < habits.keep_sign:
        # `collect` lists moved terms last: constants from the left side, variable terms from the right side.
        moved_constants = sum(1 for t in equation.left if not t.of_variable and t.coefficient)
        moved_variables = sum(1 for t in equation.right if t.of_variable and t.coefficient)
        if moved_constants:
            constants[-1] = -constants[-1]
        elif moved_variables:
            variables[-1] = -variables[-1]

    def add(a: int, b: int) -> int:
        return a + b + (rng.choice((-1, 1)) if rng.random() < habits.slip else 0)

    lines, slope, constant = reduction(x, variables, constants, add)
    if slope == 0:  # after the mistake every value is a solution, or none is: the answer is then 0
        return "\n".join([*lines, f"{x} = 0"])
    if slope == 1:
        return "\n".join(lines)
    if rng.random() < habits.subtract:
        lines += [f"{x} = {render_sum([c for c in (constant, -slope) if c])}", f"{x} = {constant - slope}"]
        return "\n".join(lines)
    quotient = int(constant / slope)  # a mistake can leave a remainder, which is dropped
    if quotient < 0 and rng.random() < habits.lose_minus:
        quotient = -quotient
    return "\n".join([*lines, f"{x} = {constant}/{slope}", f"{x} = {quotient}"])
