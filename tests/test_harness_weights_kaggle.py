"""Official checkpoints in all their layouts, written here small: what was stored is loaded, or a leaf is named."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from restem.benchmarks import linear_1d
from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.model.policy import Params, Policy, params_hash
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.weights.kaggle import load_weights
from tests.gemma_folders import flat, other_shape, small_policy, stacked, vocabulary, write_orbax

QUESTIONS = [problem.question for problem in linear_1d.problems(5, (3.0, 6.0), {"test": 20})["test"]]


@pytest.fixture(scope="module")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return small_policy("gemma3", tmp_path_factory.mktemp("gemma3"))


def layouts(params: Params) -> dict[str, Params]:
    return {"nested": params, "flat": flat(params), "stacked": stacked(params, 6)}


def kaggle_folder(place: Path, tree: Params, name: str = "weights") -> Path:
    place.mkdir(exist_ok=True)
    (place / "tokenizer.model").write_bytes(vocabulary())
    write_orbax(tree, place / name)
    return place


@pytest.mark.parametrize("layout", ["nested", "flat", "stacked"])
def test_every_layout_loads_to_the_parameters_that_were_stored(gemma3: Policy, tmp_path: Path, layout: str) -> None:
    folder = kaggle_folder(tmp_path / "download", layouts(gemma3.params)[layout])
    for place in (folder, folder / "weights"):
        assert params_hash(load_weights(place, gemma3.architecture).params) == params_hash(gemma3.params)


@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3"])
def test_the_shapes_of_a_folder_of_unknown_name_give_its_architecture(family: str, tmp_path: Path) -> None:
    policy = small_policy(family, tmp_path)
    inferred = load_weights(kaggle_folder(tmp_path / "download", flat(policy.params))).architecture
    shapeless = {name: getattr(inferred, name) for name in ("sliding_window", "scale_by_embed", "global_rope_scale")}
    assert other_shape(policy, **shapeless) == inferred


def test_stored_bfloat16_is_held_in_float32(gemma3: Policy, tmp_path: Path) -> None:
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), gemma3.params)
    loaded = load_weights(kaggle_folder(tmp_path / "download", flat(rounded)), gemma3.architecture)
    for stored, leaf in zip(jax.tree.leaves(rounded), jax.tree.leaves(loaded.params), strict=True):
        assert leaf.dtype == jnp.float32
        np.testing.assert_array_equal(np.asarray(stored, np.float32), np.asarray(leaf))


def test_encoders_of_other_modalities_are_not_loaded(gemma3: Policy, tmp_path: Path) -> None:
    tree = flat(gemma3.params) | {"SigLiPFromPatches_0/siglip_encoder/pos_embedding": {"w": jnp.ones(3)}}
    tree["transformer/embedder/mm_input_projection"] = {"w": jnp.ones((2, 2))}
    loaded = load_weights(kaggle_folder(tmp_path / "download", tree), gemma3.architecture)
    assert params_hash(loaded.params) == params_hash(gemma3.params)


@pytest.mark.parametrize("layout", ["nested", "flat", "stacked"])
def test_a_leaf_of_another_shape_is_named_with_both_shapes(gemma3: Policy, tmp_path: Path, layout: str) -> None:
    folder = kaggle_folder(tmp_path / "download", layouts(gemma3.params)[layout])
    wider = other_shape(gemma3, hidden_dim=128)
    with pytest.raises(
        CheckpointMismatch, match=r"layer_0.*gating_einsum.*expected shape \(2, 128, 64\), found \(2, 96, 64\)"
    ):
        load_weights(folder, wider)


def test_a_missing_leaf_and_a_leaf_too_many_are_named(gemma3: Policy, tmp_path: Path) -> None:
    folder = kaggle_folder(tmp_path / "download", flat(gemma3.params))
    with pytest.raises(CheckpointMismatch, match=r"layer_8.*expected shape .*, found none"):
        load_weights(folder, other_shape(gemma3, num_layers=9))
    with pytest.raises(CheckpointMismatch, match=r"layer_7.*expected no such leaf, found \("):
        load_weights(folder, other_shape(gemma3, num_layers=7))


def test_a_folder_without_a_vocabulary_or_with_another_models_is_refused(gemma3: Policy, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    folder = kaggle_folder(tmp_path / "a" / "b", gemma3.params)
    (folder / "tokenizer.model").unlink()
    with pytest.raises(ConfigError, match=r"tokenizer\.model"):
        load_weights(folder)
    (folder / "tokenizer.model").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="not a SentencePiece model"):
        load_weights(folder, gemma3.architecture)
    with pytest.raises(ConfigError, match="no Orbax checkpoint"):
        load_weights(tmp_path / "a")


def test_ids_without_a_piece_are_left_out_of_the_text(gemma3: Policy) -> None:
    tokenizer, rows = gemma3.tokenizer, gemma3.architecture.vocab_size
    assert rows > tokenizer.vocab_size
    assert tokenizer.decode([*tokenizer.encode("x = 4"), tokenizer.vocab_size, rows - 1]) == "x = 4"


@pytest.mark.parametrize(("start", "end"), [("<start_of_turn>", "<end_of_turn>"), ("<|turn>", "<turn|>")])
def test_a_prompt_is_the_text_of_the_familys_template_with_one_bos(start: str, end: str, tmp_path: Path) -> None:
    (tmp_path / "t.model").write_bytes(vocabulary(start, end))
    tokenizer = Tokenizer(path=tmp_path / "t.model")
    for question in QUESTIONS:
        whole = tokenizer._model.encode(f"{start}user\n{question}{end}\n{start}model\n")
        assert tokenizer.encode_prompt(question) == [tokenizer.bos_id, *whole]
    assert [tokenizer._model.id_to_piece(i) for i in tokenizer.stop_ids] == ["<eos>", end]
    assert tokenizer.encode_response("4")[-1] == tokenizer.stop_ids[1]
    assert not {*tokenizer.stop_ids, tokenizer._model.piece_to_id(start)} & {*tokenizer.encode(f"{start}x{end}{end}")}


def test_a_base_model_continues_examples_and_ends_at_a_blank_line(tmp_path: Path) -> None:
    (tmp_path / "t.model").write_bytes(vocabulary())
    tokenizer = Tokenizer(path=tmp_path / "t.model", few_shot="Question: 1\nAnswer: 1\n\nQuestion: {question}\nAnswer:")
    ids = tokenizer.encode_prompt("Solve x = 2 for x.")
    assert ids[0] == tokenizer.bos_id
    assert tokenizer.decode(ids[1:]).startswith("Question: 1\nAnswer: 1")
    assert tokenizer._model.decode(ids[1:]).endswith("Question: Solve x = 2 for x.\nAnswer:")
    assert {tokenizer._model.piece_to_id("\n\n"), tokenizer.eos_id} <= set(tokenizer.stop_ids)
    assert tokenizer._model.piece_to_id("\n") not in tokenizer.stop_ids
    assert tokenizer.encode_response("2")[-1] == tokenizer.eos_id


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["nested", "flat", "stacked"])
def test_what_is_loaded_is_what_gm_ckpts_loads(gemma3: Policy, tmp_path: Path, layout: str) -> None:
    from gemma.gm import ckpts  # 15 seconds of TensorFlow

    folder = kaggle_folder(tmp_path / "download", layouts(gemma3.params)[layout])
    theirs = ckpts.load_params(folder / "weights")
    ours = load_weights(folder).params
    assert jax.tree.structure(theirs) == jax.tree.structure(ours)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(other))
