"""Each sampling setting is classified once, and runs that differ in a measuring one are never compared."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from restem.harness.errors import ConfigError
from restem.harness.sampling_settings import AMOUNT, DRAWN, MEASURING, SAMPLING_SETTINGS, SPEED, measuring_settings
from restem.harness.settings import SamplingConfig
from restem.harness.store.store import Store
from restem.reports.analysis.plan import origin
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.plan import hold
from tests.conftest import restem

EXAMPLE = Path(__file__).parents[1] / "reports" / "examples" / "dose_response"
OTHER = {
    "temperature": 1.5,
    "top_k": 7,
    "top_p": 0.5,
    "max_new_tokens": 9,
    "compute_dtype": "float32",
    "test": {"temperature": 1.5},
}


def with_sampling(folder: Path, **changes: object) -> Path:
    """A copy of the example with other settings in its recorded suite; None takes one away."""
    folder.mkdir()
    shutil.copy(EXAMPLE / "run.db", folder)
    database = sqlite3.connect(folder / "run.db")
    [(text,)] = database.execute("SELECT value FROM run WHERE key = 'suite'")
    suite = json.loads(text)
    suite["sampling"] = {k: v for k, v in (suite["sampling"] | changes).items() if v is not None}
    database.execute("UPDATE run SET value = ? WHERE key = 'suite'", (json.dumps(suite),))
    database.commit()
    database.close()
    return folder


@pytest.fixture(scope="module")
def run() -> Run:
    with Store(EXAMPLE) as store:
        return read_run(store)


def changed(run: Run, **changes: object) -> Run:
    """The run, had it been sampled with other settings."""
    suite = {**run.suite, "sampling": run.suite["sampling"] | changes}
    return dataclasses.replace(run, facts={**run.facts, "suite": suite})


def test_every_sampling_setting_is_classified() -> None:
    assert list(SAMPLING_SETTINGS) == list(SamplingConfig.model_fields)
    assert set(SAMPLING_SETTINGS.values()) == {MEASURING, AMOUNT, DRAWN, SPEED}


def test_a_run_of_the_first_version_sampled_with_the_defaults() -> None:
    assert measuring_settings({}) | {"temperature": 0.7, "top_k": 40, "max_new_tokens": 56} == measuring_settings(
        SamplingConfig().model_dump()
    )


@pytest.mark.parametrize("setting", ["top_p", "compute_dtype"])
def test_runs_that_differ_in_a_measuring_setting_are_not_compared(tmp_path: Path, setting: str) -> None:
    other = with_sampling(tmp_path / "other", **{setting: OTHER[setting]})
    result = restem("compare", EXAMPLE, other, "--output", tmp_path / "page")
    assert result.exit_code == 2
    assert f"sampling.{setting} is" in result.stderr
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"top_p": 0.95}, "sampling.top_p is 1.0 in A, 0.95 in B"),
        ({"greedy": True}, "sampling.top_k is 40 in A, 1 in B"),
    ],
)
def test_runs_whose_test_samples_were_drawn_otherwise_are_not_compared(
    tmp_path: Path, test: dict[str, object], message: str
) -> None:
    other = with_sampling(tmp_path / "other", test=test)
    result = restem("compare", EXAMPLE, other, "--output", tmp_path / "page")
    assert result.exit_code == 2
    assert message in result.stderr


def test_runs_whose_test_samples_were_drawn_alike_are_compared_however_they_were_trained(tmp_path: Path) -> None:
    with Store(EXAMPLE) as store:
        usual = store.run()["suite"]["sampling"]["temperature"]
    other = with_sampling(tmp_path / "other", temperature=1.5, test={"temperature": usual, "greedy": False})
    assert restem("compare", EXAMPLE, other, "--output", tmp_path / "page").exit_code == 0


@pytest.mark.parametrize("setting", [name for name, changes in SAMPLING_SETTINGS.items() if changes == MEASURING])
def test_a_plan_belongs_to_its_measuring_settings(run: Run, setting: str) -> None:
    assert origin(changed(run, **{setting: OTHER[setting]}))["sampling"] != origin(run)["sampling"]


def test_a_plan_belongs_to_no_setting_of_speed(run: Run) -> None:
    assert origin(changed(run, rows=7)) == origin(run)


def test_a_plan_that_names_fewer_settings_is_held_to_those(run: Run) -> None:
    planned = {"sampling": {"temperature": 0.7, "top_k": 40, "max_new_tokens": 56}}
    hold(run, planned, EXAMPLE / "plan.json")
    with pytest.raises(ConfigError, match="other sampling"):
        hold(changed(run, temperature=1.5), planned, EXAMPLE / "plan.json")
