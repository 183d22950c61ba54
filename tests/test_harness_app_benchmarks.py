"""A run on a benchmark that the embedded policy was not made for, and that has no step check."""

from __future__ import annotations

from pathlib import Path

import pytest

from restem.benchmarks.catalog import BENCHMARKS
from restem.harness.store.store import Store
from tests.conftest import restem

SMALL = (
    *("benchmark.train=2", "benchmark.validation=1", "benchmark.test=3", "probe.problems=1", "sampling.rows=8"),
    *("sampling.train_samples=1", "sampling.validation_samples=1", "sampling.test_samples=1"),
    *("sampling.max_new_tokens=8", "sampling.compute_dtype=float32"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arithmetic") / "run"
    settings = [word for change in SMALL for word in ("--set", change)]
    result = restem("run", "arithmetic_mixed", *settings, "--until", "base", "--out", folder, "--quiet")
    assert result.exit_code == 0, result.output
    return folder


def test_its_problems_are_those_of_the_catalogue(run: Path) -> None:
    drawn = BENCHMARKS["arithmetic_mixed"].problems(0, "train-easy", {"train": 2, "validation": 1, "test": 3})
    with Store(run) as store:
        assert {split: store.problems(split) for split in drawn} == drawn


def test_it_has_no_steps_verifier_and_its_own_chance_level(run: Path) -> None:
    with Store(run) as store:
        facts = store.run()
        assert "steps" not in facts["verifiers"]
        assert facts["chance_level"] == BENCHMARKS["arithmetic_mixed"].chance(store.problems("test"))


def test_every_verifier_is_probed_on_it(run: Path) -> None:
    with Store(run) as store:
        probed = store.query("SELECT count(*), count(DISTINCT verifier) FROM probe_verdict")
        assert probed == [(len(store.probes()) * 4, 4)]
