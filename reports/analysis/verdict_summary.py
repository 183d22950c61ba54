"""What a verifier decided on a set of rows, why it was undecided, and how it agrees with labels where rows have them.

Takes verdicts with their problems and labels; gives a VerdictSummary. Holds no English, and does not depend on files or
on a run. NumPy is imported only where there are labels, because `restem verify` on rows without them needs none.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from restem.reports.stats.estimates import Estimate

FIRST = 3  # unreadable references that are named


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unreadable:
    """The problems whose expected answer a verifier cannot read.

    Attributes:
        count: How many they are.
        problems: Of how many.
        first: Id, references and reason of the first ones.
    """

    count: int
    problems: int
    first: tuple[tuple[str, tuple[str, ...], str], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
    """A verifier against labels.

    Attributes:
        against: The verifier whose verdicts are the labels; None where the rows have them.
        right: Rows labelled right.
        right_accepted: Of these, how many the verifier calls correct.
        right_refused: Of these, how many it calls wrong; it is undecided on the rest.
        wrong: Rows labelled wrong.
        wrong_accepted: Of these, how many it calls correct.
        wrong_refused: Of these, how many it calls wrong.
        tpr: Share of the decided rows labelled right that it calls correct.
        fpr: Share of the decided rows labelled wrong that it calls correct.
        decided: Share of the labelled rows that it decided.
    """

    against: str | None
    right: int
    right_accepted: int
    right_refused: int
    wrong: int
    wrong_accepted: int
    wrong_refused: int
    tpr: Estimate
    fpr: Estimate
    decided: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerdictSummary:
    """A verifier's verdicts on a set of rows.

    Attributes:
        reasons: Reason of undecided verdicts -> how often, most frequent first.
        unreadable: Expected answers that it cannot read; None where there are none.
        rates: None where no row has a label.
    """

    verifier: str
    rows: int
    problems: int
    correct: int
    wrong: int
    undecided: int
    reasons: tuple[tuple[str, int], ...]
    unreadable: Unreadable | None
    rates: Rates | None


def summarize(
    verifier: str,
    verdicts: Sequence[Verdict],
    problems: Sequence[str],
    labels: Sequence[int | None],
    *,
    against: str | None = None,
    unreadable: Unreadable | None = None,
) -> VerdictSummary:
    """The summary of a verifier's verdicts.

    Args:
        verifier: Its name.
        verdicts: One a row.
        problems: The id of each row's problem.
        labels: Of each row: 1 for a right response, 0 for a wrong one, None where that is not known.
        against: The verifier that gave the labels; None where the rows have them.
        unreadable: The expected answers that the verifier cannot read.
    """
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    reasons = Counter(verdict.reason or "" for verdict in verdicts if verdict.outcome is Outcome.UNDECIDED)
    return VerdictSummary(
        verifier=verifier,
        rows=len(verdicts),
        problems=len(set(problems)),
        correct=outcomes[Outcome.CORRECT],
        wrong=outcomes[Outcome.WRONG],
        undecided=outcomes[Outcome.UNDECIDED],
        reasons=tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        unreadable=unreadable,
        rates=None if all(label is None for label in labels) else _rates(verdicts, problems, labels, against),
    )


def unreadable_of(pairs: Sequence[tuple[Problem, str]], problems: int) -> Unreadable | None:
    """The count and the first of the unreadable expected answers; None where there are none."""
    if not pairs:
        return None
    first = tuple((problem.id, problem.references, reason) for problem, reason in pairs[:FIRST])
    return Unreadable(count=len(pairs), problems=problems, first=first)


def _rates(
    verdicts: Sequence[Verdict], problems: Sequence[str], labels: Sequence[int | None], against: str | None
) -> Rates:
    import numpy as np

    from restem.reports.stats.estimates import proportion
    from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT, confusion

    rows = [row for row in zip(verdicts, problems, labels, strict=True) if row[2] is not None]
    outcome = np.array([np.nan if verdict.reward is None else verdict.reward for verdict, _, _ in rows])
    label = np.array([label for _, _, label in rows], np.float64)
    numbers: dict[str, int] = {}
    problem = np.array([numbers.setdefault(id, len(numbers)) for _, id, _ in rows])
    table = confusion(outcome, label, problem, len(numbers))
    right, wrong = (int(np.sum(label == value)) for value in (1, 0))
    labelled = np.bincount(problem, minlength=len(numbers))
    pooled = table.sum(axis=0)
    return Rates(
        against=against,
        right=right,
        right_accepted=int(pooled[TRUE_ACCEPT]),
        right_refused=int(pooled[FALSE_REJECT]),
        wrong=wrong,
        wrong_accepted=int(pooled[FALSE_ACCEPT]),
        wrong_refused=int(pooled[TRUE_REJECT]),
        tpr=proportion(table[:, TRUE_ACCEPT], table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]),
        fpr=proportion(table[:, FALSE_ACCEPT], table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT]),
        decided=proportion(table.sum(axis=1), labelled),
    )
