"""The script for a GPU at hand for ten minutes, in its small form on this CPU."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from restem.harness.weights.registry import known_model
from tests.perf.gpu_parts import Sizes, bytes_of_step

SCRIPT = Path(__file__).parent / "perf" / "gpu.sh"


def run(folder: Path, *options: str, **environment: str) -> dict[str, Any]:
    """Runs the script's small form; gives what it wrote, by the parts' names."""
    command = ["bash", str(SCRIPT), "--small", *options]
    subprocess.run(command, env=os.environ | {"OUT": str(folder)} | environment, check=True, stdout=subprocess.PIPE)
    table = (folder / "gpu.md").read_text()
    parts = {part["name"]: part for part in json.loads((folder / "gpu.json").read_text())}
    for part in parts.values():
        assert all(figure["what"] in table for figure in part["figures"])
        assert part["why"] is None or part["why"] in table
    return parts


def test_figures_stand_beside_what_the_machine_allows_and_a_part_that_cannot_run_says_why(tmp_path: Path) -> None:
    parts = run(
        tmp_path,
        *("--part", "machine", "--part", "vllm", "--part", "decode", "--part", "save"),
        RESTEM_VLLM_PYTHON=str(tmp_path / "none"),
    )
    assert [figure["unit"] for figure in parts["machine"]["figures"]] == ["devices", "GB/s", "TFLOP/s"]
    assert parts["vllm"]["figures"] == []
    assert parts["vllm"]["why"].startswith("did not run: FileNotFoundError: ")
    assert [parts[name]["why"] for name in ("machine", "decode", "save")] == [None] * 3
    for figure in parts["decode"]["figures"]:
        assert figure["value"] / figure["predicted"] == pytest.approx(figure["share"])
    assert len(parts["save"]["figures"]) == 2


def test_a_part_that_takes_too_long_is_ended_and_said(tmp_path: Path) -> None:
    parts = run(tmp_path, "--part", "train", "--part", "save", "--seconds", "2")
    assert (parts["train"]["why"], parts["save"]["why"]) == ("not done within 2 s", "not begun: 2 s were over")


def test_bytes_of_a_decoding_step_are_those_of_weights_cache_and_logits() -> None:
    """Of Gemma 3 1B: 1.00 B parameters, and 26 layers with one head of 256 numbers for keys and one for values."""
    sizes = Sizes(slots=256, prompt=256, room=1024)
    moved = bytes_of_step(known_model("gemma3-1b").architecture, sizes, "bfloat16")
    cache = 256 * 1280 * 26 * 2 * 256 * 2
    logits = 2 * 4 * 256 * 262_144
    assert moved - cache - logits == pytest.approx(2 * 1.0e9, rel=0.001)
    halved = bytes_of_step(known_model("gemma3-1b").architecture, dataclasses.replace(sizes, slots=128), "bfloat16")
    assert moved - halved == (cache + logits) // 2
