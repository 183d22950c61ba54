"""A run whose policy no network of ours computes: servers draw from it, a command trains it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from restem.harness.store.store import Store
from tests import unigram_model
from tests.conftest import restem
from tests.small_suite import small_suite
from tests.unigram_model import LARGEST, WEIGHTS, make

ARM = '[[arms]]\nname = "sympy"\nverifier = "sympy"\n'
PROGRAM = str(Path(unigram_model.__file__))
SERVE = [sys.executable, PROGRAM, "serve", "{folder}", "{port}"]
TRAIN = [sys.executable, PROGRAM, "train", "{data}", "{start}", "{output}"]


# Trains, and says whether a server of the folder runs meanwhile.
LOOKS = """
import contextlib, pathlib, subprocess, sys
start, data, output, program = sys.argv[1:]
serving = False
for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    with contextlib.suppress(OSError):
        words = process.read_bytes().decode().split("\\0")
        serving |= "serve" in words and start in words
pathlib.Path(__file__).with_name("beside").write_text("serve" if serving else "")
subprocess.run([sys.executable, program, "train", data, start, output], check=True)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two iterations of the arm of the gold."""
    model = make(tmp_path / "model")
    text = small_suite("outside", ARM, iterations=2, train=12, test=8, train_samples=8)
    (tmp_path / "suite.toml").write_text(f'policy = "{model}"\n{text}')
    return tmp_path / "suite.toml"


def words(suite: Path, *more: str, train: list[str] = TRAIN) -> list[str]:
    settings = ["sampling.engine=openai", f"engine.start={SERVE}", "engine.reload=sglang"]
    settings += ['training.engine="command"', f"training.command={train}"]
    options = [word for setting in settings for word in ("--set", setting)]
    return ["run", str(suite), "--out", str(suite.parent / "run"), "--quiet", *options, *more]


def rows(folder: Path) -> dict[str, Any]:
    with Store(folder) as store:
        return {
            "checkpoints": [(row.id, row.kind, row.path, row.params_sha256) for row in store.checkpoints()],
            "samples": {place: store.samples(*place) for place in store.sampled_splits()},
            "commands": len(store.logged("command")),
            "engines": store.logged("engine"),
        }


def test_a_run_without_jax_trains_it_twice_on_what_was_kept_and_says_what_drew(suite: Path) -> None:
    without = "import sys; sys.modules['jax'] = None; from restem.harness.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", without, *words(suite)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = suite.parent / "run"
    stored = rows(run)
    places = [(id, path) for id, _, path, _ in stored["checkpoints"]]
    assert places == [("base", None), ("sympy/1", "training/sympy-1/output"), ("sympy/2", "training/sympy-2/output")]
    assert {place: len(samples) for place, samples in stored["samples"].items()} == {
        ("base", "test"): 16,
        ("base", "train"): 96,
        ("sympy/1", "test"): 16,
        ("sympy/1", "train"): 96,
        ("sympy/2", "test"): 16,
    }
    with Store(run) as store:
        verifier = store.run()["verifiers"]["sympy"]
        verdicts = store.verdicts("base", "train", verifier)
        kept = [s.text for s in store.samples("base", "train") if verdicts[s.id].reward]
    frequencies = load_file(run / "training" / "sympy-1" / "output" / WEIGHTS)["frequencies"]
    assert {str(at - LARGEST) for at in np.flatnonzero(frequencies > 0.5)} == {*kept}
    assert {sample.text for sample in stored["samples"]["sympy/1", "test"]} <= {*kept}
    assert all(sample.token_ids and sample.mean_logprob is not None for sample in stored["samples"]["base", "test"])
    assert {event["servers"][0]["engine"] for event in stored["engines"]} == {"unigram"}


def test_a_run_that_stopped_at_the_base_goes_on_with_its_samples(suite: Path) -> None:
    assert restem(*words(suite, "--until", "base")).exit_code == 0
    before = rows(suite.parent / "run")["samples"]
    assert restem(*words(suite)).exit_code == 0
    after = rows(suite.parent / "run")
    assert {place: after["samples"][place] for place in before} == before
    assert after["commands"] == 2


def test_a_lost_checkpoint_is_trained_again_to_the_same_hash_and_a_damaged_one_is_found(suite: Path) -> None:
    assert restem(*words(suite)).exit_code == 0
    run = suite.parent / "run"
    before = rows(run)
    shutil.rmtree(run / "training" / "sympy-1" / "output")
    weights = run / "training" / "sympy-2" / "output" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    checked = restem("check", str(run), "--json")
    found = {finding["stage"]: finding["state"] for finding in json.loads(checked.stdout)["findings"]}
    assert found["policy folder of sympy/1"] == "lost"
    assert found["policy folder of sympy/2"] == "damaged"
    done = restem(*words(suite, "--restore"))
    assert done.exit_code == 0, done.stderr
    after = rows(run)
    assert (after["checkpoints"], after["commands"]) == (before["checkpoints"], 4)
    assert restem("check", str(run)).exit_code == 0


@pytest.mark.parametrize(("reload", "beside"), [("restart", []), ("sglang", ["serve"])])
def test_a_server_that_is_started_anew_for_each_checkpoint_leaves_the_device_to_the_training(
    suite: Path, reload: str, beside: list[str]
) -> None:
    (suite.parent / "looks.py").write_text(LOOKS)
    train = [sys.executable, str(suite.parent / "looks.py"), "{start}", "{data}", "{output}", PROGRAM]
    done = restem(*words(suite, "--set", "iterations=1", "--set", f"engine.reload={reload}", train=train))
    assert done.exit_code == 0, done.stderr
    assert (suite.parent / "beside").read_text().split() == beside


def test_a_command_that_leaves_an_adapter_alone_is_told_in_one_line(suite: Path) -> None:
    program = "import sys, pathlib; pathlib.Path(sys.argv[1], 'adapter_model.safetensors').write_bytes(b'')"
    done = restem(*words(suite, train=[sys.executable, "-c", program, "{output}", "{data}"]))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "an adapter has to be merged into its base" in line


def test_a_command_that_leaves_a_model_of_another_kind_is_told_with_both(suite: Path) -> None:
    program = (
        "import sys, pathlib, shutil; start, output = sys.argv[1:3];"
        "shutil.copytree(start, output, dirs_exist_ok=True);"
        "path = pathlib.Path(output, 'config.json'); path.write_text(path.read_text().replace('unigram', 'bigram'))"
    )
    done = restem(*words(suite, train=[sys.executable, "-c", program, "{start}", "{output}", "{data}"]))
    assert (done.exit_code, "model_type: expected 'unigram', found 'bigram'" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "sampling.engine: found 'own', expected 'openai': policy "),
        (["--set", "sampling.engine=openai", "--set", f"engine.start={SERVE}"], "training.engine: found 'own'"),
    ],
)
def test_a_suite_that_leaves_it_to_our_network_is_refused_before_any_work(
    suite: Path, options: list[str], reason: str
) -> None:
    done = restem("run", str(suite), "--out", str(suite.parent / "run"), "--quiet", *options)
    assert (done.exit_code, reason in done.stderr) == (2, True)
    assert "of the type 'unigram', which our network cannot compute" in done.stderr
    assert not (suite.parent / "run").exists()


def test_several_hosts_are_refused(suite: Path) -> None:
    done = restem(*words(suite, "--hosts", "2", "--host-index", "0", "--coordinator", "localhost:1"))
    assert (done.exit_code, "--hosts: found 2, expected 1" in done.stderr) == (2, True)
