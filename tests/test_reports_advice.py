"""What the verdict says of an arm, and whether what it gained holds."""

from pathlib import Path

import pytest

from harness.store import Store
from reports import metrics
from reports.advice import Advice, advise, stable_cell, verdict
from reports.answer import answer
from reports.findings import Findings, find
from reports.metrics import Estimate
from reports.ranking import arm_of, rank
from reports.reading import read_run
from reports.stability import Stability
from tests.test_reports_render import Size, build_run

EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"


def read(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store))


def advised(findings: Findings) -> dict[str, Advice]:
    return {arm_of(one.standing).name: one for one in advise(findings, rank(findings))}


@pytest.fixture(scope="module")
def linear() -> Findings:
    return read(EXAMPLES / "linear_1d")


@pytest.fixture(scope="module")
def dose() -> Findings:
    return read(EXAMPLES / "dose_response")


def test_a_verifier_whose_reward_parts_while_accuracy_falls_is_called_hacked(linear: Findings) -> None:
    told = advised(linear)["judge_blind"]
    assert told.text == "reward-hacked: stop at iteration 1"
    assert told.stability.holds is False
    accuracy = {i: linear.standings["judge_blind", i].accuracy.value for i in (1, 2)}
    assert accuracy[1] > accuracy[2]


def test_the_best_is_to_be_trained_on_and_the_tied_one_told_with_what_could_be_seen(linear: Findings) -> None:
    told = advised(linear)
    assert told["sympy"].text == "train on it"
    assert told["judge"].text == "tied with sympy: take the cheaper"
    assert told["judge"].why.startswith("detectable: ")


def test_an_arm_that_gained_no_more_than_a_control_is_not_recommended(dose: Findings) -> None:
    told = advised(dose)["t90_f30"]
    ranking = rank(dose)
    assert ranking.gained(told.standing)
    assert not ranking.contest(ranking.standings[0], told.standing).decided
    assert told.text == "control t50_f50 may do as well"
    assert "t90_f30" not in answer(dose, ranking)[0]


def test_constant_error_rates_over_seeds_show_no_fault(dose: Findings) -> None:
    assert {one.stability.holds for one in advised(dose).values()} <= {True, None}


def test_one_iteration_shows_no_stability(tmp_path: Path) -> None:
    told = advised(read(build_run(tmp_path, Size(problems=60, iterations=1))))
    assert told["sympy"].stability.holds is None
    assert stable_cell(told["sympy"].stability) == ("not shown", "one iteration")


def test_without_a_gain_the_verdict_is_what_could_have_been_seen(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(problems=4, iterations=1, arms=("judge", "accept_all"))))
    told, ranking = advised(findings)["judge"], rank(findings)
    gain = ranking.gain(told.standing)
    assert gain
    assert told.text == "do not train on: no gain shown"
    assert told.why == f"detectable: {100 * gain.claim.detectable:.1f} points"


def test_an_arm_that_trained_nothing_stands_last_and_says_so(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(skipped=("judge/1", "judge/2"))))
    last = verdict(findings, rank(findings)).rows[-1]
    assert last[0].text == "judge"
    assert last[1].text == "not trained: nothing accepted"


def test_the_verdict_has_a_row_for_every_arm_and_advises_no_control(linear: Findings, dose: Findings) -> None:
    for findings in (linear, dose):
        told = advised(findings)
        assert set(told) == {arm.name for arm in findings.run.arms}
        assert all((one.text == "control") == arm_of(one.standing).control for one in told.values())


def stability(drift: Estimate = metrics.NOTHING, gains: tuple[float, ...] = ()) -> Stability:
    return Stability(against=(), parting=None, drift=drift, gains=gains)


def test_a_seed_that_lost_what_others_gained_is_a_fault() -> None:
    found = stable_cell(stability(gains=(0.1, -0.02, 0.2)))
    assert found == ("no", "2 of 3 seeds gained")
    assert stability(gains=(0.1, 0.02)).holds is None


def test_more_false_accepts_than_on_the_base_are_a_fault_and_fewer_are_none() -> None:
    more = Estimate(value=0.2, low=0.1, high=0.3, n=9, clusters=9)
    fewer = Estimate(value=-0.2, low=-0.3, high=-0.1, n=9, clusters=9)
    assert stability(drift=more).holds is False
    assert stability(drift=fewer).holds is None
