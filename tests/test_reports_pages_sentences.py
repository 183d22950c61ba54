"""Every code of a decision has words, and the answer reads as it should."""

from __future__ import annotations

import dataclasses
import re
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.answer import Answer, Control, Headline, answer
from restem.reports.analysis.compare import Note, NoteCode
from restem.reports.analysis.contest import Contest, ContestResult, arm_of
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.gate import Remark, RemarkCode
from restem.reports.analysis.plan import PlanDifference
from restem.reports.analysis.predictions import Tally
from restem.reports.analysis.ranking import rank
from restem.reports.analysis.recommendation import Advice, Fault, Recommendation
from restem.reports.analysis.reward_gap import GapMove, Parting
from restem.reports.analysis.unfinished import Lack, Missing
from restem.reports.data.read import read_run
from restem.reports.pages.comparison_sentences import note_sentence
from restem.reports.pages.finding_sentences import gap_sentences, missing_sentence, prediction_sentences
from restem.reports.pages.gate import remark_sentence
from restem.reports.pages.sentences import against_controls, answer_sentences, headline
from restem.reports.stats.estimates import NOTHING, Estimate
from restem.reports.stats.paired_tests import Equivalence, mcnemar
from restem.reports.tables.phrases import advice_cell, contest_words
from restem.reports.tables.plan import PLAN_DIFFERENCES
from tests.test_reports_pages_report import Size, build_run

EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"


@pytest.fixture(scope="module")
def linear() -> Findings:
    with Store(EXAMPLES / "linear_1d") as store:
        return find(read_run(store, brief=True), brief=True)


@pytest.fixture(scope="module")
def result(linear: Findings) -> Answer:
    return answer(linear, rank(linear))


def distinct(texts: list[str], codes: type[StrEnum]) -> None:
    assert len(set(texts)) == len(codes)
    assert all(texts)


def test_every_headline_has_a_sentence(result: Answer) -> None:
    answers = [dataclasses.replace(result, code=code) for code in Headline]
    answers[0] = dataclasses.replace(answers[0], best=None)
    answers[1] = dataclasses.replace(answers[1], gain=None)
    answers[-1] = dataclasses.replace(answers[-1], best=None)
    distinct([headline(each) for each in answers], Headline)


def test_the_first_sentence_says_after_which_iteration_to_stop(result: Answer) -> None:
    stopped = dataclasses.replace(result, stop=result.best, stop_gain=result.gain, equals=())
    assert result.best
    assert f" up to iteration {result.best.iteration}: " in headline(stopped)
    assert "up to iteration" not in headline(result)


def test_every_standing_against_controls_has_a_sentence(result: Answer) -> None:
    assert result.best
    shown = [dataclasses.replace(result, control=code) for code in Control]
    shown = [
        a if a.control in (Control.BEATEN, Control.NOT_BEATEN) else dataclasses.replace(a, best_control=None)
        for a in shown
    ]
    shown = [dataclasses.replace(a, untrained_controls=(result.best,)) for a in shown]
    distinct([against_controls(each, result.best) for each in shown], Control)


def test_every_recommendation_has_a_phrase(result: Answer) -> None:
    assert result.best
    advices = [
        Advice(standing=result.best, stability=None, code=code, than="other", stop_at=1, fault=Fault.REWARD_HACKED)
        for code in Recommendation
    ]
    distinct([advice_cell(each).text for each in advices], Recommendation)


def test_every_fault_has_a_phrase(result: Answer) -> None:
    assert result.best
    advices = [Advice(standing=result.best, stability=None, code=Recommendation.TRAIN, fault=fault) for fault in Fault]
    distinct([advice_cell(each).text for each in advices], Fault)


def test_every_result_of_a_contest_has_a_phrase(result: Answer) -> None:
    assert result.gain
    difference = result.gain.difference

    def contest(value: float, p: float, not_worse: float = 1.0, not_better: float = 1.0) -> Contest:
        return Contest(
            left="judge",
            right="base",
            difference=dataclasses.replace(difference, value=value),
            claim=dataclasses.replace(difference, value=value),
            flips=mcnemar(np.zeros(1, np.int64), np.zeros(1, np.int64)),
            equivalence=Equivalence(margin=0.05, not_worse=not_worse, not_better=not_better),
            p_value=p,
            adjusted_p=p,
        )

    each = [contest(0.1, 0.01), contest(-0.1, 0.01), contest(0.03, 0.01, 0.01, 0.01), contest(0.0, 0.9, 0.01)]
    each.append(contest(0.0, 0.9))
    assert [c.result for c in each] == list(ContestResult)
    distinct([contest_words(c) for c in each], ContestResult)
    one = dataclasses.replace(each[0], seeds=1)
    assert "better" in contest_words(each[0])
    assert "better" not in contest_words(one)
    assert "one seed" in contest_words(one)


def test_every_move_of_the_gap_has_a_sentence() -> None:
    def parting(low: float, high: float, iteration: int | None = 1) -> Parting:
        beyond = Estimate(value=(low + high) / 2, low=low, high=high, n=9, clusters=9)
        return Parting(arm="judge", iteration=iteration, start=0.1, change=beyond, beyond=beyond)

    each = [parting(0.1, 0.2), parting(-0.2, -0.1), parting(-0.1, 0.1), parting(-0.1, 0.1, None)]
    assert [p.move for p in each] == list(GapMove)
    distinct([" ".join(gap_sentences([p])) for p in each], GapMove)


def test_every_lack_has_words() -> None:
    distinct([missing_sentence(Missing(code=code, checkpoint="base", verifier="judge")) for code in Lack], Lack)


def test_every_note_of_a_comparison_has_a_sentence() -> None:
    distinct([note_sentence(Note(code=code, names=("judge",), left=0.25, right=0.5)) for code in NoteCode], NoteCode)


def test_every_remark_of_a_gate_has_a_sentence() -> None:
    distinct([remark_sentence(Remark(code=code, then=3, now=2, file="rows")) for code in RemarkCode], RemarkCode)


def test_every_difference_from_a_plan_has_words() -> None:
    assert set(PLAN_DIFFERENCES) == set(PlanDifference)


def test_the_prediction_is_told_with_its_error_and_its_order() -> None:
    (sentence,) = prediction_sentences(Tally(steps=3, within=2, error=0.0251, pairs=6, in_order=5))
    assert "off by 2.5 points on average" in sentence
    assert "2 of 3 within the interval" in sentence
    assert "5 of 6 pairs" in sentence
    assert prediction_sentences(None) == []


def test_names_in_braces_stay_as_they_are() -> None:
    parting = Parting(arm="{0.x} {}", iteration=None, start=0.0, change=NOTHING, beyond=NOTHING)
    assert "{0.x} {}" in gap_sentences([parting])[0]


def test_the_answer_names_arms_leads_and_control(tmp_path: Path) -> None:
    with Store(build_run(tmp_path, Size(problems=120, arms=("judge", "judge_blind", "accept_all")))) as store:
        findings = find(read_run(store))
    sentences = answer_sentences(answer(findings, rank(findings)))
    assert sentences[0].startswith("Train on judge: in this run of one seed, after 2 iterations gold accuracy rose by ")
    assert not any("better" in sentence for sentence in sentences)
    assert any(s.startswith("judge is ahead of judge_blind by +") for s in sentences)
    assert any("best control arm, accept_all: +" in s for s in sentences)


def test_the_gold_is_the_ceiling_and_never_what_to_train_on(linear: Findings, result: Answer) -> None:
    sentence = headline(result)
    assert sentence.startswith("Train on judge")
    assert re.search(r"\d+ % \[\d+, \d+\] of what the gold gave", sentence)
    alone = answer(linear, dataclasses.replace(rank(linear), candidates=(), best=None))
    assert "sympy" not in headline(alone)  # other arms are there, but have not been trained


def test_a_suite_of_the_gold_alone_says_what_it_brought(tmp_path: Path) -> None:
    with Store(build_run(tmp_path, Size(problems=60, arms=("sympy", "accept_all")))) as store:
        findings = find(read_run(store))
    result = answer(findings, rank(findings))
    assert result.code is Headline.CEILING_ALONE
    assert re.search(r"trained on sympy \(the gold itself\), in this run of one seed, .* rose by \+", headline(result))


def test_an_arm_is_called_by_its_verifier(result: Answer) -> None:
    assert result.best
    assert arm_of(result.best).verifier in headline(result)
