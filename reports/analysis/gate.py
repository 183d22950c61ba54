"""Whether a verifier agrees with golden rows as well as it did: statistics over plain records.

Takes a verifier's outcome on each row then and now, the labels, and how far agreement may fall; gives a Comparison. A
verifier fails for three reasons. Its agreement with the labels is *significantly* below what was expected less the
margin, where rows of one problem count together. A pinned row flipped: its outcome is not the golden one. Or rows of
the baseline are gone, so that the first two cannot be checked. Undecided agrees with no label, so a verifier that stops
deciding gets worse. Holds no English, and does not depend on files or on how verdicts are made.
"""

from __future__ import annotations

import dataclasses
import enum
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
    """A row and a verifier's verdict on it now; `expected` is its outcome then, None where that is not known."""

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
        agreement: Share of the labelled rows whose outcome is the label; undecided never is.
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


class RemarkCode(enum.StrEnum):
    """What is to be known of a comparison with a baseline. The first three make it fail."""

    NOTHING_EXPECTED = "nothing_expected"
    """No row has a label or a golden outcome, so nothing was checked."""
    ROWS_REMOVED = "rows_removed"
    """Fewer labelled rows than the baseline had."""
    ROWS_MOVED = "rows_moved"
    """A file does not begin with the rows that the baseline was written with."""
    OTHER_VERIFIER = "other_verifier"
    """The verifier has another fingerprint than the baseline's."""
    ROWS_ADDED = "rows_added"
    """More labelled rows than the baseline had."""
    BETTER = "better"
    """Agreement is above the baseline's."""
    SAME_FINGERPRINT = "same_fingerprint"
    """The verifier gives other outcomes under the fingerprint that it had."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remark:
    """A code, with the rows or the fingerprint of the baseline and of now, and the file concerned."""

    code: RemarkCode
    then: int | str | None = None
    now: int | str | None = None
    file: str | None = None


class Failure(enum.StrEnum):
    """Why a verifier does not pass."""

    NOT_CHECKED = "not_checked"
    """Part of the baseline could not be checked, so that nothing is known to be as good as it was."""
    FLIPPED = "flipped"
    """A pinned row has another outcome than the golden one."""
    WORSE = "worse"
    """Agreement is significantly below what the margin allows."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One verifier against its baseline; `bar` and `shift` None where no agreement was expected of it.

    Attributes:
        gaps: What of the baseline could not be checked.
        notes: What else is to be known; these make nothing fail.
    """

    verifier: str
    pinned: bool
    now: Summary
    bar: Bar | None
    shift: Shift | None
    flips: tuple[Item, ...]
    gaps: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why it does not pass; empty where it does."""
        reasons = {
            Failure.NOT_CHECKED: bool(self.gaps),
            Failure.FLIPPED: self.pinned and bool(self.flips),
            Failure.WORSE: self.shift is not None and self.shift.significant,
        }
        return tuple(failure for failure, applies in reasons.items() if applies)

    @property
    def passed(self) -> bool:
        return not self.failures


def summary(items: Sequence[Item]) -> Summary:
    """Agreement, coverage, sensitivity and specificity on the labelled rows."""
    label, outcome, problem, size = _columns(items)
    table, total = confusion(outcome, label, problem, size), np.bincount(problem, minlength=size)
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

    Row by row where the verifier's outcome then is known for as many labelled rows as the bar has. Otherwise the bar
    is a number without a spread, and agreement on all labelled rows is compared with it.
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
    label, outcome, problem, size = _columns(items)
    agreed = np.bincount(problem[outcome == label], minlength=size)
    return proportion(agreed, np.bincount(problem, minlength=size), 2 * confidence - 1)


def _paired(items: Sequence[Item], bar: Bar) -> Shift:
    """A one-sided t test over problems on the rows' changes against the margin, and an exact sign test beside it.

    The sign test (Dixon and Mood 1946; on single rows McNemar's exact test) guards the t test where few problems
    changed: three changes for the worse and none for the better look significant to it, and are a one in eight chance.
    """
    label, outcome, problem, size = _columns(items)
    change = np.array([item.change for item in items], np.float64)
    moved, total = np.bincount(problem, change, minlength=size), np.bincount(problem, minlength=size)
    value = float(np.mean(outcome == label)) - bar.agreement
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
    gaps: Sequence[Remark] = (),
    notes: Sequence[Remark] = (),
) -> Comparison:
    """A verifier's rows against its baseline."""
    moved = shift(items, bar) if bar and any(item.label for item in items) else None
    if moved and bar and moved.value * bar.n >= 0.5:  # half a row: more than the rounding of the bar
        notes = [*notes, Remark(code=RemarkCode.BETTER)]
    return Comparison(
        verifier=verifier,
        pinned=pinned,
        now=summary(items),
        bar=bar,
        shift=moved,
        # What got worse first, then rows whose agreement with the label did not change, then what got better.
        flips=tuple(sorted((item for item in items if item.flipped), key=lambda item: item.change)),
        gaps=tuple(gaps),
        notes=tuple(notes),
    )
