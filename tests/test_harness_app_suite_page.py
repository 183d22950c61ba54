"""docs/suite.md, `restem run --settings` and `restem init`: one text each, printed from the models."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pydantic
import pytest

from restem.benchmarks.catalog import BENCHMARKS
from restem.harness.app.suite_page import commented_suite, settings_page
from restem.harness.arms import ArmConfig, SweepConfig
from restem.harness.config import Suite, load_suite
from restem.harness.problem_sets import BenchmarkConfig, ColumnsConfig, FurtherTestConfig
from restem.harness.settings import (
    DecodingConfig,
    EngineConfig,
    GrpoConfig,
    MeshConfig,
    ProbeConfig,
    SamplingConfig,
    SelectionConfig,
    TrainingConfig,
)
from tests.conftest import restem

ROOT = Path(__file__).parents[1]
TABLES = (
    BenchmarkConfig,
    ColumnsConfig,
    FurtherTestConfig,
    GrpoConfig,
    SamplingConfig,
    DecodingConfig,
    TrainingConfig,
    EngineConfig,
    MeshConfig,
    ProbeConfig,
    ArmConfig,
    SelectionConfig,
    SweepConfig,
)


def test_the_page_in_docs_is_the_printed_one() -> None:
    page = (ROOT / "docs" / "suite.md").read_text("utf-8")
    assert page == settings_page(), "mend it: restem run --settings > docs/suite.md"


def test_run_prints_the_page_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert restem("run", "--settings").stdout == settings_page()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", [Suite, *TABLES])
def test_every_key_is_described(model: type[pydantic.BaseModel]) -> None:
    page = settings_page()
    for name, field in model.model_fields.items():
        is_table = field.annotation in TABLES
        assert is_table or field.description, name
        headers = (f"[{name}]", f".{name}]", f"[{name}.NAME]", f"| `{name}` |")
        assert any(header in page for header in headers), name


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_listed(name: str) -> None:
    assert f"| `{name}` |" in settings_page()


def test_init_writes_the_default_suite(tmp_path: Path) -> None:
    assert restem("init", tmp_path / "mine.toml").exit_code == 0
    assert load_suite(str(tmp_path / "mine.toml")) == load_suite("linear_1d")


def test_a_commented_suite_names_every_key_of_every_table() -> None:
    keys = {line.removeprefix("# ").partition(" =")[0] for line in commented_suite().splitlines() if " =" in line}
    wanted = {name for model in (Suite, *TABLES) for name, field in model.model_fields.items() if field.description}
    assert wanted - {"arms", "tests", "verifiers"} <= keys
    assert tomllib.loads(commented_suite())["sampling"]["train_samples"] == 8


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("mine")
    result = restem("init", tmp_path / "mine.toml")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (tmp_path / "mine.toml").read_text() == "mine"


def test_init_says_where_no_file_can_be(tmp_path: Path) -> None:
    result = restem("init", tmp_path / "nowhere" / "mine.toml")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
