"""Several accepted references: which ones a problem has, and one verdict from the verdicts against each.

Takes problems and verdicts; gives texts and a verdict. Does not compare answers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Outcome, Verdict


def accepted_texts(problem: Problem) -> tuple[str, ...]:
    """The accepted references of a problem without the blank ones; empty where there are none."""
    reference = problem.reference
    if not problem.alternatives:  # the common case takes no generator
        return (reference,) if reference and reference.strip() else ()
    return tuple(text for text in problem.references if text.strip())


_ESCAPED = re.compile(
    r"\\\\(?=(?:left|right|[dt]?frac|sqrt|pi|leq?|geq?|text|cdot|times|infty|cup|boxed|in|pm|mathrm|circ|ldots)(?![a-z]))"
)
_JOINED = re.compile(r"\\(q?quad)(?=[A-Za-z])")


_IMAGINARY = re.compile(r"(?<=\*)I(?![A-Za-z])")
_RAISED = re.compile(r"(?<=[A-Za-z])[\u00b2\u00b3]")
_ROW_SPACE = re.compile(r"\\\\\[[0-9.]{1,4}(?:pt|em|ex|mm)\]")
_HOURS = re.compile(r"(?<=[0-9])\s?h(?:rs?)?\.?,?\s(?:and\s)?(?=[0-9]{1,2}\s?min)")
_MINUTES = re.compile(r"(?<=[0-9])\s?mins?\b\.?")


def unescaped(text: str) -> str:
    """A text as the grammar reads it: `4 h 53 min` in full, and single backslashes where a data set has two."""
    if "*I" in text:
        text = _IMAGINARY.sub("i", text)  # as SymPy writes it
    if "\u00b2" in text or "\u00b3" in text:
        text = _RAISED.sub(lambda match: "^2" if match[0] == "\u00b2" else "^3", text)
    if ".\\bar{" in text:
        text = text.replace(".\\bar{", ".\\overline{")
    if "\\\\[" in text:
        text = _ROW_SPACE.sub(r"\\\\", text)
    if "min" in text:
        text = _MINUTES.sub(" minutes", _HOURS.sub(" hours ", text))
    return _JOINED.sub(r"\\\1 ", _ESCAPED.sub(r"\\", text)) if "\\" in text else text


def against_any(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of one response, from its verdicts against each accepted reference.

    Correct where one of them is correct, wrong where all are wrong, otherwise undecided: the first verdict with that
    outcome, with the time of all of them.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    first = {verdict.outcome: verdict for verdict in reversed(verdicts)}
    decisive = first.get(Outcome.CORRECT) or first.get(Outcome.UNDECIDED) or first[Outcome.WRONG]
    return dataclasses.replace(decisive, seconds=sum(verdict.seconds for verdict in verdicts))
