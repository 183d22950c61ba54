"""Policies by name: what is listed, where it is, how it is downloaded, prompted, trained and exported."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from restem.benchmarks.catalog import find_benchmark
from restem.harness.app.base_policy import load_named_policy, prompted
from restem.harness.cli.main import main
from restem.harness.config import load_suite
from restem.harness.errors import ConfigError
from restem.harness.model.gemma import forward, nn
from restem.harness.model.policy import load_policy, param_shapes, params_hash, save_policy
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.sampler import Batching, Decoding, sample
from restem.harness.settings import TrainingConfig
from restem.harness.training.example import Example
from restem.harness.training.m_step import fit
from restem.harness.weights import registry
from restem.harness.weights.huggingface import load_hf, save_hf
from restem.harness.weights.registry import KNOWN
from tests.conftest import restem
from tests.gemma_folders import flat, other_shape, small_policy, write_orbax

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty kagglehub cache, no credentials, and no network."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["Gemma2_2B", "Gemma2_9B", "Gemma2_27B", "Gemma3_270M", "Gemma3_1B", "Gemma3_27B"])
def test_a_known_model_is_that_of_gm_nn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # gemma's models name their checkpoints by gm.ckpts._paths; the rest of that package needs TensorFlow.
    paths_only = types.ModuleType("gemma.gm.ckpts")
    paths_only.__path__ = [str(Path(importlib.import_module("gemma").__path__[0]) / "gm" / "ckpts")]
    monkeypatch.setitem(sys.modules, "gemma.gm.ckpts", paths_only)
    known = KNOWN[f"{name.lower().replace('_', '-')}-it"].architecture
    theirs = getattr(importlib.import_module("gemma.gm.nn._gemma"), name)().config
    object.__setattr__(theirs, "vision_encoder", None)
    assert known.model().config == theirs


@pytest.mark.parametrize("name", ["gemma-2b-it", "gemma-7b", "gemma2-9b", "gemma3-270m-it", "gemma3-1b-it"])
def test_parameters_are_counted_as_gm_nn_has_them(name: str) -> None:
    shapes = jax.tree.leaves(param_shapes(KNOWN[name].architecture))
    assert KNOWN[name].parameters == sum(math.prod(leaf.shape) for leaf in shapes)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, model in KNOWN.items() if model.architecture.network])
def test_parameters_of_networks_taken_whole_are_counted_as_gm_nn_has_them(name: str) -> None:
    shapes = jax.tree.leaves(param_shapes(KNOWN[name].architecture))
    assert KNOWN[name].parameters == sum(math.prod(leaf.shape) for leaf in shapes)


def test_the_list_says_what_is_on_disk_once_a_download_is_complete(cache: Path) -> None:
    place = cache / "models" / KNOWN["gemma3-1b-it"].handle
    (place / "2").mkdir(parents=True)
    (place / "3").mkdir()

    def folders() -> dict[str, str | None]:
        return {row["name"]: row["folder"] for row in json.loads(restem("models", "--json").output)}

    assert folders()["gemma3-1b-it"] is None
    (place / "2.complete").touch()
    assert folders()["gemma3-1b-it"] == str(place / "2")
    assert [name for name, folder in folders().items() if folder] == ["tiny", "tiny-judge", "gemma3-1b-it"]
    shown = restem("models").output
    assert all(name in shown for name in KNOWN)
    assert restem("models", "download", "gemma3-1b-it").output.strip() == str(place / "2")


def test_a_download_without_credentials_says_size_and_licence_and_what_to_set(cache: Path) -> None:
    result = restem("models", "download", "gemma3-1b-it", "--yes")
    assert result.exit_code == 2
    for part in ("2.0 GB", "Gemma Terms of Use", "KAGGLE_API_TOKEN", "kaggle.json", "kaggle.com/settings"):
        assert part in result.stderr
    assert not cache.exists()


def test_a_download_that_is_not_wanted_does_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x")
    result = CliRunner().invoke(main, ["models", "download", "gemma3-270m"], input="n\n")
    assert result.exit_code == 2
    assert "nothing was downloaded" in result.stderr


def test_a_hub_that_cannot_be_reached_is_a_failure_with_a_reason(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x")
    result = restem("models", "download", "gemma3-270m", "--yes")
    assert result.exit_code == 1, result.output
    assert "restem: Kaggle: google/gemma-3/flax/gemma-3-270m" in result.stderr


def test_a_wrong_or_embedded_name_is_refused(cache: Path) -> None:
    for name, message in {"gemma3-1b-its": "did you mean 'gemma3-1b-it'", "tiny": "comes with the package"}.items():
        result = restem("models", "download", name, "--yes")
        assert (result.exit_code, message in result.stderr) == (2, True)


def test_a_policy_that_is_not_on_disk_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ConfigError, match=r"restem models download gemma-2b-it` fetches 5\.0 GB"):
        load_named_policy("gemma-2b-it")
    with pytest.raises(ConfigError, match="did you mean 'gemma2-2b-it'"):
        load_named_policy("gemma2-2b-its")


def test_a_policy_by_name_is_what_was_downloaded(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = small_policy("gemma2", tmp_path)
    known = registry.KnownModel(name="x", architecture=small.architecture, parameters=1, handle="google/gemma-2/flax/x")
    monkeypatch.setitem(KNOWN, "small-gemma", known)
    place = cache / "models" / known.handle
    (place / "1").mkdir(parents=True)
    (place / "1.complete").touch()
    (place / "1" / "tokenizer.model").write_bytes(small.tokenizer.path.read_bytes())
    write_orbax(flat(small.params), place / "1" / "x")
    assert params_hash(load_named_policy("small-gemma").params) == params_hash(small.params)


def test_a_base_model_is_prompted_with_the_benchmarks_examples_and_keeps_them_when_saved(tmp_path: Path) -> None:
    small = small_policy("gemma3", tmp_path)
    base = type(small)(architecture=other_shape(small, chat=False), params=small.params, tokenizer=small.tokenizer)
    suite, policy = prompted(load_suite("linear_1d"), base)
    assert policy.tokenizer.few_shot == suite.benchmark.few_shot == find_benchmark("linear_1d").few_shot
    save_policy(policy, tmp_path / "saved")
    assert load_policy(tmp_path / "saved").tokenizer.few_shot == find_benchmark("linear_1d").few_shot
    assert prompted(load_suite("linear_1d"), small) == (load_suite("linear_1d"), small)
    with pytest.raises(ConfigError, match=r"benchmark\.few_shot"):
        prompted(load_suite("linear_1d", ["benchmark.name=file", "benchmark.path=x"]), base)


def test_examples_come_from_a_file_beside_the_suite_and_stand_in_the_resolved_one(tmp_path: Path) -> None:
    (tmp_path / "shots.txt").write_text("Q: {question}\nA:\n")
    head = 'name = "x"\n[benchmark]\nfew_shot_file = "shots.txt"\n'
    (tmp_path / "x.toml").write_text(head + '[[arms]]\nname = "a"\nverifier = "sympy"\n')
    assert load_suite(str(tmp_path / "x.toml")).benchmark.few_shot == "Q: {question}\nA:"
    for override, message in {
        "benchmark.few_shot_file=nowhere.txt": "few_shot_file",
        "benchmark.few_shot='none'": "either few_shot or few_shot_file",
    }.items():
        with pytest.raises(ConfigError, match=message):
            load_suite(str(tmp_path / "x.toml"), [override])
    with pytest.raises(ConfigError, match=r"\{question\}"):
        load_suite("linear_1d", ["benchmark.few_shot='none'"])


def test_a_checkpoint_is_exported_with_its_parameters(tmp_path: Path) -> None:
    policy = small_policy("gemma", tmp_path)
    save_policy(policy, tmp_path / "checkpoint")
    exported = restem("export", tmp_path / "checkpoint", "--output", tmp_path / "out")
    assert exported.exit_code == 0, exported.output
    assert params_hash(load_named_policy(str(tmp_path / "out")).params) == params_hash(policy.params)
    assert restem("export", "tiny", "--output", tmp_path / "tiny").exit_code == 0
    ours, theirs = (load_named_policy(str(name)).tokenizer for name in ("tiny", tmp_path / "tiny"))
    assert theirs.encode_prompt("Solve x = 2 for x.") == ours.encode_prompt("Solve x = 2 for x.")


def test_responses_of_a_foreign_policy_are_drawn_and_learned(tmp_path: Path) -> None:
    save_hf(small_policy("gemma", tmp_path), tmp_path / "hf")
    policy = load_named_policy(str(tmp_path / "hf"))
    prompt = policy.tokenizer.encode_prompt("Solve x = 2 for x.")
    decoding = Decoding(temperature=50.0, top_k=520, max_new_tokens=8, stop_ids=policy.tokenizer.stop_ids)
    keys = np.array([[sample_key(0, i) for i in range(4)]])
    [(_, draws)] = sample(
        policy.model, policy.params, [prompt], keys, decoding, Batching(padded_length=32, context_length=64, slots=4)
    )
    texts = [policy.tokenizer.decode(row[:length]) for row, length in zip(draws.ids[0], draws.lengths[0], strict=True)]
    assert len(set(texts)) == len(texts)
    examples = [
        Example(prompt_ids=tuple(prompt), response_ids=tuple(policy.tokenizer.encode_response(text))) for text in texts
    ]
    training = TrainingConfig(steps=3, rows=1, row_length=128, checks=0)
    losses = fit(policy, examples, training, 0, lambda step, params: None).losses
    assert losses[-1] < losses[0]


def small_network(package: str) -> nn.Transformer:
    """A small network of `gm.nn.gemma3n` or `gm.nn.gemma4`, with keys and values shared by its upper half."""
    config = importlib.import_module(f"gemma.gm.nn.{package}._config")
    kinds = importlib.import_module(f"gemma.gm.nn.{package}._modules").AttentionType
    transformer = importlib.import_module(f"gemma.gm.nn.{package}._transformer")
    official, network = {
        "gemma3n": (nn.Gemma3n_E2B, getattr(transformer, "Gemma3nTransformer", None)),
        "gemma4": (nn.Gemma4_E2B, getattr(transformer, "Transformer", None)),
    }[package]
    options = {
        "gemma3n": {"activation_sparsity_pattern": (0.95,) * 3 + (0.0,) * 7, "laurel_rank": 8},
        "gemma4": {"global_key_size": 32, "override_kv_shared_ffw_hidden": 256},
    }[package]
    shape = dataclasses.replace(
        official(text_only=True).config,
        num_embed=200,
        embed_dim=64,
        hidden_dim=128,
        num_heads=4,
        head_dim=16,
        attention_types=((kinds.LOCAL_SLIDING,) * 4 + (kinds.GLOBAL,)) * 2,
        per_layer_input_dim=8,
        sliding_window_size=8,
        kv_cache_sharing_config=config.KVCacheSharingConfig(0.5, share_global=True, share_local=True),
        **options,
    )
    assert network is not None
    return network(config=shape, dtype=jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["gemma3n", "gemma4"])
def test_the_sampler_draws_from_gemma_3n_and_4_what_decoding_from_scratch_does(package: str) -> None:
    model, rng = small_network(package), np.random.default_rng(0)
    with jax.numpy_dtype_promotion("standard"):
        shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.ones((1, 4), jnp.int32))["params"])
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.15, leaf.shape), jnp.float32), shapes)
    prompts = [rng.integers(5, 199, length).tolist() for length in (12, 5)]
    keys = np.stack([[sample_key(0, i)] for i in range(2)])
    greedy = Decoding(top_k=1, max_new_tokens=5)
    [(_, draws)] = sample(model, params, prompts, keys, greedy, Batching(padded_length=16, context_length=64, slots=2))
    for prompt, drawn in zip(prompts, draws.ids[:, 0], strict=True):
        ids = list(prompt)
        for _ in range(5):
            ids.append(int(jnp.argmax(forward(model, params, jnp.asarray([ids], jnp.int32)).logits[0, -1])))
        assert drawn.tolist() == ids[len(prompt) :]


@pytest.mark.slow
def test_a_hugging_face_folder_is_run_trained_and_exported(tmp_path: Path) -> None:
    save_hf(small_policy("gemma", tmp_path), tmp_path / "hf")  # of two layers, the quickest to compile
    # Hot and with every token in reach: a model without any training must end some responses.
    suite = f"""
name = "small"
policy = "{tmp_path / "hf"}"
iterations = 1
[benchmark]
regime = [2.0, 3.0]
train = 4
validation = 1
test = 2
[sampling]
train_samples = 16
validation_samples = 1
test_samples = 2
temperature = 50.0
top_k = 520
max_new_tokens = 24
[training]
steps = 2
rows = 2
row_length = 96
checks = 0
[[arms]]
name = "all"
verifier = "accept_all"
"""
    (tmp_path / "small.toml").write_text(suite)
    result = restem("run", tmp_path / "small.toml", "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 0, result.output
    checkpoint = tmp_path / "run" / "checkpoints" / "all-1"
    exported = restem("export", checkpoint, "--output", tmp_path / "out")
    assert exported.exit_code == 0, exported.output
    trained = load_policy(checkpoint)
    assert params_hash(load_hf(tmp_path / "out").params) == params_hash(trained.params)
    assert params_hash(trained.params) != params_hash(load_hf(tmp_path / "hf").params)
