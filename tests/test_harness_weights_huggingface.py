"""Hugging Face folders: saving and loading gives the same policy, and transformers computes the same logits from it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.flax import load_file, save_file

from restem.benchmarks import linear_1d
from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.model.gemma import forward
from restem.harness.model.policy import Policy, params_hash
from restem.harness.weights.huggingface import load_hf, save_hf
from tests.exportable import random_policy
from tests.gemma_folders import SMALL, other_shape, small_policy, vocabulary

QUESTIONS = [problem.question for problem in linear_1d.problems(5, (3.0, 6.0), {"test": 20})["test"]]
FAMILIES = sorted(SMALL)
TOKENS = np.random.default_rng(1).integers(5, 500, (3, 24))


@pytest.fixture(scope="module", params=FAMILIES)
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return small_policy(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def folder(policy: Policy, tmp_path: Path) -> Path:
    save_hf(policy, tmp_path / "hf")
    return tmp_path / "hf"


def test_saving_and_loading_gives_the_same_policy(policy: Policy, folder: Path) -> None:
    back = load_hf(folder)
    assert back.architecture == policy.architecture
    assert params_hash(back.params) == params_hash(policy.params)
    assert back.tokenizer.encode_prompt(QUESTIONS[0]) == policy.tokenizer.encode_prompt(QUESTIONS[0])


def test_gates_stored_the_other_way_round_are_the_same_function(policy: Policy, folder: Path, tmp_path: Path) -> None:
    turned = other_shape(policy, transposed_gating=not policy.architecture.transposed_gating)
    params = jax.tree.map_with_path(
        lambda path, leaf: leaf.swapaxes(1, 2) if "gating_einsum" in jax.tree_util.keystr(path) else leaf, policy.params
    )
    save_hf(Policy(architecture=turned, params=params, tokenizer=policy.tokenizer), tmp_path / "turned")
    mine, theirs = (load_file(place / "model.safetensors") for place in (folder, tmp_path / "turned"))
    assert params_hash(dict(mine)) == params_hash(dict(theirs))


def test_a_folder_without_a_chat_template_is_a_base_model(policy: Policy, tmp_path: Path) -> None:
    base = Policy(architecture=other_shape(policy, chat=False), params=policy.params, tokenizer=policy.tokenizer)
    save_hf(base, tmp_path / "base")
    assert not load_hf(tmp_path / "base").architecture.chat


@pytest.mark.parametrize("attention", ["G", "L"])
def test_the_shape_of_an_embedded_policy_comes_back(attention: str, tmp_path: Path) -> None:
    window = 256 if attention == "L" else None
    policy = random_policy(tmp_path, attention=attention, sliding_window=window, transposed_gating=True)
    save_hf(policy, tmp_path / "hf")
    back = load_hf(tmp_path / "hf")
    assert back.architecture == policy.architecture
    assert params_hash(back.params) == params_hash(policy.params)


def test_the_window_is_a_number_where_no_layer_has_one(tmp_path: Path) -> None:
    save_hf(random_policy(tmp_path), tmp_path / "hf")  # transformers and CTranslate2 fail on null
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["sliding_window"] == 256


def rewrite(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_the_text_part_of_a_gemma_3_with_images_in_shards_and_bfloat16_loads(tmp_path: Path) -> None:
    policy, folder = small_policy("gemma3", tmp_path), tmp_path / "hf"
    save_hf(policy, folder)
    stored = load_file(folder / "model.safetensors")
    renamed = {f"language_model.{name}": leaf.astype(jnp.bfloat16) for name, leaf in stored.items()}
    names = sorted(renamed)
    (folder / "model.safetensors").unlink()
    save_file({name: renamed[name] for name in names[::2]}, folder / "model-00001-of-00002.safetensors")
    rest = {name: renamed[name] for name in names[1::2]} | {"vision_tower.patch.weight": jnp.ones(3)}
    save_file(rest, folder / "model-00002-of-00002.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": config}))
    loaded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), load_hf(folder).params)
    assert params_hash(loaded) == params_hash(jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), policy.params))


def test_several_files_with_their_index_hold_the_same_policy(policy: Policy, tmp_path: Path) -> None:
    largest = max(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
    save_hf(policy, tmp_path / "hf", shard_bytes=largest)
    files = sorted(tmp_path.glob("hf/*.safetensors"))
    index = json.loads((tmp_path / "hf" / "model.safetensors.index.json").read_text())
    assert {name: file.name for file in files for name in load_file(file)} == index["weight_map"]
    assert [file.name for file in files] == [
        f"model-{n + 1:05}-of-{len(files):05}.safetensors" for n in range(len(files))
    ]
    assert len(files) > 1
    assert index["metadata"]["total_size"] == sum(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
    assert all(file.stat().st_size < largest + 10_000 for file in files)
    assert params_hash(load_hf(tmp_path / "hf").params) == params_hash(policy.params)


def test_bfloat16_is_what_rounding_each_parameter_gives(policy: Policy, tmp_path: Path) -> None:
    save_hf(policy, tmp_path / "hf", dtype="bfloat16")
    stored = load_file(tmp_path / "hf" / "model.safetensors")
    assert {leaf.dtype for leaf in stored.values()} == {jnp.dtype("bfloat16")}
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["torch_dtype"] == "bfloat16"
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(jnp.float32), policy.params)
    assert params_hash(load_hf(tmp_path / "hf").params) == params_hash(rounded)


def test_a_base_model_with_examples_is_still_one_when_it_is_loaded(policy: Policy, tmp_path: Path) -> None:
    tokenizer = dataclasses.replace(policy.tokenizer, few_shot="Q: {question}\nA:")
    base = Policy(architecture=other_shape(policy, chat=False), params=policy.params, tokenizer=tokenizer)
    save_hf(base, tmp_path / "base")
    assert not load_hf(tmp_path / "base").architecture.chat
    config = json.loads((tmp_path / "base" / "tokenizer_config.json").read_text())
    (tmp_path / "base" / "chat_template.jinja").write_text(config.pop("chat_template"))  # as transformers 5 saves it
    (tmp_path / "base" / "tokenizer_config.json").write_text(json.dumps(config))
    assert not load_hf(tmp_path / "base").architecture.chat
    generation = json.loads((tmp_path / "base" / "generation_config.json").read_text())
    assert generation["eos_token_id"] == list(tokenizer.stop_ids)


def test_a_tensor_of_another_shape_or_missing_or_too_many_is_named(folder: Path) -> None:
    stored = dict(load_file(folder / "model.safetensors"))
    rewrite(folder, intermediate_size=100)
    with pytest.raises(CheckpointMismatch, match=r"layers\.0\.mlp.*expected shape \(.*100.*\), found \(.*96.*\)"):
        load_hf(folder)
    rewrite(folder, intermediate_size=96)
    norm = stored.pop("model.norm.weight")
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(CheckpointMismatch, match=r"model\.norm\.weight.*found none"):
        load_hf(folder)
    save_file(stored | {"model.norm.weight": norm, "model.more": norm}, folder / "model.safetensors")
    with pytest.raises(CheckpointMismatch, match=r"model\.more.*expected no such leaf"):
        load_hf(folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "llama"}, "llama"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_size": None}, "config.json"),
        ({"hidden_activation": "relu"}, "relu"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn"}}, "yarn"),
    ],
)
def test_a_config_that_gm_nn_cannot_express_is_refused_by_name(
    folder: Path, changes: dict[str, Any], named: str
) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ConfigError, match=named):
        load_hf(folder)


def test_layer_kinds_must_be_as_many_as_layers(tmp_path: Path) -> None:
    save_hf(small_policy("gemma3", tmp_path), tmp_path / "hf")
    rewrite(tmp_path / "hf", layer_types=["sliding_attention"])
    with pytest.raises(ConfigError, match="1 kinds for 8 layers"):
        load_hf(tmp_path / "hf")


def test_damaged_files_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        load_hf(folder)
    (folder / "config.json").write_text("[1]")
    with pytest.raises(ConfigError, match="model_type"):
        load_hf(folder)


def test_the_embedded_policy_is_a_gemma_3_for_transformers(tiny: Policy, tmp_path: Path) -> None:
    save_hf(tiny, tmp_path / "hf")
    again = load_hf(tmp_path / "hf")
    np.testing.assert_array_equal(logits(again), logits(tiny))
    assert again.tokenizer.encode_prompt("Solve 3 = x for x.") == tiny.tokenizer.encode_prompt("Solve 3 = x for x.")


def test_numbers_with_the_lowest_digit_first_are_no_model_of_transformers(tiny: Policy, tmp_path: Path) -> None:
    architecture = dataclasses.replace(tiny.architecture, little_endian=True)
    with pytest.raises(ConfigError, match="only Gemma 1, 2 and 3"):
        save_hf(dataclasses.replace(tiny, architecture=architecture), tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_an_existing_folder_is_not_overwritten(folder: Path, policy: Policy) -> None:
    with pytest.raises(ConfigError, match="there already"):
        save_hf(policy, folder)


def logits(policy: Policy) -> np.ndarray:
    return np.asarray(forward(policy.model, policy.params, jnp.asarray(TOKENS, jnp.int32)).logits)


def relative_error(mine: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_that_transformers_gave_for_these_very_tensors(family: str, tmp_path: Path) -> None:
    # Computed once by tests/hf_logits.py; torch is not installed here. `slow` computes them anew.
    golden = json.loads((Path(__file__).parent / "golden" / "hf_logits.json").read_text())
    (tmp_path / "tokenizer.model").write_bytes(vocabulary())
    ours = logits(small_policy(family, tmp_path))[:, -1, :16]
    assert relative_error(ours, np.array(golden[family])) < 1e-5


@pytest.fixture(scope="session")
def python_with_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has torch and transformers: the one named by RESTEM_TORCH_PYTHON, or a new environment's."""
    if named := os.environ.get("RESTEM_TORCH_PYTHON"):
        return Path(named)
    place = tmp_path_factory.mktemp("torch")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    packages = ["torch", "transformers", "safetensors", "sentencepiece", "protobuf", "numpy"]
    subprocess.run([place / "bin" / "pip", "install", "-q", *packages], check=True)
    return place / "bin" / "python"


@pytest.mark.slow
def test_transformers_computes_the_same_logits_and_prompts(
    policy: Policy, folder: Path, python_with_torch: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokens.json").write_text(json.dumps({"tokens": TOKENS.tolist(), "questions": QUESTIONS}))
    script = Path(__file__).parent / "hf_logits.py"
    out, copy = tmp_path / "out.npz", tmp_path / "copy"
    subprocess.run([python_with_torch, script, folder, tmp_path / "tokens.json", out], check=True)
    theirs = np.load(out)
    error = relative_error(logits(policy), theirs["logits"])
    print(f"{theirs['kind']} of transformers {theirs['versions']}: relative error {error:.1e}")
    assert error < 1e-5
    assert json.loads(str(theirs["prompts"])) == [policy.tokenizer.encode_prompt(question) for question in QUESTIONS]

    subprocess.run([python_with_torch, script, folder, tmp_path / "tokens.json", out, copy], check=True)
    (copy / "tokenizer.model").write_bytes(vocabulary())
    back = load_hf(copy)
    assert params_hash(back.params) != params_hash(policy.params)
    error = relative_error(logits(back), np.load(out)["logits"])
    print(f"as saved by transformers: relative error {error:.1e}")
    assert error < 1e-5
