"""Fixtures: the embedded tiny policy, and one small finished run that many tests read."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jax
import pytest
from click.testing import CliRunner, Result

from restem.benchmarks.problem import Problem
from restem.harness.cli.main import main
from restem.harness.model.architecture import ASSETS
from restem.harness.model.mesh import want_cpu_devices
from restem.harness.model.policy import Policy, load_policy
from tests.judge_server import JudgeServer

# A shared machine stalls now and then; a law does not stop holding because an example took 300 ms.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
jax.config.update("jax_numpy_dtype_promotion", "strict")
want_cpu_devices()  # as a run has them, so that one in this process equals one in a process of its own
# Child processes compile the same programs again and again; what one has compiled the next one finds here.
COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "xla"
COMPILED.mkdir(parents=True, exist_ok=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(COMPILED)
jax.config.update("jax_compilation_cache_dir", str(COMPILED))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

SMALL_SUITE = """
name = "small"
seed = 3
iterations = 2
scoring = ["exact"]

[benchmark]
regime = [3.0, 4.5]
train = 24
validation = 8
test = 16

[sampling]
train_samples = 4
validation_samples = 2
test_samples = 4
max_new_tokens = 48
rows = 32

[training]
steps = 4
checks = 2
rows = 4

[[arms]]
name = "sympy"
verifier = "sympy"

[[arms]]
name = "accept_all"
verifier = "accept_all"
"""


@pytest.fixture(scope="module", autouse=True)
def _forget_programs() -> Iterator[None]:
    """Frees what a file of tests compiled: kept to the end, the programs of all files take several gigabytes."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="session")
def tiny() -> Policy:
    return load_policy(ASSETS / "tiny")


@pytest.fixture(scope="module")
def running() -> Iterator[JudgeServer]:
    """A real loopback judge, one for all tests of a file; each test resets it."""
    with JudgeServer() as server:
        yield server


def restem(*arguments: object) -> Result:
    """Runs the command line in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.toml").write_text(SMALL_SUITE)
    result = restem("run", folder / "small.toml", "--out", folder / "small")
    assert result.exit_code == 0, result.output
    return folder / "small"


def problem(question: str, reference: str | None = None, id: str = "p") -> Problem:
    return Problem(id=id, question=question, reference=reference, split="test", source="test")
