"""Arms that are trained by GRPO: laws of the advantages, what run.db holds of them, and small runs."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.app.run import run_suite
from restem.harness.config import load_suite, parse_suite
from restem.harness.errors import ConfigError
from restem.harness.loop.advantages import advantages, reward_of, select_by_advantage
from restem.harness.store.records import Sample
from restem.harness.store.store import Store
from restem.reports.analysis import plan, predictions
from restem.reports.analysis.findings import TRAIN, find
from restem.reports.data.read import read_run
from restem.reports.tables.training_data import training_data
from restem.verifiers.verdict import Outcome, Verdict
from tests.rows import lasting_rows
from tests.small_suite import small_suite
from tests.strategies import judged_samples

TRL = json.loads((Path(__file__).parent / "golden" / "grpo_trl.json").read_text())
rewards = st.lists(st.integers(0, 4).map(lambda quarter: quarter / 4), min_size=2, max_size=12)


@given(rewards, st.floats(0.5, 100), st.floats(-100, 100))
def test_advantages_do_not_depend_on_the_rewards_unit_or_zero(group: list[float], unit: float, zero: float) -> None:
    moved = [unit * reward + zero for reward in group]
    if len(set(group)) == len(set(moved)):
        # The constant beside the deviation, 1e-4, is what is left of the unit.
        assert advantages(moved) == pytest.approx(advantages(group), abs=5e-3)


@given(rewards)
def test_advantages_of_a_group_sum_to_zero_and_have_deviation_one(group: list[float]) -> None:
    weights = advantages(group)
    assert sum(weights) == pytest.approx(0, abs=1e-9)
    assert statistics.stdev(weights) == pytest.approx(1 if len(set(group)) > 1 else 0, abs=2e-3)


@given(st.lists(st.just(0.3), max_size=9))
def test_equal_rewards_have_no_advantage(group: list[float]) -> None:
    assert advantages(group) == [0.0] * len(group)


@pytest.mark.parametrize("key", ["", "unscored_"])
def test_advantages_are_trls_where_responses_were_not_scored_too(key: str) -> None:
    given_rewards, expected = TRL[f"{key}rewards"], TRL[f"{key}advantages"]
    ours: list[float] = []
    for group in (given_rewards[:5], given_rewards[5:]):
        of_scored = iter(advantages([reward for reward in group if reward is not None]))
        ours += [0.0 if reward is None else next(of_scored) for reward in group]
    assert ours == pytest.approx(expected, abs=1e-6)


@given(judged_samples())
def test_every_sample_has_its_advantage_or_the_reason_that_left_it_out(
    judged: tuple[list[Sample], dict[int, Verdict]],
) -> None:
    samples, verdicts = judged
    selection = select_by_advantage("a/1", samples, verdicts)
    assert [row.sample for row in selection.rows] == [sample.id for sample in samples]
    for row in selection.rows:
        undecided = verdicts[row.sample].outcome is Outcome.UNDECIDED
        assert (row.dropped_by == "undecided") == undecided
        assert (row.dropped_by is None) == (row.weight != 0)


@given(judged_samples())
def test_an_undecided_sample_changes_nothing_of_its_group(
    judged: tuple[list[Sample], dict[int, Verdict]],
) -> None:
    samples, verdicts = judged
    decided = [sample for sample in samples if verdicts[sample.id].outcome is not Outcome.UNDECIDED]
    assert (
        select_by_advantage("a/1", samples, verdicts).trained == select_by_advantage("a/1", decided, verdicts).trained
    )


def test_a_graded_reward_is_the_score_and_a_judges_confidence_is_none() -> None:
    graded = Verdict(outcome=Outcome.WRONG, score=0.25, raw_reward=-3.0)
    judged = Verdict(outcome=Outcome.CORRECT, score=0.8)
    assert (reward_of(graded), reward_of(judged)) == (0.25, 1)
    assert reward_of(Verdict(outcome=Outcome.UNDECIDED)) is None


SUITE = small_suite(
    "both",
    """
[[arms]]
name = "em"
verifier = "sympy"

[[arms]]
name = "grpo"
verifier = "sympy"
algorithm = "grpo"
learning_rate = 1e-3

[[arms]]
name = "nothing"
verifier = "accept_all"
algorithm = "grpo"
""",
    seed=3,
    iterations=2,
    train=8,
    train_samples=6,
    rows=48,
    steps=2,
)


def run(folder: Path, *overrides: str) -> Path:
    (folder.parent / "suite.toml").write_text(SUITE)
    run_suite(load_suite(str(folder.parent / "suite.toml"), overrides), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("both") / "run")


def test_a_grpo_arm_goes_on_from_the_policy_that_drew_its_samples(folder: Path) -> None:
    with Store(folder) as store:
        first, second = store.checkpoint("grpo/1"), store.checkpoint("grpo/2")
    assert first is not None
    assert second is not None
    assert (first.started_from, first.sampled_from) == ("base", "base")
    assert (second.started_from, second.sampled_from) == ("grpo/1", "grpo/1")


def test_its_selection_holds_advantages_of_both_signs(folder: Path) -> None:
    with Store(folder) as store:
        selection = store.selection("grpo/1")
    assert selection is not None
    weights = [row.weight for row in selection.trained]
    assert min(weights) < 0 < max(weights)
    assert sum(weights) == pytest.approx(0, abs=1e-6)


def test_equal_rewards_leave_the_policy_as_it_is(folder: Path) -> None:
    with Store(folder) as store:
        base, after, selection = store.checkpoint("base"), store.checkpoint("nothing/2"), store.selection("nothing/2")
    assert base is not None
    assert after is not None
    assert selection is not None
    assert (after.kind, after.params_sha256) == ("skipped", base.params_sha256)
    assert {row.dropped_by for row in selection.rows} == {"no_signal"}


def test_a_run_that_was_stopped_within_grpo_gives_the_same_rows(folder: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", "iterations=1")
    run(tmp_path / "run")
    assert lasting_rows(tmp_path / "run") == lasting_rows(folder)


def test_reports_predict_nothing_for_grpo_and_count_what_it_trains_against(folder: Path) -> None:
    with Store(folder) as store:
        findings = find(read_run(store))
    assert {step.arm for step in predictions.predict(findings)} <= {"em"}
    assert {prospect.name for prospect in plan.make(findings.run).prospects} == {"em", "accept_all"}
    (data,) = (item for item in findings.data if item.arm.name == "grpo" and item.iteration == 1)
    run_of, rows = findings.run, findings.run.choices["grpo/1"].rows
    assert run_of.size(TRAIN) == 8
    outcomes = run_of.outcome("sympy", rows)
    assert data.kept + data.negatives + data.dropped.get("no_signal", 0) == len(rows) == len(outcomes)
    assert data.precision.value == 1  # only accepted samples are made likelier, and the gold accepted them
    assert "negatives" in [column.key for column in training_data(findings).columns]


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("restart", True, "restart = true"),
        ("selection", {"cap": 3}, "selection"),
        ("source", "references", 'source = "references"'),
    ],
)
def test_what_does_not_go_with_grpo_is_refused(key: str, value: object, named: str) -> None:
    arm = {"name": "a", "verifier": "sympy", "algorithm": "grpo", key: value}
    with pytest.raises(ConfigError, match=named):
        parse_suite({"name": "s", "arms": [arm]}, "s.toml")


@pytest.mark.slow
def test_reward_rises_in_a_small_run(tmp_path: Path) -> None:
    settings = ("iterations=6", "benchmark.train=32", "benchmark.test=48", "training.steps=8", "sampling.rows=96")
    folder = run(tmp_path / "run", *settings, "benchmark.regime=[2.0, 3.0]")
    with Store(folder) as store:
        verifier = read_run(store).fingerprints["sympy"]

        def reward(checkpoint: str) -> float:
            verdicts = store.verdicts(checkpoint, "test", verifier).values()
            return statistics.fmean(verdict.reward or 0 for verdict in verdicts)

        assert reward("grpo/6") > reward("base")
