"""Hypothesis strategies: small ones, each with a sentence, composed into larger ones."""

from __future__ import annotations

from hypothesis import strategies as st

from benchmarks.linear_1d import Equation, Term, solution
from harness.records import Sample
from verifiers.verdict import Outcome, Verdict

letters = st.sampled_from("abcdfghijklmnopqrstuvwxyz")
"""A variable's name; the generator never uses e."""


@st.composite
def sides(draw: st.DrawFn) -> tuple[Term, ...]:
    """One to three terms, of the variable or constant."""
    terms = st.builds(Term, st.integers(-999, 999), st.booleans())
    return tuple(draw(st.lists(terms, min_size=1, max_size=3)))


@st.composite
def equations(draw: st.DrawFn) -> Equation:
    """An equation with exactly one solution, and that an integer."""
    equation = Equation(draw(sides()), draw(sides()), draw(letters))
    value = solution(equation)
    if value is None or value.denominator != 1:
        # Any left side and slope become solvable in integers by choosing the last constant.
        root, slope = draw(st.integers(-20, 20)), draw(st.integers(1, 30))
        equation = Equation((Term(slope, True),), (Term(slope * root, False),), equation.variable)
    return equation


outcomes = st.sampled_from(list(Outcome))
"""Correct, wrong or undecided."""


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    """A verdict that keeps the contract; its answer is one of three, so that majorities exist."""
    outcome = draw(outcomes)
    score = None if outcome is Outcome.UNDECIDED else float(outcome is Outcome.CORRECT)
    return Verdict(outcome=outcome, score=score, answer=draw(st.sampled_from(["1", "2", "3", None])))


@st.composite
def judged_samples(draw: st.DrawFn) -> tuple[list[Sample], dict[int, Verdict]]:
    """Samples of a few problems, those of a problem together, each with a verdict."""
    samples = [
        Sample(
            checkpoint="base",
            problem=f"p{problem}",
            index=index,
            text=draw(st.sampled_from(["x = 1", "x = 2", "x = 3", "y"])),
            token_count=3,
            mean_logprob=draw(st.floats(-5, 0)),
            finish_reason=draw(st.sampled_from(["stop", "stop", "length"])),
        )
        for problem in range(draw(st.integers(1, 4)))
        for index in range(draw(st.integers(1, 14)))
    ]
    return samples, {sample.id: draw(verdicts()) for sample in samples}
