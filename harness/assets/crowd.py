"""Demonstrations for the embedded policy: a careful pupil's solutions, and those of a crowd that errs.

Takes a linear_1d equation and a random generator; gives the text of a response. Plain Python, used by make.py alone.

A base policy worth self-training is able but unreliable. Ability comes from many careful solutions; unreliability from
a short phase on this crowd. Each kind of mistake is made independently of the problem, so that a policy can in
principle unlearn it from its own accepted samples.
"""

from __future__ import annotations

import dataclasses
import random

from restem.benchmarks.linear_equations import Equation, collect, reduction, render_sum, worked_solution


@dataclasses.dataclass(frozen=True, kw_only=True)
class Habits:
    """How often the crowd makes each mistake; each is a probability per chance to make it.

    Attributes:
        guess: Writes an answer at once, without steps.
        keep_sign: Moves a term to the other side without turning its sign; per solution that moves a term.
        slip: Adds two numbers and is off by one.
        subtract: Subtracts the coefficient where it should divide by it.
        lose_minus: Drops the minus of a negative quotient.
    """

    guess: float = 0.0
    keep_sign: float = 0.0
    slip: float = 0.0
    subtract: float = 0.0
    lose_minus: float = 0.0


def crowd_solution(equation: Equation, habits: Habits, rng: random.Random) -> str:
    """A solution by one member of the crowd; right where no mistake was made."""
    x = equation.variable
    if rng.random() < habits.guess:
        return f"{x} = {rng.choice((-1, 1)) * rng.randint(1, 9)}"
    if not any((habits.keep_sign, habits.slip, habits.subtract, habits.lose_minus)):
        return "\n".join(worked_solution(equation))

    variables, constants = collect(equation)
    if rng.random() < habits.keep_sign:
        # Constants that stood on the left come last; variable terms that stood on the right come last.
        moved_constants = sum(1 for t in equation.left if not t.of_variable and t.coefficient)
        moved_variables = sum(1 for t in equation.right if t.of_variable and t.coefficient)
        if moved_constants:
            constants[-1] = -constants[-1]
        elif moved_variables:
            variables[-1] = -variables[-1]

    def add(a: int, b: int) -> int:
        return a + b + (rng.choice((-1, 1)) if rng.random() < habits.slip else 0)

    lines, slope, constant = reduction(x, variables, constants, add)
    if slope == 0:  # the mistake made every value a solution, or none: this pupil gives up with a zero
        return "\n".join([*lines, f"{x} = 0"])
    if slope == 1:
        return "\n".join(lines)
    if rng.random() < habits.subtract:
        lines += [f"{x} = {render_sum([c for c in (constant, -slope) if c])}", f"{x} = {constant - slope}"]
        return "\n".join(lines)
    quotient = int(constant / slope)  # a pupil whose division does not come out drops the rest
    if quotient < 0 and rng.random() < habits.lose_minus:
        quotient = -quotient
    return "\n".join([*lines, f"{x} = {constant}/{slope}", f"{x} = {quotient}"])
