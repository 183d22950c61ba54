"""The public names of the harness and of its numerical wings: what they are, and that they cost nothing until used."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

PUBLIC = {
    "restem.harness": [
        "CheckpointMismatch",
        "Checkpoint",
        "ConfigError",
        "HostFailed",
        "NonFiniteLogits",
        "NonFiniteLoss",
        "Policy",
        "PromptTooLong",
        "RestemError",
        "RunBusy",
        "Sample",
        "Store",
        "Suite",
        "load_named_policy",
        "load_suite",
        "run_suite",
        "verify_rows",
        "verify_run",
    ],
    "restem.harness.model": [
        "Architecture",
        "Meshes",
        "Params",
        "Policy",
        "Tokenizer",
        "enable_compilation_cache",
        "init_params",
        "load_architecture",
        "load_policy",
        "make_mesh",
        "make_meshes",
        "params_hash",
        "policy_hash",
        "save_policy",
        "want_cpu_devices",
    ],
    "restem.harness.weights": [
        "KNOWN",
        "KnownModel",
        "is_hf",
        "is_weights",
        "known_model",
        "load_hf",
        "load_weights",
        "save_hf",
    ],
    "restem.harness.sampling": [
        "Batching",
        "Decoding",
        "Draws",
        "Work",
        "prompt_length",
        "sample",
        "sample_key",
        "shared_prefix",
    ],
    "restem.harness.training": ["Batch", "Example", "Fitted", "check_lora", "fit", "pack", "weighted_nll"],
    "restem.harness.distributed": ["Hosts", "connect"],
    "restem.harness.engines": ["Fixture", "OpenAIEngine", "Weights"],
    "restem.harness.serving": ["application", "embedded_judge", "serve"],
    "restem.harness.store": [
        "Candidate",
        "Checkpoint",
        "Fate",
        "RULES",
        "Rule",
        "Sample",
        "Selected",
        "Selection",
        "SelectionSettings",
        "Store",
        "fates",
    ],
    "restem.harness.loop": ["Run", "StepsVerifier", "planned_samples", "select"],
    "restem.harness.gate": [
        "Baseline",
        "Golden",
        "GoldenRow",
        "golden_row",
        "import_marks",
        "quality",
        "read_baseline",
        "read_golden",
        "read_rows",
    ],
}
HEAVY = ("jax", "gemma", "orbax", "kagglehub", "starlette", "pydantic", "numpy")


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_these(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == dir(module) == sorted(PUBLIC[package])
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'restem\.harness\.sampling' has no attribute 'nothing'"):
        importlib.import_module("restem.harness.sampling").nothing  # noqa: B018


def test_importing_the_packages_loads_nothing_heavy() -> None:
    code = f"import json, sys, {', '.join(PUBLIC)}\nprint(json.dumps(sorted({set(HEAVY)!r} & sys.modules.keys())))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_list_of_known_models_loads_neither_jax_nor_kagglehub() -> None:
    code = (
        "import json, sys\nfrom restem.harness.weights import registry\nregistry.text(registry.table())\n"
        "print(json.dumps(sorted({'jax', 'gemma', 'kagglehub', 'numpy'} & sys.modules.keys())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
