"""Arms with settings of their own: iterations, samples, problems, temperature, restart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from restem.harness.app.run import run_suite
from restem.harness.app.suite_check import suite_problems
from restem.harness.config import load_suite, parse_suite
from restem.harness.errors import ConfigError
from restem.harness.names import unmarked
from restem.harness.store.store import Store
from restem.reports.analysis.forecast import KEPT, forecast
from restem.reports.analysis.unfinished import missing
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from tests.rows import lasting_rows
from tests.small_suite import small_suite

ARMS = small_suite(
    "arms",
    """
[[arms]]
name = "usual"
verifier = "sympy"

[[arms]]
name = "longer"
verifier = "sympy"
iterations = 2
restart = false

[[arms]]
name = "more_samples"
verifier = "sympy"
samples = 8

[[arms]]
name = "fewer_problems"
verifier = "sympy"
problems = 2

[[arms]]
name = "hotter"
verifier = "sympy"
temperature = 1.5
steps = 2

[[arms]]
name = "less"
verifier = "exact"
samples = 2
problems = 3
""",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("arms")
    (place / "suite.toml").write_text(ARMS)
    run_suite(load_suite(str(place / "suite.toml")), place / "run", quiet=True)
    return place / "run"


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    with Store(folder) as store:
        return read_run(store)


def test_each_arm_has_its_own_number_of_iterations(run: Run) -> None:
    assert {arm.name: len(run.chain(arm.name)) for arm in run.arms} == {
        "usual": 1,
        "longer": 2,
        "more_samples": 1,
        "fewer_problems": 1,
        "hotter": 1,
        "less": 1,
    }
    assert not missing(run)


def test_arms_that_sample_the_base_alike_share_its_samples(folder: Path) -> None:
    with Store(folder) as store:
        drawn = {id: len(store.samples(id, "train")) for id, split in store.sampled_splits("train")}
    assert drawn == {"base": 4 * 8, "longer/1": 4 * 4, "base~t1.5": 4 * 4}


def test_an_arm_selects_among_its_first_problems_and_samples(folder: Path) -> None:
    with Store(folder) as store:
        problems = [problem.id for problem in store.problems("train")]
        samples = {sample.id: sample for id in ("base", "base~t1.5") for sample in store.samples(id, "train")}
        used: dict[str, set[tuple[int, int]]] = {}
        for arm in ("usual", "more_samples", "fewer_problems", "hotter"):
            selection = store.selection(f"{arm}/1")
            assert selection is not None
            rows = [samples[row.sample] for row in selection.rows]
            used[arm] = {(problems.index(sample.problem), sample.index) for sample in rows}
    assert used == {
        "usual": {(p, k) for p in range(4) for k in range(4)},
        "more_samples": {(p, k) for p in range(4) for k in range(8)},
        "fewer_problems": {(p, k) for p in range(2) for k in range(4)},
        "hotter": {(p, k) for p in range(4) for k in range(4)},
    }


def test_the_selection_can_be_repeated_from_the_rows_of_a_report(folder: Path, run: Run) -> None:
    with Store(folder) as store:
        for arm in run.arms:
            selection = store.selection(f"{arm.name}/1")
            assert selection is not None
            assert set(run.samples.id[run.first_rows(arm)].tolist()) == {row.sample for row in selection.rows}
            assert forecast(run, arm, [arm], 4).counts[:, KEPT].sum() == len(selection.kept)


def test_an_arms_own_settings_are_those_of_its_training(run: Run) -> None:
    steps = {id: checkpoint.steps for id, checkpoint in run.checkpoints.items() if checkpoint.kind == "trained"}
    assert steps["usual/1"] == 1
    assert steps["hotter/1"] == 2
    assert run.checkpoints["longer/2"].started_from == "longer/1"
    assert run.checkpoints["usual/1"].started_from == "base"


def test_equal_first_steps_of_arms_give_equal_policies_and_temperature_changes_texts(run: Run) -> None:
    usual, hotter = run.rows("base", "train"), run.rows("base~t1.5", "train")
    assert not np.array_equal(run.samples.text[usual[:4]], run.samples.text[hotter[:4]])
    assert all(unmarked(id) == "base" for id in ("base", "base~t1.5"))


def test_a_suite_whose_arms_set_nothing_has_the_rows_of_one_that_says_the_same_for_each(tmp_path: Path) -> None:
    plain = ARMS[: ARMS.index('[[arms]]\nname = "longer"')]
    rows = []
    for name, suite in {
        "plain": plain,
        "told": plain + "iterations = 1\nsamples = 4\nproblems = 4\nsteps = 1\n",
    }.items():
        (tmp_path / "suite.toml").write_text(suite)
        run_suite(load_suite(str(tmp_path / "suite.toml")), tmp_path / name, quiet=True)
        tables = lasting_rows(tmp_path / name)
        rows.append({table: tables[table] for table in ("sample", "verdict", "selection", "checkpoint")})
    assert rows[0] == rows[1]


def test_an_arm_with_more_problems_than_there_are_is_refused() -> None:
    arms = [{"name": "a", "verifier": "sympy", "problems": 300}]
    with pytest.raises(ConfigError, match=r"arms\.0\.problems: found 300, expected at most 256"):
        suite_problems(parse_suite({"name": "x", "arms": arms}, "suite.toml"))


def test_an_arm_asks_no_verifier_about_samples_that_it_does_not_train_on(folder: Path) -> None:
    with Store(folder) as store:
        problems = [problem.id for problem in store.problems("train")]
        samples = {sample.id: sample for sample in store.samples("base", "train")}
        asked = store.verdicts("base", "train", store.run()["verifiers"]["exact"])
    assert {(problems.index(samples[id].problem), samples[id].index) for id in asked} == {
        (p, k) for p in range(3) for k in range(2)
    }


def refusal(tmp_path: Path, arms: str) -> str:
    (tmp_path / "suite.toml").write_text(small_suite("refused", arms))
    with pytest.raises(ConfigError) as error:
        run_suite(load_suite(str(tmp_path / "suite.toml")), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    return str(error.value)


def test_a_vote_over_samples_that_its_arm_does_not_train_on_is_refused(tmp_path: Path) -> None:
    other = '[[arms]]\nname = "all"\nverifier = "sympy"\n'
    fewer = other + '[[arms]]\nname = "vote"\nverifier = "majority"\nsamples = 2\n'
    assert "arms.1.samples: found 2, expected 4" in refusal(tmp_path, fewer)


def test_a_vote_over_worked_solutions_is_refused(tmp_path: Path) -> None:
    arms = '[[arms]]\nname = "vote"\nverifier = "majority"\nsource = "references"\n'
    assert "arms.0.source: found 'references'" in refusal(tmp_path, arms)


def test_grpo_on_one_sample_a_problem_is_refused(tmp_path: Path) -> None:
    arms = '[[arms]]\nname = "one"\nverifier = "sympy"\nalgorithm = "grpo"\nsamples = 1\n'
    assert "arms.0.samples: found 1, expected at least 2" in refusal(tmp_path, arms)


def test_more_problems_than_a_file_holds_are_refused(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n), "split": "train"} for n in range(6)]
    rows += [
        {"question": f"What is {n} + 1?", "answer": str(n + 1), "split": s}
        for n, s in ((50, "validation"), (60, "test"))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arms = [{"name": "a", "verifier": "sympy", "problems": 7}]
    suite = parse_suite(
        {"name": "x", "benchmark": {"name": "file", "path": str(tmp_path / "rows.jsonl")}, "arms": arms}, "suite.toml"
    )
    with pytest.raises(ConfigError, match=r"arms\.0\.problems: found 7, expected at most 6"):
        suite_problems(suite)


def test_arms_of_nearly_equal_temperatures_have_samples_of_their_own() -> None:
    arms = [{"name": name, "verifier": "sympy", "temperature": t} for name, t in (("a", 0.9), ("b", 0.90000001))]
    suite = parse_suite({"name": "x", "arms": arms}, "suite.toml")
    assert len({suite.settings_of(arm).first for arm in suite.arms}) == 2
