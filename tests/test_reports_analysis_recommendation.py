"""What the verdict says of an arm, and whether what it gained holds."""

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.answer import Control, Headline, Rival, answer
from restem.reports.analysis.contest import NOT_COMPARED, arm_of
from restem.reports.analysis.findings import Findings, Standing, find
from restem.reports.analysis.ranking import Ranking, rank
from restem.reports.analysis.recommendation import Advice, Fault, Recommendation, advise
from restem.reports.analysis.stability import Stability
from restem.reports.data.read import read_run
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Difference, Estimate
from restem.reports.tables.price import price
from restem.reports.tables.verdict import held, holds_cell
from tests.edited import edited
from tests.test_reports_pages_report import TPR_FPR, Size, build_run

EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"


def read(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store))


def advised(findings: Findings) -> dict[str, Advice]:
    return {arm_of(advice.standing).name: advice for advice in advise(findings, rank(findings))}


def names(standings: Iterable[Standing]) -> list[str]:
    return [arm_of(standing).name for standing in standings]


def recommended(findings: Findings, ranking: Ranking) -> list[str]:
    """The arms that the headline recommends."""
    result = answer(findings, ranking)
    if result.code is not Headline.TRAIN or not result.best:
        return []
    return names([result.best, *(rival.standing for rival in result.equals)])


@pytest.fixture(scope="module")
def linear() -> Findings:
    return read(EXAMPLES / "linear_1d")


@pytest.fixture(scope="module")
def dose() -> Findings:
    return read(EXAMPLES / "dose_response")


def test_a_verifier_that_accepts_ever_more_wrong_answers_of_its_policy_is_not_trusted(linear: Findings) -> None:
    """Whether it gains less than the best verifier or not."""
    advice = advised(linear)["judge_blind"]
    assert advice.code is Recommendation.OTHER_TRUSTED
    assert advice.than == "judge"
    assert advice.fault is Fault.UNTRUSTED_REWARD
    assert advice.stability
    assert advice.stability.accepts_more
    assert advice.stability.holds is False


def test_the_best_is_to_be_trained_on_or_one_that_is_shown_to_equal_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeds, "SPREAD", 0.01)  # the prior's 4 points would take more seeds than a test has time for
    monkeypatch.setitem(TPR_FPR, "vote", TPR_FPR["judge"])
    arms = ("sympy", "judge", "vote", "accept_all")
    findings = read(build_run(tmp_path, Size(problems=200, arms=arms, seeds=4)))
    advice, ranking = advised(findings), rank(findings)
    assert advice["sympy"].code is Recommendation.CEILING
    assert {advice[name].code for name in ("judge", "vote")} == {Recommendation.TRAIN}
    (tied,) = [item for item in advice.values() if item.code is Recommendation.TRAIN and item.than]
    assert tied.fault is None
    assert tied.contest
    assert tied.contest.equal
    assert tied.contest.equivalence.margin == 0.05
    assert ranking.seeds == tied.contest.seeds == 4
    assert set(ranking.shares) == {"judge", "vote", "accept_all"}


def test_an_arm_that_gained_no_more_than_a_control_is_not_recommended(plain_run: Path) -> None:
    findings = read(plain_run)
    ranking = rank(findings)
    best, other = ranking.candidates
    chance = (arm_of(other).name, "accept_all")
    tests = (dataclasses.replace(c, adjusted_p=0.2) if (c.left, c.right) == chance else c for c in ranking.contests)
    ranking = dataclasses.replace(ranking, contests=tuple(tests), worthy=(best,))
    advice = next(item for item in advise(findings, ranking) if item.standing is other)
    assert ranking.gained(other)
    assert not ranking.beaten(other)
    assert advice.code is Recommendation.CONTROL_MAY_DO
    assert advice.than == "accept_all"
    assert chance[0] not in recommended(findings, ranking)


def test_constant_error_rates_over_seeds_show_no_fault(dose: Findings) -> None:
    """Not on problems that they were not trained on; on the others their errors are learnt by heart."""
    for advice in advised(dose).values():
        assert advice.stability
        assert advice.stability.parts_at is None
        assert not advice.stability.accepts_more
        assert advice.fault in (None, Fault.MEMORISED)
    assert advised(dose)["t90_f10"].fault is Fault.MEMORISED


def test_one_iteration_shows_no_stability(tmp_path: Path) -> None:
    advice = advised(read(build_run(tmp_path, Size(problems=60, iterations=1))))
    assert advice["sympy"].stability
    assert advice["sympy"].stability.holds is None
    assert holds_cell(advice["sympy"].stability, gained=True) == ("not shown", "one iteration")


def test_without_a_gain_the_verdict_is_what_could_have_been_seen(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(problems=4, iterations=1, arms=("judge", "accept_all"))))
    advice, ranking = advised(findings)["judge"], rank(findings)
    gain = ranking.gain(advice.standing)
    assert gain
    assert advice.code is Recommendation.NO_GAIN
    assert advice.contest == gain


def test_an_arm_that_trained_nothing_stands_last_and_says_so(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(skipped=("judge/1", "judge/2"))))
    last = advise(findings, rank(findings))[-1]
    assert arm_of(last.standing).name == "judge"
    assert last.code is Recommendation.UNTRAINED


def test_the_verdict_has_a_row_for_every_arm_and_advises_no_control(linear: Findings, dose: Findings) -> None:
    for findings in (linear, dose):
        by_arm = advised(findings)
        assert set(by_arm) == {arm.name for arm in findings.run.arms}
        assert all((item.code is Recommendation.CONTROL) == arm_of(item.standing).control for item in by_arm.values())
        assert all((item.code is Recommendation.CEILING) == arm_of(item.standing).gold for item in by_arm.values())


def moved(low: float, high: float) -> Difference:
    """A change with its interval."""
    return dataclasses.replace(NOT_COMPARED, value=(low + high) / 2, low=low, high=high)


def stability(
    drift: Estimate = estimates.NOTHING,
    gains: tuple[Difference, ...] = (),
    memorised: Estimate = estimates.NOTHING,
) -> Stability:
    return Stability(against=(), parting=None, drift=drift, memorised=memorised, gains=gains)


def test_a_seed_shown_to_have_lost_what_another_is_shown_to_have_gained_is_a_fault() -> None:
    result = stability(gains=(moved(0.1, 0.2), moved(-0.1, -0.02), moved(0.1, 0.3)))
    assert holds_cell(result, gained=True) == ("no", "2 of 3 seeds gained")


def test_a_seed_whose_other_sign_may_be_chance_is_no_fault_and_no_proof() -> None:
    result = stability(gains=(moved(0.1, 0.2), moved(-0.1, 0.08), moved(0.1, 0.3)))
    assert holds_cell(result, gained=True) == ("not shown", "2 of 3 seeds gained; one iteration")


def test_more_false_accepts_than_on_the_base_are_a_fault_and_fewer_are_none() -> None:
    more = Estimate(value=0.2, low=0.1, high=0.3, n=9, clusters=9)
    fewer = Estimate(value=-0.2, low=-0.3, high=-0.1, n=9, clusters=9)
    some = Estimate(value=0.05, low=0.01, high=0.09, n=9, clusters=9)
    assert stability(drift=more).holds is False
    assert stability(memorised=more).holds is False
    assert stability(drift=fewer).holds is None
    assert stability(drift=some, memorised=some).holds is None  # less than what matters


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TPR_FPR, "vote", TPR_FPR["judge"])
        return build_run(tmp_path_factory.mktemp("plain"), Size(problems=40, arms=("judge", "vote", "accept_all")))


def altered(run: Path, folder: Path, *changes: tuple[str, str, str]) -> Findings:
    """The run with test verdicts changed: (verifier, checkpoint, new outcome in SQL, where g.outcome is the gold's)."""
    shutil.copy(run / "run.db", folder / "run.db")
    with edited(folder) as store:
        for verifier, checkpoint, outcome in changes:
            store.execute(
                f"UPDATE verdict SET outcome = (SELECT {outcome} FROM verdict g WHERE g.sample = verdict.sample"
                " AND g.verifier LIKE 'sympy-%') WHERE verifier LIKE ? AND sample IN (SELECT s.id FROM sample s"
                " JOIN problem p ON p.id = s.problem WHERE p.split = 'test' AND s.checkpoint = ?)",
                (f"{verifier}-%", checkpoint),
            )
    return read(folder)


def test_hacking_that_begins_after_the_gap_has_moved_otherwise_is_found(plain_run: Path, tmp_path: Path) -> None:
    findings = altered(plain_run, tmp_path, ("judge", "judge/1", "'wrong'"), ("judge", "judge/2", "'correct'"))
    advice = advised(findings)["judge"]
    assert advice.stability
    assert advice.stability.parts_at == 2
    assert advice.fault is Fault.UNTRUSTED_REWARD


def test_more_false_accepts_are_told_in_the_recommendation_though_reward_has_not_outgrown_accuracy(
    plain_run: Path, tmp_path: Path
) -> None:
    inverted = "CASE g.outcome WHEN 'correct' THEN 'wrong' ELSE 'correct' END"
    findings = altered(plain_run, tmp_path, ("judge", "judge/2", inverted))
    advice = advised(findings)["judge"]
    assert advice.stability
    assert advice.stability.parts_at is None
    assert advice.stability.drift.low > 0
    assert advice.fault is Fault.UNTRUSTED_REWARD
    assert names(answer(findings, rank(findings)).faulty) == ["judge"]


def test_the_best_arm_that_has_fallen_is_given_one_order(tmp_path: Path) -> None:
    run = build_run(tmp_path, Size(problems=120, arms=("judge", "accept_all")))
    (tmp_path / "fallen").mkdir()
    findings = altered(run, tmp_path / "fallen", ("sympy", "judge/1", "'correct'"))
    advice = advised(findings)["judge"]
    assert advice.code is Recommendation.TRAIN_UP_TO
    assert advice.stop_at == 1
    assert advice.fault is Fault.ACCURACY_FELL
    result = answer(findings, rank(findings))
    assert result.stop
    assert result.stop_gain
    assert result.gain
    assert result.stop.iteration == 1
    assert result.stop_gain.claim.value > result.gain.claim.value


def test_an_arm_that_is_not_shown_to_equal_the_best_is_not_called_tied(plain_run: Path) -> None:
    findings = read(plain_run)
    ranking = rank(findings)
    best, other = ranking.candidates
    contest = ranking.contest(best, other)
    assert not contest.equal
    assert not contest.decided
    advice = advised(findings)[arm_of(other).name]
    assert advice.code is Recommendation.TRAIN
    assert advice.than == arm_of(best).name
    assert advice.contest == contest
    assert recommended(findings, ranking) == [arm_of(best).name]


def test_an_arm_whose_reward_fails_is_recommended_neither_in_its_row_nor_in_the_headline(
    plain_run: Path, tmp_path: Path
) -> None:
    """Both gain alike; then one verifier accepts all that its last policy writes."""
    plain = read(plain_run)
    best, other = (arm_of(standing).name for standing in rank(plain).candidates)
    assert other in [arm_of(rival.standing).name for rival in rivals(plain)]
    findings = altered(plain_run, tmp_path, (other, f"{other}/2", "'correct'"))
    advice = advised(findings)
    assert (advice[best].code, advice[other].code) == (Recommendation.TRAIN, Recommendation.OTHER_TRUSTED)
    assert rivals(findings) == ()


def rivals(findings: Findings) -> tuple[Rival, ...]:
    """Those that the headline names beside the best arm."""
    result = answer(findings, rank(findings))
    return (*result.equals, *result.unclear)


def with_chance(ranking: Ranking, arm: str) -> Ranking:
    """The ranking where one arm's gain may be chance."""
    gains = (dataclasses.replace(g, adjusted_p=0.2) if g.left == arm else g for g in ranking.gains)
    worthy = tuple(s for s in ranking.worthy if arm_of(s).name != arm)
    return dataclasses.replace(ranking, gains=tuple(gains), worthy=worthy, best=worthy[0])


def test_headline_and_rows_recommend_the_same_arm_where_the_most_accurate_may_owe_it_to_chance(plain_run: Path) -> None:
    findings = read(plain_run)
    first, second = (arm_of(s).name for s in rank(findings).candidates)
    ranking = with_chance(rank(findings), first)
    assert names(ranking.worthy) == [second]
    codes = {arm_of(advice.standing).name: advice.code for advice in advise(findings, ranking)}
    assert codes == {first: Recommendation.NO_GAIN, second: Recommendation.TRAIN, "accept_all": Recommendation.CONTROL}
    assert recommended(findings, ranking) == [second]


def test_a_gain_that_the_correction_takes_back_is_neither_recommended_nor_priced(tmp_path: Path) -> None:
    """By its interval the judge's arm has gained; among four arms that may be chance."""
    size = Size(problems=14, test_samples=2, arms=("sympy", "judge", "judge_blind", "accept_all"))
    findings = read(build_run(tmp_path, size, seed=15))
    ranking, advice = rank(findings), advised(findings)["judge"]
    gain = ranking.gain(advice.standing)
    assert gain
    assert gain.claim.low > 0
    assert not gain.decided
    assert advice.code is Recommendation.NO_GAIN
    assert advice.contest == gain
    assert answer(findings, ranking).code is Headline.NO_GAIN
    row = next(
        r for r in price(findings).rows if (r["arm"].text, r["iteration"].text) == ("judge", str(ranking.ends["judge"]))
    )
    assert row["verdicts"].text == "–"


def test_a_control_that_accepted_nothing_is_known_to_have_trained_nothing(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(skipped=("accept_all/1", "accept_all/2"))))
    result = answer(findings, rank(findings))
    assert arm_of(result.best).name == "judge" if result.best else False
    assert result.control is Control.UNTRAINED
    assert names(result.untrained_controls) == names(result.idle) == ["accept_all"]
    table = held(findings, rank(findings))
    last = advise(findings, rank(findings))[-1]
    assert last.code is Recommendation.CONTROL
    assert last.stability is None
    assert table.rows[-1]["holds"] == ("–", "")


def test_an_arm_without_a_gain_has_none_that_holds(tmp_path: Path) -> None:
    findings = read(build_run(tmp_path, Size(arms=("accept_all",))))
    table = held(findings, rank(findings))
    assert table.rows[0]["holds"].text == "–"
