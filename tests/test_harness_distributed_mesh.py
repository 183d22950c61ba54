"""Many devices, and many hosts, against one: the same samples, the same loss curve, one run.db."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import AbstractMesh, AxisType

from restem.harness.app.run import run_suite
from restem.harness.config import load_suite
from restem.harness.distributed.addresses import parse_address
from restem.harness.distributed.hosts import find_place
from restem.harness.errors import ConfigError
from restem.harness.model.architecture import ASSETS
from restem.harness.model.mesh import DATA, MODEL, make_meshes, shardings_of
from restem.harness.store.store import Store
from tests.conftest import restem
from tests.rows import lasting_rows
from tests.small_policy import small_policy_folder

ROOT = Path(__file__).parents[1]
SUITE = """
name = "hosts"
seed = 3
iterations = 1
policy = "POLICY"

[benchmark]
train = 8
validation = 2
test = 2

[sampling]
train_samples = 8
validation_samples = 8
test_samples = 8
max_new_tokens = 24
top_k = 400
rows = 16

[training]
optimizer = "sgd"  # AdamW would amplify rounding differences to whole steps
learning_rate = 0.05
steps = 4
rows = 3
row_length = 128
checks = 1

[probe]
problems = 0

[[arms]]
name = "accept_all"
verifier = "accept_all"

[[arms]]
name = "grpo"
verifier = "random"
algorithm = "grpo"
"""
shapes = st.lists(st.integers(1, 64), max_size=4).map(lambda shape: jax.ShapeDtypeStruct(tuple(shape), np.float32))


@given(shapes, st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_a_leaf_is_sharded_evenly_and_over_data_only_in_training(
    leaf: jax.ShapeDtypeStruct, data: int, model: int, over_data: bool
) -> None:
    mesh: Any = AbstractMesh((data, model), (DATA, MODEL), axis_types=(AxisType.Auto, AxisType.Auto))
    spec = shardings_of(mesh, leaf, over_data=over_data).spec
    used = [axis for axis in spec if axis is not None]
    assert len(set(used)) == len(used)
    assert over_data or DATA not in used
    assert all(axis is None or n % mesh.shape[axis] == 0 for n, axis in zip(leaf.shape, spec, strict=False))


def test_too_few_devices_are_reported_before_any_work(tmp_path: Path) -> None:
    count = len(jax.devices())
    with pytest.raises(ConfigError, match=f"data = 1 times model = {count + 1} needs {count + 1} devices; found"):
        make_meshes(0, count + 1)
    result = restem("run", "--set", f"mesh.data={count + 1}", "--out", tmp_path / "run")
    assert (result.exit_code, (tmp_path / "run").exists()) == (2, False)


def test_a_host_without_hosts_is_a_mistake() -> None:
    result = restem("run", "--host-index", "1")
    assert result.exit_code == 2
    assert "go with --hosts" in result.output


@pytest.mark.parametrize("address", ["leader", ":8476", "leader:", "leader:0", "leader:65536", "leader:" + "9" * 5000])
def test_a_coordinator_is_a_host_and_a_port(address: str) -> None:
    result = restem("run", "--hosts", "2", "--host-index", "0", "--coordinator", address)
    assert (result.exit_code, len(result.output) < 400) == (2, True)
    assert "expected HOST:PORT of the leader" in result.output


def on_meshes(*arguments: object) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.on_meshes", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def same_training(left_run: dict[str, Any], right_run: dict[str, Any]) -> None:
    np.testing.assert_allclose(left_run["losses"], right_run["losses"], rtol=1e-5)
    for left, right in zip(left_run["params"], right_run["params"], strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_eight_devices_draw_the_samples_and_the_loss_of_one(tmp_path: Path) -> None:
    one, eight = on_meshes(small_policy_folder(tmp_path / "small"), 2, 16, "40", "1x1", "8x1")
    assert (one["devices"], eight["devices"]) == (1, 8)
    assert one["40"] == eight["40"]  # log-probabilities to the last bit
    same_training(one, eight)


@pytest.mark.slow
def test_devices_that_shard_matrices_draw_the_same_ids_and_refilled_slots_the_same_bits() -> None:
    one, eight, sharded = on_meshes(ASSETS / "tiny", 300, 128, "1,40", "1x1", "8x1", "4x2")
    for top_k in ("1", "40"):
        assert one[top_k] == eight[top_k]
        assert one[top_k]["ids"] == sharded[top_k]["ids"]
        np.testing.assert_allclose(one[top_k]["logprobs"], sharded[top_k]["logprobs"], atol=1e-3)
    same_training(one, eight)
    same_training(one, sharded)


def hosts(suite: Path, folder: Path, *overrides: str) -> list[subprocess.Popen[str]]:
    """Two hosts on loopback running the suite, each on one device; `overrides` are the second's alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "restem.harness.cli", "run", str(suite), "--out", str(folder), "--quiet", "--json"]
    command += ["--set", "mesh.data=2", "--hosts", "2", "--coordinator", address]
    return [
        subprocess.Popen(
            [*command, "--host-index", str(index), *(overrides if index else ())],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]


def ended(started: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each; none outlives the test."""
    try:
        return [(host.wait(300), *host.communicate()) for host in started]
    finally:
        for host in started:
            host.kill()


@pytest.mark.parametrize(("victim", "work"), [(0, "collective"), (1, "collective"), (0, "outside"), (1, "outside")])
def test_a_killed_host_is_named_by_the_other_in_one_line_without_a_stack_trace(victim: int, work: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.on_hosts"]
    started = [
        subprocess.Popen(
            [*command, str(index), str(port), "120", work],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    assert all("ready\n" in iter(host.stdout.readline, "") for host in started if host.stdout)
    started[victim].kill()
    code, _, line = ended(started)[1 - victim]
    assert (code, line.count("\n"), line.startswith(f"restem: host {victim} (")) == (1, 1, True), line


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.toml"
    path.write_text(SUITE.replace("POLICY", str(small_policy_folder(tmp_path / "small"))))
    return path


def test_two_hosts_make_the_run_of_one(suite: Path, tmp_path: Path) -> None:
    leader, other = ended(hosts(suite, tmp_path / "two"))
    assert (leader[0], other[0]) == (0, 0), leader[2] + other[2]
    run_suite(load_suite(str(suite)), tmp_path / "one", quiet=True)
    one, two = (lasting_rows(tmp_path / name) for name in ("one", "two"))
    assert {table for table in one if one[table] != two[table]} <= {"sample", "checkpoint"}
    assert [row for row in one["sample"] if row[1] == "base"] == [row for row in two["sample"] if row[1] == "base"]
    assert [row[:5] for row in one["sample"]] == [row[:5] for row in two["sample"]]
    curves = []
    for name in ("one", "two"):
        with Store(tmp_path / name) as store:
            curves.append([c.losses for c in store.checkpoints() if c.kind == "trained"])
    np.testing.assert_allclose(*curves, rtol=1e-5, atol=1e-6)  # GRPO's first loss is near 0
    assert [len(losses) for losses in curves[0]] == [4, 4]


def test_a_cluster_says_where_the_leader_is_and_which_host_this_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = {"JOB_ID": "7", "STEP_NODELIST": "node[3-5]", "NTASKS": "3", "PROCID": "2", "LOCALID": "0"}
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    coordinator, index = find_place(None, 3, None)
    assert (parse_address(coordinator)[0], index) == ("node3", 2)
    assert find_place("10.0.0.1:8476", 3, 0) == ("10.0.0.1:8476", 0)


@pytest.mark.slow
def test_hosts_without_a_coordinator_are_a_mistake() -> None:
    command = [sys.executable, "-m", "restem.harness.cli", "run", "--hosts", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--hosts 2: give --coordinator HOST:PORT and --host-index" in done.stderr


@pytest.mark.slow
def test_a_host_with_another_policy_ends_the_run_with_its_reason(suite: Path, tmp_path: Path) -> None:
    other = small_policy_folder(tmp_path / "other", seed=1)
    left, right = ended(hosts(suite, tmp_path / "run", "--set", f"policy={other}"))
    assert right[0] == 2
    assert "differs from the leading host's" in right[2]
    assert left[0] == 1
    assert "failed: ConfigError: the policy differs" in left[2]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_a_host_dies_the_other_ends_too_and_the_run_goes_on(suite: Path, tmp_path: Path, victim: int) -> None:
    suite.write_text(suite.read_text().replace("iterations = 1", "iterations = 2"))
    started = hosts(suite, tmp_path / "run")
    while not (tmp_path / "run" / "checkpoints" / "accept_all-1").exists():
        assert started[0].poll() is None
        time.sleep(0.05)
    started[victim].kill()
    killed = time.monotonic()
    code, _, line = ended(started)[1 - victim]
    assert time.monotonic() - killed < 30
    assert (code, line.count("\n"), line.startswith(f"restem: host {victim} (")) == (1, 1, True), line
    # Trained parameters are broadcast; the other host needs no access to the leader's files.
    assert [code for code, _, _ in ended(hosts(suite, tmp_path / "run"))] == [0, 0]
    run_suite(load_suite(str(suite)), tmp_path / "one", quiet=True)
    one, two = (lasting_rows(tmp_path / name) for name in ("one", "run"))
    assert [row[:5] for row in one["sample"]] == [row[:5] for row in two["sample"]]
