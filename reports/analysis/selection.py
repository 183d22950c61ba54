"""The selection of the E-step, run again on stored outcomes: for forecasts of what a verifier would let through.

Takes a Run, an arm and rows of samples; gives the rows that the arm's rule keeps (harness/store/selection_rules.py).
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from restem.harness.store.selection_rules import Candidate, SelectionSettings, fates
from restem.reports.data.run import Arm, Run
from restem.reports.stats.estimates import Floats, Ints
from restem.verifiers.verdict import Outcome

_OUTCOMES = {1.0: Outcome.CORRECT, 0.0: Outcome.WRONG}


def selected(run: Run, arm: Arm, rows: Ints, outcome: Floats) -> Ints:
    """The rows that the arm's selection keeps, were these its verifier's outcomes: 1, 0, or NaN for undecided."""
    return _kept(run, arm, rows, outcome, arm.selection)


def selectable(run: Run, arm: Arm, rows: Ints) -> Ints:
    """The rows that the arm's selection can keep: what it would keep, were all accepted and were there no cap."""
    return _kept(run, arm, rows, np.ones(len(rows)), dataclasses.replace(arm.selection, cap=0))


def _kept(run: Run, arm: Arm, rows: Ints, outcome: Floats, settings: SelectionSettings) -> Ints:
    candidates = _candidates(run, arm, rows, outcome)
    ends = np.flatnonzero(np.diff(run.samples.problem[rows])) + 1  # rows come problem by problem
    starts = [0, *ends.tolist(), len(rows)]
    results = [fate for a, b in itertools.pairwise(starts) for fate in fates(candidates[a:b], settings)]
    return rows[np.array([fate.dropped_by is None for fate in results], bool)]


def _candidates(run: Run, arm: Arm, rows: Ints, outcome: Floats) -> list[Candidate]:
    samples, readings = run.samples, run.readings.get(arm.verifier)
    answer = readings.answer[rows] if readings else np.zeros(len(rows), np.int64)
    # The stored score is of the stored outcome; an outcome that differs from it gets the score of certainty.
    stored = run.outcome(arm.verifier, rows)
    score = np.where(outcome == stored, readings.score[rows], outcome) if readings else outcome
    columns = (outcome, samples.cut[rows], samples.text[rows], answer, score)
    return [
        Candidate(
            outcome=_OUTCOMES.get(accepted, Outcome.UNDECIDED),
            complete=not cut,
            text=text,
            answer=number,
            score=value,
            confidence=1.0,
        )
        for accepted, cut, text, number, value in zip(*(column.tolist() for column in columns), strict=True)
    ]
