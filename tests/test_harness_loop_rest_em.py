"""The loop on the smallest run: what it trains on, what it goes on from."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from restem.harness.app.run import run_suite
from restem.harness.config import load_suite
from restem.harness.errors import ConfigError, StoreFailed
from restem.harness.loop.maximisation import training_examples
from restem.harness.model.policy import Policy
from restem.harness.store import schema
from restem.harness.store.provenance import PROCESS, provenance
from restem.harness.store.records import Sample, Selected, Selection
from restem.harness.store.store import Store
from restem.reports.data.read import read_run
from restem.reports.tables.provenance import other_programs
from tests.conftest import problem, restem
from tests.edited import edited
from tests.old_runs import SCHEMAS, as_of
from tests.rows import lasting_rows
from tests.small_suite import small_suite

SUITE = small_suite(
    "smallest",
    """
[[arms]]
name = "sympy"
verifier = "sympy"
""",
    seed=3,
)


def run(folder: Path, *overrides: str) -> Path:
    """The folder, with a run of the suite brought to its end; no report."""
    (folder.parent / "suite.toml").write_text(SUITE)
    run_suite(load_suite(str(folder.parent / "suite.toml"), overrides), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def one_iteration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="module")
def two_iterations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("two") / "run", "iterations=2")


def all_samples(folder: Path) -> list[Sample]:
    with Store(folder) as store:
        return [sample for group in store.sampled_splits() for sample in store.samples(*group)]


def test_a_sample_keeps_the_tokens_that_were_drawn(one_iteration: Path, tiny: Policy) -> None:
    for sample in all_samples(one_iteration):
        assert sample.token_ids is not None
        assert len(sample.token_ids) == sample.token_count
        assert tiny.tokenizer.decode(sample.token_ids) == sample.text
        assert (sample.token_ids[-1] in tiny.tokenizer.stop_ids) == (sample.finish_reason == "stop")


def examples(tiny: Policy, folder: Path, ids: tuple[int, ...] | None, row_length: int = 64) -> list[tuple[int, ...]]:
    """The response ids that a sample with the text `x = 12` is trained on."""
    sample = Sample(
        checkpoint="base",
        problem="p",
        index=0,
        text="x = 12",
        token_count=len(ids or ()),
        mean_logprob=0.0,
        finish_reason="stop",
        token_ids=ids,
    )
    with Store(folder, write=True) as store:
        store.add_problems([dataclasses.replace(problem("q", "1", id="p"), split="train")])
        store.add_samples([sample])
        suite = SimpleNamespace(training=SimpleNamespace(row_length=row_length))
        made: Any = SimpleNamespace(store=store, base=tiny, suite=suite, problems=store.problems)
        selection = Selection(checkpoint="a/1", rows=(Selected(sample=sample.id, weight=1.0),))
        return [example.response_ids for example in training_examples(made, "base", selection)]


def test_a_response_is_trained_on_as_it_was_drawn(tiny: Policy, tmp_path: Path) -> None:
    spelt = (*(id for character in "x = 12" for id in tiny.tokenizer.encode(character)), tiny.tokenizer.eos_id)
    assert spelt != tuple(tiny.tokenizer.encode_response("x = 12"))
    assert examples(tiny, tmp_path, spelt) == [spelt]


def test_a_response_without_token_ids_is_encoded(tiny: Policy, tmp_path: Path) -> None:
    assert examples(tiny, tmp_path, None) == [tuple(tiny.tokenizer.encode_response("x = 12"))]


def test_an_encoded_response_that_fits_no_row_is_left_out_and_counted(tiny: Policy, tmp_path: Path) -> None:
    assert examples(tiny, tmp_path, None, row_length=8) == []
    with Store(tmp_path) as store:
        assert store.logged("too_long") == [{"checkpoint": "a/1", "examples": 1}]


def test_a_finished_run_takes_more_iterations(one_iteration: Path, two_iterations: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(one_iteration, tmp_path / "more"))
    run(folder, "iterations=2")
    assert lasting_rows(folder) == lasting_rows(two_iterations)
    with Store(folder) as store:
        assert store.run()["suite"]["iterations"] == 2


@pytest.mark.parametrize("key", ["finished", "suite"])
def test_a_run_whose_extension_was_killed_is_extended_the_next_time(
    one_iteration: Path, two_iterations: Path, tmp_path: Path, key: str
) -> None:
    """The process ends before it writes this fact about the run."""
    folder = Path(shutil.copytree(one_iteration, tmp_path / "more"))
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute(
            f"CREATE TRIGGER kill BEFORE INSERT ON run WHEN NEW.key = '{key}' BEGIN SELECT RAISE(ABORT, 'killed'); END"
        )
    with pytest.raises(StoreFailed, match="killed"):
        run(folder, "iterations=2")
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute("DROP TRIGGER kill")
    run(folder, "iterations=2")
    assert lasting_rows(folder) == lasting_rows(two_iterations)


def test_a_run_cannot_have_fewer_iterations_than_it_began_with(two_iterations: Path) -> None:
    with pytest.raises(ConfigError, match=r"another suite: iterations: 2 now 1\. Set"):
        run(two_iterations)


def test_of_another_suite_only_what_differs_is_named(one_iteration: Path) -> None:
    with pytest.raises(ConfigError) as error:
        run(one_iteration, "iterations=2", "sampling.train_samples=5", "arms.0.selection.cap=3")
    named = "another suite: sampling.train_samples: 4 now 5; arms.0.selection.cap: 10 now 3. Set"
    assert named in str(error.value)


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_half_finished_run_of_an_earlier_version_goes_on(one_iteration: Path, tmp_path: Path, version: int) -> None:
    """It was stopped before the M-step, which up to version 3 then trains on samples without token ids."""
    folder = Path(shutil.copytree(one_iteration, tmp_path / "old"))
    with edited(folder) as db:
        db.execute("DELETE FROM verdict WHERE sample IN (SELECT id FROM sample WHERE checkpoint = 'sympy/1')")
        db.execute("DELETE FROM sample WHERE checkpoint = 'sympy/1'")
        db.execute("DELETE FROM checkpoint WHERE id = 'sympy/1'")
        db.execute("DELETE FROM run WHERE key = 'finished'")
        # Earlier versions recorded the hash of the base's parameters.
        db.execute(
            "UPDATE run SET value = (SELECT json_quote(params_sha256) FROM checkpoint WHERE id = 'base')"
            " WHERE key = 'base_sha256'"
        )
    as_of(folder, version)
    run(folder)
    with Store(folder) as store:
        assert store.query("PRAGMA user_version") == [(schema.VERSION,)]
        assert store.run()["finished"]
    samples = all_samples(folder)
    without_ids = {sample.checkpoint for sample in samples if sample.token_ids is None}
    assert without_ids == ({"base"} if version < 4 else set())
    assert {sample.checkpoint for sample in samples} == {"base", "sympy/1"}
    assert {sample.id for sample in samples} == {sample.id for sample in all_samples(one_iteration)}


def test_every_process_that_writes_rows_is_recorded_and_what_differs_is_told(
    one_iteration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(one_iteration, tmp_path / "more"))
    assert restem("verify", folder, "--verifier", "accept_all").exit_code == 0
    with Store(folder, write=True) as store:
        assert [process["command"] for process in store.logged(PROCESS)] == ["run", "verify"]
        store.log(PROCESS, command="run", **provenance() | {"python": "2.7.18"})
    run(folder, "iterations=2")
    assert "resumed by another program or machine, so rows may differ: python 3." in capsys.readouterr().err
    with Store(folder) as store:
        assert "process 3 (restem run) had python 2.7 instead of 3." in other_programs(read_run(store))[0]
