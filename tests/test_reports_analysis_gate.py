"""Whether a verifier got worse: laws of the tests, false alarms counted, and the message."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from restem.reports.analysis.gate import Bar, Comparison, Failure, Item, Remark, RemarkCode, compare, shift, summary
from restem.reports.pages.gate import as_json, message, page, quality_json, quality_tables
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import problem

CORRECT, WRONG, UNDECIDED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDECIDED
OUTCOMES = st.sampled_from(list(Outcome))
LABELS = st.sampled_from([CORRECT, WRONG])


def item(
    expected: Outcome | None, outcome: Outcome, label: Outcome | None = CORRECT, problem_id: str = "p", **verdict: Any
) -> Item:
    return Item(
        id=f"row of {problem_id}",
        problem=problem("Solve 3*x + 2 = 23 for x.", "7", problem_id),
        response="x = 7",
        label=label,
        expected=expected,
        verdict=Verdict(outcome=outcome, score=None if outcome is UNDECIDED else 1.0, **verdict),
    )


def bar(items: list[Item], margin: float = 0.0, confidence: float = 0.95) -> Bar:
    """What the items say was expected of them."""
    labelled = [item for item in items if item.label]
    agreed = sum(item.expected == item.label for item in labelled)
    return Bar(agreement=agreed / len(labelled), n=len(labelled), margin=margin, confidence=confidence)


@st.composite
def gated(draw: st.DrawFn) -> list[Item]:
    """Rows of a few problems, with any outcome then and now."""
    size = draw(st.integers(1, 30))
    return [item(draw(OUTCOMES), draw(OUTCOMES), draw(LABELS), f"p{draw(st.integers(0, 5))}") for _ in range(size)]


@given(gated())
def test_the_same_outcomes_again_pass_whatever_the_margin(items: list[Item]) -> None:
    same = [
        dataclasses.replace(i, verdict=Verdict(outcome=i.expected or UNDECIDED, score=None, reason="as before"))
        for i in items
    ]
    comparison = compare("v", same, pinned=True, bar=bar(same))
    assert comparison.passed
    assert comparison.flips == ()


@given(gated())
def test_a_pinned_verifier_fails_exactly_when_an_outcome_differs(items: list[Item]) -> None:
    comparison = compare("v", items, pinned=True, bar=None)
    assert comparison.passed == all(i.expected == i.verdict.outcome for i in items)
    assert len(comparison.flips) == sum(i.expected != i.verdict.outcome for i in items)


@given(gated(), st.floats(0, 0.3))
def test_a_verifier_that_agrees_no_less_than_before_is_never_worse(items: list[Item], margin: float) -> None:
    held = bar(items, margin)
    if summary(items).agreement.value >= held.agreement:
        assert not shift(items, held).significant


@given(gated(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(items: list[Item], order: random.Random) -> None:
    mixed = list(items)
    order.shuffle(mixed)
    assert shift(mixed, bar(items)).significant == shift(items, bar(items)).significant
    assert shift(mixed, bar(items)).value == pytest.approx(shift(items, bar(items)).value)


@given(gated())
def test_agreement_counts_undecided_as_disagreement_and_coverage_counts_the_decided(items: list[Item]) -> None:
    figures = summary(items)
    assert figures.agreement.value == pytest.approx(np.mean([i.verdict.outcome == i.label for i in items]))
    assert figures.coverage.value == pytest.approx(np.mean([i.verdict.outcome != UNDECIDED for i in items]))


def test_with_one_row_a_problem_the_limit_is_that_of_scipys_t_test_and_the_sign_test_is_scipys() -> None:
    items = [item(CORRECT, CORRECT, CORRECT, f"p{n}") for n in range(60)]
    items += [item(CORRECT, WRONG, CORRECT, f"worse{n}") for n in range(9)]
    items += [item(WRONG, CORRECT, CORRECT, f"better{n}") for n in range(3)]
    changes = [i.change for i in items]
    change = shift(items, bar(items))
    theirs = ttest_1samp(changes, 0, alternative="less").confidence_interval(0.95)
    assert change.value == pytest.approx(np.mean(changes))
    assert change.high == pytest.approx(theirs.high)
    assert (change.worse, change.better) == (9, 3)
    assert change.p_value == pytest.approx(binomtest(9, 12, alternative="greater").pvalue)


def test_three_rows_for_the_worse_and_none_for_the_better_are_no_proof_and_five_are() -> None:
    def changed(count: int) -> list[Item]:
        same = [item(CORRECT, CORRECT, CORRECT, f"p{n}") for n in range(200)]
        return same + [item(CORRECT, WRONG, CORRECT, f"worse{n}") for n in range(count)]

    assert not shift(changed(3), bar(changed(3))).significant
    assert shift(changed(5), bar(changed(5))).significant


def test_many_changed_rows_of_one_problem_count_as_one() -> None:
    rows = [item(CORRECT, CORRECT, CORRECT, f"p{n}") for n in range(50)]
    clustered = rows + [item(CORRECT, WRONG, CORRECT, "same") for _ in range(30)]
    many = rows + [item(CORRECT, WRONG, CORRECT, f"own{n}") for n in range(30)]
    assert not shift(clustered, bar(clustered)).significant
    assert shift(many, bar(many)).significant


def test_a_flood_of_undecided_is_worse_agreement() -> None:
    items = [item(CORRECT, UNDECIDED if n % 4 == 0 else CORRECT, CORRECT, f"p{n}") for n in range(100)]
    comparison = compare("v", items, pinned=False, bar=bar(items, margin=0.02))
    assert comparison.failures == (Failure.WORSE,)
    assert comparison.now.coverage.value == pytest.approx(0.75)


def test_a_fall_within_the_margin_passes_however_certain_it_is() -> None:
    items = [item(CORRECT, WRONG if n % 100 == 0 else CORRECT, CORRECT, f"p{n}") for n in range(5000)]
    assert shift(items, bar(items, margin=0.0)).significant
    assert not shift(items, bar(items, margin=0.01)).significant


def test_an_expected_number_without_rows_to_compare_is_held_against_the_agreement_of_all_rows() -> None:
    items = [item(None, WRONG if n % 5 == 0 else CORRECT, CORRECT, f"p{n}") for n in range(200)]
    for then, worse in ((0.8, False), (0.84, False), (0.9, True)):
        change = shift(items, Bar(agreement=then, n=200, margin=0.0, confidence=0.95))
        assert change.significant == worse
        assert change.worse is None


def test_one_problem_alone_proves_nothing() -> None:
    items = [item(CORRECT, WRONG) for _ in range(40)]
    change = shift(items, bar(items))
    assert math.isnan(change.high)
    assert not change.significant


@pytest.mark.parametrize(("flip", "margin"), [(0.5, 0.0), (0.1, 0.0), (0.01, 0.0), (0.05, 0.02)])
def test_a_judge_asked_again_fails_no_oftener_than_the_level_says(flip: float, margin: float) -> None:
    """Then and now are two draws from the same noisy judge; with a margin, now is worse by just that margin."""
    draw, rounds, alarms = np.random.default_rng(11), 250, 0
    numbers = [f"p{n // 4}" for n in range(400)]  # four rows a problem, which the judge finds equally hard
    for _ in range(rounds):
        hard = np.repeat(draw.beta(1, 1 / flip - 1, size=100), 4) if flip < 0.5 else np.full(400, 0.5)
        then, now = draw.random(400) < hard, draw.random(400) < hard + margin
        items = [
            item(WRONG if a else CORRECT, WRONG if b else CORRECT, CORRECT, name)
            for a, b, name in zip(then, now, numbers, strict=True)
        ]
        alarms += shift(items, bar(items, margin)).significant
    # An alarm is allowed in 5 % of the rounds; the bound leaves room for chance once in a thousand runs.
    assert binomtest(alarms, rounds, 0.05, alternative="greater").pvalue > 0.001


def test_a_judge_that_got_worse_by_five_points_is_found_nearly_always() -> None:
    draw, significant = np.random.default_rng(5), 0
    for _ in range(40):
        then, broken = draw.random(1000) < 0.03, draw.random(1000) < 0.05
        items = [
            item(WRONG if a else CORRECT, WRONG if a or b else CORRECT, CORRECT, f"p{n}")
            for n, (a, b) in enumerate(zip(then, broken, strict=True))
        ]
        significant += shift(items, bar(items, margin=0.01)).significant
    assert significant >= 38


def worsened() -> Comparison:
    hostile = dataclasses.replace(
        item(CORRECT, WRONG, CORRECT, "bad", rule="last_line", reason="two_answers\x1b[2J", answer="8"),
        id="row\x1b]0;title\x07",
        response="x = 7\x1b[31m\n\u202enot 8" + "y" * 5000,
    )
    rest = [item(CORRECT, WRONG if n < 12 else CORRECT, CORRECT, f"p{n}", rule="box") for n in range(100)]
    items = [item(WRONG, CORRECT, CORRECT, "good"), *rest, hostile]
    return compare(
        "mine",
        items,
        pinned=True,
        bar=bar(items, 0.01),
        notes=[Remark(code=RemarkCode.OTHER_VERIFIER, then="mine-1\x1b[0m", now="mine-2")],
    )


def test_the_message_says_old_and_new_agreement_the_test_and_each_flip_with_its_rule_and_reason() -> None:
    text = message(worsened(), shown=200)
    assert text.startswith("mine: FAILED\n")
    assert "agreement 99.0 % -> 87.3 % [" in text
    assert "change −11.76 points" in text
    assert "−1.00 is allowed" in text
    assert "problems worse 13, better 1: sign test p = 0.00092" in text
    assert "significantly worse than the margin allows" in text
    assert "14 golden rows flipped: 13 for the worse, 1 for the better" in text
    assert "correct -> wrong (label correct); rule last_line, reason two_answers\\x1b[2J, answer 8" in text
    assert "wrong -> correct (label correct)" in text
    assert text.index("row of p0") < text.index("row of good")
    assert "question: Solve 3*x + 2 = 23 for x." in text


def test_no_text_of_a_row_reaches_the_terminal_unescaped_or_at_full_length() -> None:
    for text in (message(worsened(), shown=200), page([worsened()])):
        assert not [character for character in text if ord(character) < 32 and character != "\n"]
        assert "\u202e" not in text
        assert len(max(text.splitlines(), key=len)) < 700


def test_a_long_list_is_cut_and_says_so_and_json_has_it_all() -> None:
    assert "and 11 more (--json lists all)" in message(worsened(), shown=3)
    report = json.loads(as_json([worsened()]))
    assert report["passed"] is False
    assert report["verifiers"][0]["failures"] == ["flipped", "worse"]
    assert report["verifiers"][0]["notes"][0]["code"] == "other_verifier"
    assert len(report["verifiers"][0]["flips"]) == 14
    assert report["verifiers"][0]["flips"][0]["expected"] == "correct"


def test_an_unpinned_verifier_that_passes_lists_no_rows_and_asks_for_an_update_where_it_got_better() -> None:
    items = [item(WRONG if n < 5 else CORRECT, CORRECT, CORRECT, f"p{n}") for n in range(50)]
    comparison = compare("v", items, pinned=False, bar=bar(items))
    assert comparison.passed
    assert [note.code for note in comparison.notes] == [RemarkCode.BETTER]
    assert "rows changed" not in message(comparison)


def test_rows_without_a_label_can_flip_and_count_in_no_agreement() -> None:
    items = [item(UNDECIDED, WRONG, None), item(CORRECT, CORRECT)]
    comparison = compare("v", items, pinned=True, bar=None)
    assert comparison.now.agreement.n == 1
    assert [flip.label for flip in comparison.flips] == [None]
    assert comparison.failures == (Failure.FLIPPED,)


def test_a_gap_in_what_could_be_checked_fails() -> None:
    gap = Remark(code=RemarkCode.ROWS_REMOVED, then=2, now=1)
    assert compare("v", [item(CORRECT, CORRECT)], pinned=True, bar=None, gaps=[gap]).failures == (Failure.NOT_CHECKED,)


def test_nothing_labelled_gives_dashes_and_nulls() -> None:
    comparison = compare("v", [item(CORRECT, CORRECT, None)], pinned=True, bar=None)
    assert comparison.passed
    assert "–" in page([comparison])
    assert json.loads(as_json([comparison]))["verifiers"][0]["agreement"] is None


def test_the_quality_table_has_sensitivity_and_specificity_of_what_was_decided() -> None:
    items = [item(None, CORRECT, CORRECT, f"a{n}") for n in range(90)]
    items += [item(None, WRONG, CORRECT, f"b{n}") for n in range(10)]
    items += [item(None, WRONG, WRONG, f"c{n}") for n in range(50)]
    items += [item(None, UNDECIDED, WRONG, f"d{n}") for n in range(50)]
    figures = {"mine": summary(items)}
    assert figures["mine"].sensitivity.value == pytest.approx(0.9)
    assert figures["mine"].specificity.value == 1.0
    assert figures["mine"].specificity.low < 0.95  # Wilson's: a perfect score of 50 is no certainty
    line = quality_tables({"rows.jsonl": figures}).splitlines()[2]
    assert line.startswith("| mine")
    assert "90.0 [" in line
    assert "75.0 [" in line
    report = json.loads(quality_json({"rows.jsonl": figures}))
    assert report["rows.jsonl"]["mine"]["sensitivity"][0] == pytest.approx(0.9)


def test_each_file_of_rows_has_a_quality_table_of_its_own() -> None:
    right, wrong = ({"mine": summary([item(None, outcome, CORRECT)])} for outcome in (CORRECT, WRONG))
    text = quality_tables({"one.jsonl": right, "other.jsonl": wrong})
    first, second = text.split("\n\n`other.jsonl`:\n\n")
    assert first.startswith("`one.jsonl`:\n\n| ")
    assert "| 100.0" in first
    assert "| 0.0" in second
