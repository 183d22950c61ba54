"""The answer: which code the tests allow, and which arms and contests stand behind it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.answer import Answer, Control, Headline, answer
from restem.reports.analysis.contest import arm_of
from restem.reports.analysis.findings import Standing, find
from restem.reports.analysis.ranking import rank
from restem.reports.data.read import read_run
from tests.test_reports_pages_report import TPR_FPR, Size, build_run


def answer_of(folder: Path) -> Answer:
    with Store(folder) as store:
        findings = find(read_run(store))
    return answer(findings, rank(findings))


def names(standings: Iterable[Standing]) -> list[str]:
    return [arm_of(standing).name for standing in standings]


def test_the_better_verifier_is_recommended_with_its_paired_gain(tmp_path: Path) -> None:
    result = answer_of(build_run(tmp_path, Size(problems=120, arms=("judge", "judge_blind", "accept_all"))))
    assert result.code is Headline.TRAIN
    assert result.best
    assert result.gain
    assert arm_of(result.best).name == "judge"
    assert result.iteration == 2
    assert result.gain.claim.low > 0
    assert names(rival.standing for rival in result.behind) == ["judge_blind"]
    assert result.control is Control.BEATEN


def test_arms_that_cannot_be_told_apart_are_named_as_such(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TPR_FPR, "vote", TPR_FPR["judge"])
        result = answer_of(build_run(tmp_path, Size(problems=40, arms=("judge", "vote")), seed=2))
    assert result.unclear
    assert not any(rival.contest.decided or rival.contest.equal for rival in result.unclear)
    assert result.control is Control.ABSENT


def test_a_control_arm_is_never_the_best(tmp_path: Path) -> None:
    result = answer_of(build_run(tmp_path, Size(arms=("accept_all",))))
    assert result.code is Headline.NO_CHECKPOINT
    assert result.best is None


def test_an_arm_that_trained_nothing_is_not_ranked_however_lucky_its_samples(tmp_path: Path) -> None:
    arms = ("sympy", "judge", "judge_blind", "accept_all")
    result = answer_of(build_run(tmp_path, Size(arms=arms, skipped=("judge/1", "judge/2"))))
    assert result.best
    assert arm_of(result.best).name == "judge_blind"
    assert names(result.idle) == ["judge"]


def test_the_golds_coverage_is_given_where_it_left_samples_undecided(tmp_path: Path) -> None:
    result = answer_of(build_run(tmp_path, Size(problems=60, gold_undecided=0.2)))
    assert result.gold_coverage
    assert 0.7 < result.gold_coverage.base < 0.9


def test_a_gold_that_decided_nothing_gives_no_answer(tmp_path: Path) -> None:
    result = answer_of(build_run(tmp_path, Size(problems=12, iterations=1, gold_undecided=1.0)))
    assert result.code is Headline.NO_CHECKPOINT
