"""`training.engine = "command"`: a program of the user's is the M-step."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from restem.benchmarks.problem import Problem
from restem.harness.app.code_permission import check_command
from restem.harness.app.command_training import CommandTrainer
from restem.harness.app.training_command import execute
from restem.harness.config import Suite, parse_suite
from restem.harness.distributed.hosts import connect
from restem.harness.errors import CheckpointMismatch, ConfigError, TrainingFailed
from restem.harness.model.policy import Policy, params_hash
from restem.harness.settings import MeshConfig, TrainingConfig
from restem.harness.store.records import Sample, Selected, Selection
from restem.harness.store.store import Store
from restem.harness.weights.huggingface import load_hf_params, save_hf
from restem.verifiers.code.permission import code_allowed, functions_allowed

# Trains by adding the learning rate to the last norm's scale, and counts how often it was called.
PROGRAM = """
import json, shutil, sys
from pathlib import Path
from safetensors.numpy import load_file, save_file
data, start, output, rate, calls = map(Path, sys.argv[1:])
assert [json.loads(line)["completion"][0]["content"] for line in data.open()] == ["x = 2"]
calls.write_text(calls.read_text() + "called " if calls.exists() else "called ")
print("on standard output")
if str(rate) == "9.0":
    sys.exit("no memory is left")
shutil.copy(start / "config.json", output)
tensors = load_file(start / "model.safetensors")
tensors["model.norm.weight"] += float(str(rate))
save_file(tensors, output / "model.safetensors")
if str(rate) == "8.0":
    (output / "model.safetensors").unlink()
"""


@pytest.fixture
def trainer(tmp_path: Path) -> CommandTrainer:
    """The trainer of a run in which one response was kept."""
    sample = Sample(
        checkpoint="base",
        problem="p",
        index=0,
        text="x = 2",
        token_count=1,
        mean_logprob=0.0,
        finish_reason="stop",
        token_ids=(5,),
    )
    store = Store(tmp_path / "run", write=True)
    store.add_problems([Problem(id="p", question="Solve 3*x = 6.", reference="2", split="train", source="test")])
    store.add_samples([sample])
    store.add_selection(Selection(checkpoint="a/1", rows=(Selected(sample=sample.id, weight=1.0),)))
    return CommandTrainer(store=store, instruction=None, hosts=connect(MeshConfig()))


def settings(folder: Path, rate: float = 0.5) -> TrainingConfig:
    (folder / "program.py").write_text(PROGRAM)
    words = ["{data}", "{start}", "{output}", "{learning_rate}", str(folder / "calls")]
    command = (sys.executable, str(folder / "program.py"), *words)
    return TrainingConfig(engine="command", command=command, checks=0, learning_rate=rate)


def test_the_policy_that_the_command_left_is_the_next_one(
    trainer: CommandTrainer, tiny: Policy, tmp_path: Path
) -> None:
    fitted = trainer("a/1", tiny, settings(tmp_path), 7)
    expected = jax.tree.map(lambda leaf: leaf, tiny.params)
    expected["final_norm"] = {"scale": tiny.params["final_norm"]["scale"] + 0.5}
    assert params_hash(fitted.params) == params_hash(expected)
    assert "on standard output" in (tmp_path / "run" / "training" / "a-1" / "log.txt").read_text()


def test_a_finished_folder_is_used_again_and_one_of_other_settings_is_not(
    trainer: CommandTrainer, tiny: Policy, tmp_path: Path
) -> None:
    left = tmp_path / "run" / "training" / "a-1" / "output-of-a-stopped-command"
    left.mkdir(parents=True)
    first = trainer("a/1", tiny, settings(tmp_path), 7)
    assert not left.exists()
    again = trainer("a/1", tiny, settings(tmp_path), 7)
    assert params_hash(first.params) == params_hash(again.params)
    assert (tmp_path / "calls").read_text() == "called "
    trainer("a/1", tiny, settings(tmp_path, 0.25), 7)
    assert (tmp_path / "calls").read_text() == "called called "


@pytest.mark.parametrize(("rate", "named"), [(9.0, "ended with 1: no memory is left"), (8.0, "no config.json and")])
def test_a_failure_is_one_line_with_its_reason(
    trainer: CommandTrainer, tiny: Policy, tmp_path: Path, rate: float, named: str
) -> None:
    with pytest.raises(TrainingFailed, match=named) as raised:
        trainer("a/1", tiny, settings(tmp_path, rate), 7)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "training" / "a-1" / "output").exists()


def test_another_architecture_is_refused_by_name(tiny: Policy, tmp_path: Path) -> None:
    save_hf(tiny, tmp_path / "hf")
    with pytest.raises(CheckpointMismatch, match="global_rope_base: expected 10000, found 1000000"):
        load_hf_params(tmp_path / "hf", dataclasses.replace(tiny.architecture, global_rope_base=10_000))


def test_a_command_of_a_file_needs_permission_and_one_of_the_command_line_does_not(tmp_path: Path) -> None:
    training = settings(tmp_path)
    with pytest.raises(ConfigError, match="a file names"):
        check_command(training)
    with code_allowed():
        check_command(training)
    with functions_allowed(["training.command=['python']"]):
        check_command(training)
    with code_allowed(), pytest.raises(ConfigError, match="no program 'no-such-program'"):
        check_command(training.model_copy(update={"command": ("no-such-program",)}))


def suite(training: dict[str, object], **arm: object) -> Suite:
    return parse_suite(
        {"name": "s", "training": training, "arms": [{"name": "a", "verifier": "sympy", **arm}]}, "s.toml"
    )


COMMAND: dict[str, object] = {"engine": "command", "command": ["train", "{data}", "{output}"], "checks": 0}


@pytest.mark.parametrize(
    ("training", "arm", "named"),
    [
        ({"command": ["train"]}, {}, "goes with `engine"),
        (COMMAND | {"checks": 2}, {}, "`checks`: found 2, expected 0"),
        (COMMAND | {"command": ["train", "{data}", "{output}", "{epochs}"]}, {}, "unknown {epochs}"),
        (COMMAND | {"command": ["train", "{data}"]}, {}, "expected an argument with {output}"),
        (COMMAND, {"algorithm": "grpo"}, "arms.0.algorithm"),
        (COMMAND, {"selection": {"negatives": -0.1}}, "arms.0.selection"),
    ],
)
def test_a_suite_whose_command_cannot_work_is_refused(
    training: dict[str, object], arm: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named.replace("{", r"\{").replace("[", r"\[")):
        suite(training, **arm)


def test_braces_that_name_nothing_stay_as_they_are() -> None:
    suite(COMMAND | {"command": ["train", "{data}", "{output}", '{"a": 1}']})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_the_command_is_killed_with_the_run(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    child = f"import time\nwhile True: open({str(beat)!r}, 'a').write('.'); time.sleep(0.05)"
    run = (
        "from pathlib import Path; from restem.harness.app.training_command import execute\n"
        f"execute([{sys.executable!r}, '-c', {child!r}], Path({str(tmp_path / 'log')!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", run])
    deadline = time.monotonic() + 60
    while not beat.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    time.sleep(0.5)
    size = beat.stat().st_size
    time.sleep(0.5)
    assert beat.stat().st_size == size


def test_the_exit_code_is_the_programs(tmp_path: Path) -> None:
    assert execute([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log") == 3
