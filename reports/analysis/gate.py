"""Whether a verifier agrees with golden rows as well as it did: statistics over plain records.

Takes what a verifier said on each row then and now, the labels, and how far agreement may fall; gives a Comparison. A
verifier got worse for two reasons only. Its agreement with the labels is *significantly* below what was expected less
the margin, where rows of one problem count together. Or a pinned row flipped: its outcome is not the golden one.
Undecided agrees with nothing, so a verifier that stops deciding gets worse. And where rows are gone nobody can tell, so
that fails too. Knows nothing of files, nor of how verdicts are made.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtrc, stdtrit

from restem.benchmarks.problem import Problem
from restem.reports.stats.estimates import Estimate, Floats, Ints, clustered_error, proportion
from restem.reports.stats.reward_quality import (
    FALSE_ACCEPT,
    FALSE_REJECT,
    TRUE_ACCEPT,
    TRUE_REJECT,
    Agreement,
    agreement,
    confusion,
)
from restem.verifiers.verdict import Outcome, Verdict

VALUE = {Outcome.CORRECT: 1.0, Outcome.WRONG: 0.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """A row and what a verifier says of it now; `expected` is what it said then, None where that is not known."""

    id: str
    problem: Problem
    response: str
    label: Outcome | None
    expected: Outcome | None
    verdict: Verdict

    @property
    def flipped(self) -> bool:
        return self.expected is not None and self.verdict.outcome != self.expected

    @property
    def change(self) -> int:
        """1 where it agrees with the label now and did not then, -1 the other way round, else 0."""
        return (self.verdict.outcome == self.label) - (self.expected == self.label) if self.label else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """What agreement is held against: its value then, over `n` labelled rows, and how far it may fall."""

    agreement: float
    interval: tuple[float, float] | None = None
    n: int
    margin: float
    confidence: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """How far a verifier agrees with the labels.

    Attributes:
        agreement: Share of the labelled rows on which both say the same; undecided does not.
        coverage: Share of the labelled rows that it decided.
        decided: Chance-corrected figures and prevalences (verifier's, labels') on the rows it decided.
        sensitivity: Share of the decided rows labelled correct that it accepts (TPR).
        specificity: Share of the decided rows labelled wrong that it rejects (TNR).
    """

    agreement: Estimate
    coverage: Estimate
    decided: Agreement
    sensitivity: Estimate
    specificity: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shift:
    """How agreement moved, and whether that is significantly below the margin.

    Attributes:
        value: Agreement now less agreement then.
        high: Upper confidence limit of it, one-sided.
        better: Problems on which more rows agree than then; None where then is known as a number only.
        worse: Problems on which fewer do.
        p_value: Exact one-sided sign test that as many problems got better as worse; 1 where not made.
        significant: Whether agreement is worse than the margin allows, by both tests.
    """

    value: float
    high: float
    better: int | None = None
    worse: int | None = None
    p_value: float = 1.0
    significant: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One verifier against its baseline; `bar` and `shift` None where no agreement was expected of it.

    Attributes:
        gaps: What of the baseline could not be checked, so that nothing is known to be as good as it was.
    """

    verifier: str
    pinned: bool
    now: Summary
    bar: Bar | None
    shift: Shift | None
    flips: tuple[Item, ...]
    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.gaps and not (self.pinned and self.flips) and not (self.shift and self.shift.significant)


def summary(items: Sequence[Item]) -> Summary:
    """Agreement, coverage, sensitivity and specificity on the labelled rows."""
    label, said, problem, size = _columns(items)
    table, total = confusion(said, label, problem, size), np.bincount(problem, minlength=size)
    agreed = table[:, TRUE_ACCEPT] + table[:, TRUE_REJECT]
    right, wrong = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT], table[:, TRUE_REJECT] + table[:, FALSE_ACCEPT]
    return Summary(
        agreement=proportion(agreed, total),
        coverage=proportion(table.sum(axis=1), total),
        decided=agreement(table),
        sensitivity=proportion(table[:, TRUE_ACCEPT], right),
        specificity=proportion(table[:, TRUE_REJECT], wrong),
    )


def _columns(items: Sequence[Item]) -> tuple[Floats, Floats, Ints, int]:
    """Labels, outcomes (NaN undecided) and problem numbers of the labelled rows, and how many problems there are."""
    used = [item for item in items if item.label is not None]
    numbers = {problem: index for index, problem in enumerate(dict.fromkeys(item.problem.id for item in used))}
    return (
        np.array([VALUE[item.label] for item in used if item.label], np.float64),
        np.array([VALUE.get(item.verdict.outcome, math.nan) for item in used], np.float64),
        np.array([numbers[item.problem.id] for item in used], np.int64),
        len(numbers),
    )


def shift(items: Sequence[Item], bar: Bar) -> Shift:
    """How agreement moved against the bar.

    Row by row where what the verifier said then is known for as many labelled rows as the bar has. Otherwise the bar
    is a number without a spread, and agreement on all labelled rows is held against it.
    """
    labelled = [item for item in items if item.label is not None]
    known = [item for item in labelled if item.expected is not None]
    if known and len(known) == bar.n:
        return _paired(known, bar)
    now = _agreement(labelled, bar.confidence)
    value, high = now.value - bar.agreement, now.high - bar.agreement
    return Shift(value=value, high=high, significant=high < -bar.margin)


def _agreement(items: Sequence[Item], confidence: float) -> Estimate:
    """Agreement with a limit on each side that holds at that confidence by itself."""
    label, said, problem, size = _columns(items)
    agreed = np.bincount(problem[said == label], minlength=size)
    return proportion(agreed, np.bincount(problem, minlength=size), 2 * confidence - 1)


def _paired(items: Sequence[Item], bar: Bar) -> Shift:
    """A one-sided t test over problems on the rows' changes against the margin, and an exact sign test beside it.

    The sign test (Dixon and Mood 1946; on single rows McNemar's exact test) guards the t test where few problems
    changed: three changes for the worse and none for the better look significant to it, and are a one in eight chance.
    """
    label, said, problem, size = _columns(items)
    change = np.array([item.change for item in items], np.float64)
    moved, total = np.bincount(problem, change, minlength=size), np.bincount(problem, minlength=size)
    value = float(np.mean(said == label)) - bar.agreement
    error = clustered_error(moved, total)
    high = value + float(stdtrit(max(1, size - 1), bar.confidence)) * error
    better, worse = int((moved > 0).sum()), int((moved < 0).sum())
    p_value = float(bdtrc(worse - 1, better + worse, 0.5)) if worse else 1.0
    # With one problem there is no spread, `high` is NaN, and nothing is significant.
    significant = high < -bar.margin and p_value < 1 - bar.confidence
    return Shift(value=value, high=high, better=better, worse=worse, p_value=p_value, significant=significant)


def compare(
    verifier: str,
    items: Sequence[Item],
    *,
    pinned: bool,
    bar: Bar | None,
    gaps: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Comparison:
    """A verifier's rows against its baseline."""
    moved = shift(items, bar) if bar and any(item.label for item in items) else None
    if moved and bar and moved.value * bar.n >= 0.5:  # half a row: more than the rounding of the bar
        notes = [*notes, "agrees better than its baseline: --update raises the bar"]
    return Comparison(
        verifier=verifier,
        pinned=pinned,
        now=summary(items),
        bar=bar,
        shift=moved,
        # What got worse first, then what matters to nobody's label, then what got better.
        flips=tuple(sorted((item for item in items if item.flipped), key=lambda item: item.change)),
        gaps=tuple(gaps),
        notes=tuple(notes),
    )
