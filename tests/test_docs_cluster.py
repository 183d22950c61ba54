"""The files of docs/cluster/ do what docs/cluster.md says: their commands are executed, two tasks each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import restem
from tests.faults import ROOT, environment

FILES = ROOT / "docs" / "cluster"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """PATH with a `restem` of this tree."""
    command = tmp_path / "bin" / "restem"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m restem.harness.cli "$@"\n')
    command.chmod(0o755)
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def merged(run: Path, parts: Path) -> str:
    result = restem("merge", run, *sorted(parts.iterdir()))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_tasks_of_the_slurm_array_verify_a_run(run: Path, tmp_path: Path, path: str) -> None:
    script, parts = FILES / "verify.sbatch", tmp_path / "parts"
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    for task in ("1", "2"):
        task_of = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2", "PATH": path}
        command = ["bash", script, run, parts, "--verifier", "substitution"]
        subprocess.run(command, env=environment(**task_of), check=True)
    assert "missing" not in merged(run, parts)


def test_the_pods_of_the_kubernetes_job_verify_a_run(run: Path, tmp_path: Path, path: str) -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((FILES / "verify.yaml").read_text())
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert (job["kind"], spec["completionMode"]) == ("Job", "Indexed")
    assert spec["completions"] == spec["parallelism"] == int(given["SHARDS"])
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {given["RUN"], given["PARTS"]}
    here = {"RUN": str(run), "PARTS": str(tmp_path / "parts"), "SHARDS": "2", "PATH": path}
    for index in ("0", "1"):
        command = [*container["command"], *container["args"]]
        subprocess.run(command, env=environment(**here, JOB_COMPLETION_INDEX=index), check=True)
    assert "missing" not in merged(run, tmp_path / "parts")
