"""Checkpoints of a run that are lost, damaged or edited: noticed before any sample, and made again to the same hash."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from restem.harness.app.check import Remedy, State, check_run
from restem.harness.app.restore import restore_checkpoints
from restem.harness.app.run import run_suite
from restem.harness.config import Suite, load_suite
from restem.harness.distributed.hosts import connect
from restem.harness.errors import CheckpointMismatch
from restem.harness.loop.stored_policy import ParamsCheck, stored_policy
from restem.harness.model.mesh import make_mesh
from restem.harness.model.policy import Policy
from restem.harness.store.store import Store
from restem.harness.training.m_step import Fitted
from tests.rows import lasting_rows
from tests.test_harness_loop_rest_em import SUITE

SETTINGS = ("training.restart=false", "training.checks=1", "sampling.validation_samples=2")


def suite(folder: Path, iterations: int) -> Suite:
    (folder.parent / "suite.toml").write_text(SUITE)
    return load_suite(str(folder.parent / "suite.toml"), (*SETTINGS, f"iterations={iterations}"))


def run(folder: Path, iterations: int = 3) -> Path:
    run_suite(suite(folder, iterations), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def two_of_three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has one iteration to go, from the checkpoint of the last one."""
    return run(tmp_path_factory.mktemp("two") / "run", 2)


def lose(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)


def lose_tokenizer(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.model").unlink()


def damage_parameters(checkpoint: Path) -> None:
    largest = max(checkpoint.glob("params/**/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def edit_settings(checkpoint: Path) -> None:
    settings = json.loads((checkpoint / "policy.json").read_text())
    settings["architecture"]["little_endian"] = True
    (checkpoint / "policy.json").write_text(json.dumps(settings))


def edit_earlier_version(checkpoint: Path) -> None:
    """Folders of earlier versions hold no hash of their settings; the base's say what they must be."""
    settings = json.loads((checkpoint / "policy.json").read_text())
    settings["instruction"] = "Hurry."
    del settings["policy_sha256"]
    (checkpoint / "policy.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("damage", "how"),
    [
        (lose, "trained again"),
        (damage_parameters, "trained again"),
        (lose_tokenizer, "written anew"),
        (edit_settings, "written anew"),
        (edit_earlier_version, "written anew"),
    ],
)
def test_a_run_goes_on_from_a_damaged_checkpoint_with_the_rows_of_an_undisturbed_one(
    undisturbed: Path,
    two_of_three: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    how: str,
) -> None:
    folder = Path(shutil.copytree(two_of_three, tmp_path / "run"))
    damage(folder / "checkpoints" / "sympy-2")
    with caplog.at_level(logging.WARNING, "restem"):
        run(folder)
    assert lasting_rows(folder) == lasting_rows(undisturbed)
    assert {finding.state for finding in check_run(folder)} == {State.SOUND}
    with Store(folder) as store:
        assert [(event["checkpoint"], event["how"]) for event in store.logged("restored")] == [("sympy/2", how)]
    assert caplog.messages[-1].endswith(f"{how}, as its row in run.db says")


def test_a_chain_of_lost_checkpoints_is_trained_again_link_by_link(
    two_of_three: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(two_of_three, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints")
    run(folder)
    assert lasting_rows(folder) == lasting_rows(undisturbed)
    with Store(folder) as store:
        assert [event["checkpoint"] for event in store.logged("restored")] == ["sympy/1", "sympy/2"]


def test_checkpoints_that_no_missing_row_needs_are_made_where_they_are_asked_for(
    undisturbed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints")
    lost = [finding for finding in check_run(folder) if finding.state is not State.SOUND]
    assert [(finding.stage, finding.state, finding.remedy) for finding in lost] == [
        (f"policy folder of sympy/{iteration}", State.LOST, Remedy.RESTORE) for iteration in (1, 2, 3)
    ]
    run(folder)
    assert not (folder / "checkpoints").exists()
    restore_checkpoints(suite(folder, 3), folder, True, connect(suite(folder, 3).mesh))
    assert {finding.state for finding in check_run(folder)} == {State.SOUND}
    assert lasting_rows(folder) == lasting_rows(undisturbed)


@pytest.mark.parametrize("differs", ["candidate", "result"])
def test_where_training_again_gives_other_parameters_nothing_is_written(
    two_of_three: Path, tmp_path: Path, tiny: Policy, differs: str
) -> None:
    """As another machine or other versions would give them."""
    folder = Path(shutil.copytree(two_of_three, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints" / "sympy-2")
    before = lasting_rows(folder)

    def train(check: ParamsCheck) -> Fitted:
        if differs == "candidate":
            check(1, tiny.params)
            pytest.fail("a candidate with other parameters was scored")
        return Fitted(params=tiny.params, steps=1, losses=(0.0,), validation_reward=None)

    with Store(folder, write=True) as store:
        row = store.checkpoint("sympy/2")
        assert row is not None
        with pytest.raises(CheckpointMismatch, match="put the folder back from a copy, or go on with the machine"):
            stored_policy(store, tiny, row, make_mesh(), train)
    assert lasting_rows(folder) == before
    assert not (folder / "checkpoints" / "sympy-2").exists()
