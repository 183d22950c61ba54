"""Hypothesis strategies: small ones, each with a sentence, composed into larger ones."""

from __future__ import annotations

from hypothesis import strategies as st

from restem.benchmarks.linear_equations import Equation, Term, solution
from restem.harness.store.records import Sample
from restem.verifiers.verdict import Outcome, Verdict
from tests.hostile import FAR, HOSTILE

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
            token_ids=draw(st.none() | st.tuples(*[st.integers(0, 300_000)] * 3)),
            mean_logprob=draw(st.floats(-5, 0)),
            finish_reason=draw(st.sampled_from(["stop", "stop", "length"])),
        )
        for problem in range(draw(st.integers(1, 4)))
        for index in range(draw(st.integers(1, 14)))
    ]
    return samples, {sample.id: draw(verdicts()) for sample in samples}


hostile_texts = st.sampled_from(sorted({hostile.text[:4000] for hostile in HOSTILE}))
"""A hostile response, the longest ones cut: what is slow or deep in them is already there."""

noise = st.one_of(
    st.text(max_size=3),
    st.sampled_from(list("\x00\x0b\x1b\x7f\xad\u061c\u200b\u200d\u202e\u2028\u2060\ufeff\ufffd\ud800\U000e0041")),
    st.sampled_from(
        ["7", "=", "x", " not ", " or ", "**", "$$", "\\", "{", "}", "(", "`", "~~", "#", "<", "\u0667", "\u0301"]
    ),
)
"""A character or a few that hide, reverse, end, open or join things."""

WRAPPINGS = (
    *("{}", "\\boxed{{{}}}", "$\\boxed{{{}}}$", "The answer is {}.", "The final answer is: {}", "x = {}", "#### {}"),
    *("<think>{}</think>", "<think>{}", "</think>{}", "<answer>{}</answer>", '{{"answer": "{}"}}', '{{"answer": {}}}'),
    *(
        "```python\n{}\n```",
        "**{}**",
        "\\text{{{}}}",
        "\\frac{{{}}}{{1}}",
        "({})",
        "[{}]",
        "Wait, no: {}",
        "It is not {}.",
    ),
)


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    """The text cut and joined with a hostile one, repeated in part, sprinkled with noise, or wrapped."""
    cut = st.integers(0, len(text))
    match draw(st.sampled_from(["splice", "repeat", "sprinkle", "wrap", "join"])):
        case "splice":
            other = draw(hostile_texts)
            return text[: draw(cut)] + other[draw(st.integers(0, len(other))) :]
        case "repeat":
            start, end = sorted((draw(cut), draw(cut)))
            return text[:end] + text[start:end] * draw(st.integers(1, 30)) + text[end:]
        case "sprinkle":
            for _ in range(draw(st.integers(1, 6))):
                at = draw(st.integers(0, len(text)))
                text = text[:at] + draw(noise) + text[at:]
            return text
        case "wrap":
            return draw(st.sampled_from(WRAPPINGS)).format(text)
        case _:
            return draw(st.sampled_from(["", " ", "\n", "\n\n", ", ", " or ", " = "])).join([text, draw(hostile_texts)])


@st.composite
def mutated_texts(draw: st.DrawFn) -> str:
    """Hostile text after up to four mutations, at most 20,000 characters; never with `FAR` in it."""
    text = draw(hostile_texts)
    for _ in range(draw(st.integers(0, 4))):
        text = draw(mutations(text))[:20_000]
    return text.replace(FAR, "")


@st.composite
def mixed_texts(draw: st.DrawFn) -> str:
    """Mutated hostile text that somewhere gives the answer `FAR`, in one of the usual forms of an answer."""
    text = draw(mutated_texts())
    at = draw(st.sampled_from([0, len(text)]) | st.integers(0, len(text)))
    number = draw(st.sampled_from([FAR, f"{int(FAR):,}", f"{FAR}.0"]))
    wrapped = draw(st.sampled_from(WRAPPINGS)).format(number)
    gap = draw(st.sampled_from(["", " ", "\n"]))
    return text[:at] + gap + wrapped + gap + text[at:]
