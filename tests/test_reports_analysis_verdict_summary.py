"""The summary of verdicts: counts, reasons, and rates against labels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.reports.analysis.verdict_summary import FIRST, VerdictSummary, summarize, unreadable_of
from restem.reports.pages.verdict_summary import data, text
from restem.verifiers.verdict import Outcome, Verdict, verdict_of

ROWS = st.lists(
    st.tuples(
        st.sampled_from(Outcome),
        st.sampled_from(["", "not_found", "syntax"]),
        st.sampled_from(["p", "q", "r"]),
        st.sampled_from([0, 1, None]),
    ),
    max_size=40,
)


def of(rows: list[tuple[Outcome, str, str, int | None]]) -> VerdictSummary:
    verdicts = [verdict_of(outcome, reason=reason or None) for outcome, reason, _, _ in rows]
    return summarize("v", verdicts, [row[2] for row in rows], [row[3] for row in rows])


def repeated(outcome: Outcome, label: int, count: int, problems: int) -> list[tuple[Outcome, str, str, int | None]]:
    return [(outcome, "", f"{label}{number % problems}", label) for number in range(count)]


@given(ROWS)
def test_every_row_is_counted_once(rows: list[tuple[Outcome, str, str, int | None]]) -> None:
    summary = of(rows)
    assert summary.correct + summary.wrong + summary.undecided == summary.rows == len(rows)
    assert sum(count for _, count in summary.reasons) == summary.undecided


@given(ROWS)
def test_reasons_come_most_frequent_first(rows: list[tuple[Outcome, str, str, int | None]]) -> None:
    counts = [count for _, count in of(rows).reasons]
    assert counts == sorted(counts, reverse=True)


@given(ROWS)
def test_the_rates_are_those_of_the_counts(rows: list[tuple[Outcome, str, str, int | None]]) -> None:
    rates = of(rows).rates
    if rates is None:
        assert all(row[3] is None for row in rows)
        return
    decided_right = rates.right_accepted + rates.right_refused
    decided_wrong = rates.wrong_accepted + rates.wrong_refused
    assert rates.tpr.n == decided_right
    assert rates.fpr.n == decided_wrong
    assert not decided_right or math.isclose(rates.tpr.value, rates.right_accepted / decided_right)
    assert not decided_wrong or math.isclose(rates.fpr.value, rates.wrong_accepted / decided_wrong)
    assert math.isclose(rates.decided.value, (decided_right + decided_wrong) / (rates.right + rates.wrong))


@given(ROWS)
def test_rows_without_a_label_change_no_rate(rows: list[tuple[Outcome, str, str, int | None]]) -> None:
    labelled = [row for row in rows if row[3] is not None]
    with_all, alone = of(rows).rates, of(labelled).rates
    assert repr(with_all) == repr(alone)


@given(ROWS)
def test_the_text_and_the_data_take_any_rows(rows: list[tuple[Outcome, str, str, int | None]]) -> None:
    summary = of(rows)
    assert text([summary, summary])
    (entry,) = data([summary])
    assert (entry["labels"] is None) == (summary.rates is None)


def test_rows_of_few_problems_leave_more_doubt_than_as_many_of_many() -> None:
    few = of(repeated(Outcome.CORRECT, 1, 400, 10)).rates
    many = of(repeated(Outcome.CORRECT, 1, 50, 50)).rates
    assert many is not None
    assert few is not None
    assert few.tpr.clusters == 10
    assert few.tpr.low < many.tpr.low


def test_a_rate_of_one_problem_has_a_wide_interval() -> None:
    rates = of(repeated(Outcome.CORRECT, 1, 100, 1)).rates
    assert rates is not None
    assert rates.tpr.low < 0.3


def test_without_a_wrong_row_there_is_no_fpr() -> None:
    (entry,) = data([of(repeated(Outcome.CORRECT, 1, 3, 3))])
    assert entry["labels"]["fpr"] is None
    assert entry["labels"]["tpr"][0] == 1.0


def test_the_first_unreadable_references_are_kept() -> None:
    problems = [
        Problem(id=str(number), question="q", reference=f"r{number}", split="test", source="f") for number in range(9)
    ]
    unreadable = unreadable_of([(problem, "syntax") for problem in problems[2:]], len(problems))
    assert unreadable is not None
    assert (unreadable.count, unreadable.problems) == (7, 9)
    assert unreadable.first == tuple((str(number), (f"r{number}",), "syntax") for number in range(2, 2 + FIRST))
    assert unreadable_of([], 9) is None


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u202e", "a\nb", "\x00"])
def test_no_row_sends_commands_to_a_terminal(hostile: str) -> None:
    problem = Problem(id=hostile, question="q", reference=hostile, split="test", source="f")
    unreadable = unreadable_of([(problem, hostile)], 1)
    verdict = Verdict(outcome=Outcome.UNDECIDED, reason=hostile)
    shown = text([summarize(hostile, [verdict], ["p"], [1], against=hostile, unreadable=unreadable)])
    assert hostile not in shown
