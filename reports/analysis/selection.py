"""The selection of the E-step, run again on stored samples: for forecasts of what a verifier would let through.

Takes a Run, an arm and rows of samples; gives the rows that the arm's rule keeps (harness/store/selection_rules.py),
and the training set to expect from a verifier's TPR and FPR. A rule that does not read outcomes is applied once, as if
all were accepted, and the expectation is exact (stats/law.py). Any other rule is applied to outcomes that are drawn
with these rates.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from restem.harness.store.selection_rules import RULES, Candidate, SelectionSettings, fates
from restem.reports.analysis.findings import TRAIN
from restem.reports.data.run import Arm, Run
from restem.reports.stats import law
from restem.reports.stats.estimates import Floats, Ints
from restem.verifiers.verdict import Outcome

DRAWS = 64  # the standard error of a number of kept samples is then an eighth of one training set's spread
_OUTCOMES = {1.0: Outcome.CORRECT, 0.0: Outcome.WRONG}


def selected(run: Run, arm: Arm, rows: Ints, outcome: Floats) -> Ints:
    """The rows that the arm's selection keeps, were these its verifier's outcomes: 1, 0, or NaN for undecided."""
    return _kept(run, arm, rows, outcome, arm.selection)


def selectable(run: Run, arm: Arm, rows: Ints) -> Ints:
    """The rows that the arm's selection can keep: what it would keep, were all accepted and were there no cap.

    Which rows a rule that reads outcomes can keep depends on the outcomes: of such a rule these are the rows that
    `filter` can keep, that is, complete responses, and equal ones once where the arm removes duplicates.
    """
    rule = "filter" if _reads_outcomes(arm) else arm.selection.rule
    return _kept(run, arm, rows, np.ones(len(rows)), dataclasses.replace(arm.selection, cap=0, rule=rule))


def expected_training_set(
    run: Run, arm: Arm, rows: Ints, tpr: float, fpr: float, problems: int
) -> law.ExpectedTrainingSet:
    """F4 and F5 for the arm's selection among training rows.

    Args:
        tpr: Chance that the verifier accepts a correct sample; NaN where it could not be measured, which then has no
            effect.
        fpr: Chance that it accepts a wrong one; likewise.
        problems: Only the first training problems, this many.
    """
    if _reads_outcomes(arm):
        return _simulated(run, arm, rows[run.samples.problem[rows] < problems], tpr, fpr, problems)
    correct = _in_order(run, selectable(run, arm, rows))[:problems]
    return law.training_set(correct, tpr, fpr, arm.selection.cap or None)


def _reads_outcomes(arm: Arm) -> bool:
    return "outcome" in RULES[arm.selection.rule].reads


def _simulated(run: Run, arm: Arm, rows: Ints, tpr: float, fpr: float, problems: int) -> law.ExpectedTrainingSet:
    """The mean of what the selection keeps, over outcomes drawn with a fixed seed.

    As in the exact expectation, the verifier accepts nothing that the gold left undecided, and its verdicts are
    independent given the gold, except that equal responses get one verdict where the arm removes duplicates.
    """
    problem, gold = run.samples.problem[rows], run.outcome(run.gold, rows)
    chance = np.select([gold == 1, gold == 0], [np.nan_to_num(tpr), np.nan_to_num(fpr)])
    _, same_text = np.unique(run.samples.text[rows], return_inverse=True)
    verdict = same_text if arm.selection.dedupe else np.arange(len(rows))
    generator = np.random.default_rng(0)
    kept, right, poisoned = (np.zeros(problems) for _ in range(3))
    for _ in range(DRAWS):
        accepted = generator.random(len(rows))[verdict] < chance
        outcome = np.where(np.isnan(gold), np.nan, accepted)
        chosen = np.isin(rows, selected(run, arm, rows, outcome))
        count = np.bincount(problem[chosen], minlength=problems)
        count_right = np.bincount(problem[chosen & (gold == 1)], minlength=problems)
        kept, right = kept + count, right + count_right
        poisoned = poisoned + ((count > 0) & (count_right == 0))
    return law.ExpectedTrainingSet(kept=kept / DRAWS, right=right / DRAWS, poisoned=poisoned / DRAWS)


def _in_order(run: Run, rows: Ints) -> Floats:
    """Gold outcomes of training rows, a line for each problem, in the order of sampling; NaN where there is no more."""
    problem, gold = run.samples.problem[rows], run.outcome(run.gold, rows)
    first = np.searchsorted(problem, problem)  # rows come problem by problem
    place = np.arange(len(rows)) - first
    table = np.full((run.size(TRAIN), int(place.max(initial=0)) + 1), np.nan)
    table[problem, place] = gold
    return table


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
    certain = np.nan_to_num(outcome)
    score = np.where(outcome == stored, readings.score[rows], certain) if readings else certain
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
