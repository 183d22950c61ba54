"""The selection of the E-step, run again on stored samples.

Takes a Run, an arm and rows of samples; gives the rows that the arm's rule keeps (harness/store/selection_rules.py).
"""

from __future__ import annotations

import itertools

import numpy as np

from restem.harness.store.selection_rules import Candidate, fates
from restem.reports.data.run import Arm, Run
from restem.reports.stats.estimates import Ints
from restem.verifiers.verdict import Outcome

_OUTCOMES = {1.0: Outcome.CORRECT, 0.0: Outcome.WRONG}


def selected(run: Run, arm: Arm, rows: Ints) -> Ints:
    """The rows that the arm's selection keeps, by its verifier's stored verdicts; those of negative weight left out."""
    candidates = _candidates(run, arm, rows)
    ends = np.flatnonzero(np.diff(run.samples.problem[rows])) + 1  # rows come problem by problem
    starts = [0, *ends.tolist(), len(rows)]
    results = [fate for a, b in itertools.pairwise(starts) for fate in fates(candidates[a:b], arm.selection)]
    return rows[np.array([fate.weight > 0 for fate in results], bool)]


def _candidates(run: Run, arm: Arm, rows: Ints) -> list[Candidate]:
    samples, readings, outcome = run.samples, run.readings.get(arm.verifier), run.outcome(arm.verifier, rows)
    answer = readings.answer[rows] if readings else np.zeros(len(rows), np.int64)
    score = readings.score[rows] if readings else np.nan_to_num(outcome)
    columns = (
        *(outcome, samples.cut[rows], samples.text[rows], answer, score),
        *(samples.confidence[rows], samples.tokens[rows]),
    )
    return [
        Candidate(
            outcome=_OUTCOMES.get(accepted, Outcome.UNDECIDED),
            complete=not cut,
            text=text,
            answer=number,
            score=value,
            confidence=confidence,
            tokens=tokens,
        )
        for accepted, cut, text, number, value, confidence, tokens in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
