"""Other engines compute our greedy ids from what `restem export` writes. Marked slow, skipped without the engines.

    RESTEM_TORCH_PYTHON=PYTHON RESTEM_VLLM_PYTHON=PYTHON pytest -m slow -n 0 tests/test_harness_weights_engines.py

docs/gemma.md says how their environments are made. `RESTEM_EXPORT_POLICY` names another policy than `tiny`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from restem.benchmarks import linear_1d
from restem.harness.app.base_policy import load_named_policy
from restem.harness.errors import ConfigError
from restem.harness.model.policy import Policy
from restem.harness.weights.huggingface import save_hf
from tests.exportable import greedy, random_policy

pytestmark = pytest.mark.slow
PYTHONS = {
    "transformers": "RESTEM_TORCH_PYTHON",
    "ctranslate2": "RESTEM_TORCH_PYTHON",
    "vllm": "RESTEM_VLLM_PYTHON",
}
NEW_TOKENS = 56
QUESTIONS = [problem.question for problem in linear_1d.problems(5, (3.0, 6.0), {"test": 64})["test"]]
# vLLM's CPU build: one process, no threads tied to cores, 1 GiB of cache, nothing sent anywhere.
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}


class Export(NamedTuple):
    """A policy, its Hugging Face folder, the request to an engine, and our own responses to it."""

    policy: Policy
    folder: Path
    request: Path
    responses: list[list[int]]


@pytest.fixture(scope="module", params=["random", "named"])
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Export:
    place = tmp_path_factory.mktemp(request.param)
    name = os.environ.get("RESTEM_EXPORT_POLICY", "tiny")
    policy = random_policy(place) if request.param == "random" else load_named_policy(name)
    try:
        save_hf(policy, place / "hf")
    except ConfigError as error:
        pytest.skip(f"{name}: {error}")
    prompts = [policy.tokenizer.encode_prompt(question) for question in QUESTIONS]
    content = {"prompts": prompts, "stop_ids": policy.tokenizer.stop_ids, "new_tokens": NEW_TOKENS}
    (place / "request.json").write_text(json.dumps({"questions": QUESTIONS, **content}), "utf-8")
    return Export(policy, place / "hf", place / "request.json", greedy(policy, prompts, NEW_TOKENS))


@pytest.fixture(scope="module", params=PYTHONS)
def answer(request: pytest.FixtureRequest, export: Export) -> dict[str, Any]:
    """What the engine makes of the export, see engine_greedy.py."""
    engine: str = request.param
    python = os.environ.get(PYTHONS[engine])
    if python is None:
        pytest.skip(f"{PYTHONS[engine]} names no Python with {engine}")
    if subprocess.run([python, "-c", f"import importlib.util as u; assert u.find_spec('{engine}')"]).returncode:
        pytest.skip(f"{python} has no {engine}")
    out = export.request.with_name(f"{engine}.json")
    script = Path(__file__).with_name("engine_greedy.py")
    subprocess.run([python, script, engine, export.folder, export.request, out], check=True, env=os.environ | SETTINGS)
    return json.loads(out.read_text("utf-8"))


def test_greedy_ids_are_ours(export: Export, answer: dict[str, Any]) -> None:
    assert len(set(map(tuple, export.responses))) > 16  # else equality says little
    pairs = zip(export.responses, answer["responses"], strict=True)
    differing = [index for index, (ours, theirs) in enumerate(pairs) if ours != theirs]
    print(f"{answer['version']}: {len(QUESTIONS) - len(differing)} of {len(QUESTIONS)} responses equal")
    assert differing == []


def test_the_ids_of_a_question_as_a_turn_are_ours(export: Export, answer: dict[str, Any]) -> None:
    assert answer["prompts"] == json.loads(export.request.read_text("utf-8"))["prompts"]
