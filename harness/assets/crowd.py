"""Demonstrations for the embedded policy: correct solutions, and solutions of a simulated crowd with mistakes.

Takes a linear_1d equation and a random generator; gives the text of a response. Plain Python, used by make.py alone.

A base policy worth self-training is able but unreliable. It becomes able by many correct solutions, and unreliable by a
short phase on this crowd's. Mistakes of each kind are independent of the problem, so that a policy can in principle
unlearn them from its own accepted samples.
"""

from __future__ import annotations

import dataclasses
import random

from restem.benchmarks.linear_equations import Equation, collect, reduction, render_sum, worked_solution


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


def crowd_solution(equation: Equation, habits: Habits, rng: random.Random) -> str:
    """A random solution; correct if no mistake was drawn."""
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
