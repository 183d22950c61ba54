"""Policy folders and the tokenizer: round trips, and damage that is noticed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.errors import CheckpointMismatch, ConfigError
from restem.harness.model.architecture import ASSETS
from restem.harness.model.policy import Policy, init_params, load_policy, params_hash, save_policy
from restem.harness.model.tokenizer import END_OF_TURN, START_OF_TURN, Tokenizer

TOKENIZER = Tokenizer(path=ASSETS / "tiny" / "tokenizer.model")


def test_a_saved_policy_loads_with_equal_parameters(tiny: Policy, tmp_path: Path) -> None:
    save_policy(tiny, tmp_path / "copy")
    copy = load_policy(tmp_path / "copy")
    assert params_hash(copy.params) == params_hash(tiny.params)
    assert copy.architecture == tiny.architecture


def test_a_leaf_of_another_shape_is_named(tiny: Policy, tmp_path: Path) -> None:
    save_policy(tiny, tmp_path / "copy")
    settings = json.loads((tmp_path / "copy" / "policy.json").read_text())
    settings["architecture"]["hidden_dim"] = 256
    (tmp_path / "copy" / "policy.json").write_text(json.dumps(settings))
    with pytest.raises(
        CheckpointMismatch, match=r"gating_einsum.*expected shape \(2, 128, 256\), found \(2, 128, 512\)"
    ):
        load_policy(tmp_path / "copy")


def test_parameters_that_are_not_those_saved_are_refused(tiny: Policy, tmp_path: Path) -> None:
    save_policy(tiny, tmp_path / "copy")
    other = dataclasses.replace(tiny, params=init_params(tiny.architecture, jax.random.key(7)))
    save_policy(other, tmp_path / "other")
    shutil.rmtree(tmp_path / "copy" / "params")
    shutil.copytree(tmp_path / "other" / "params", tmp_path / "copy" / "params")
    with pytest.raises(CheckpointMismatch, match="changed since they were saved"):
        load_policy(tmp_path / "copy")


def test_a_folder_that_is_no_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy\.json"):
        load_policy(tmp_path)


def test_the_embedded_assets_stay_under_sixteen_mebibytes_and_hold_no_pickle() -> None:
    files = [path for path in ASSETS.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 16 * 2**20
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".npy", ".pt")]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_encoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_never_becomes_a_turn_marker(text: str) -> None:
    markers = {4, 5, *TOKENIZER.stop_ids, TOKENIZER.bos_id, TOKENIZER.pad_id}
    assert not markers & set(TOKENIZER.encode(START_OF_TURN + text + END_OF_TURN + text))


def test_a_little_endian_tokenizer_reads_numbers_lowest_digit_first() -> None:
    reversing = dataclasses.replace(TOKENIZER, little_endian=True)
    assert reversing.encode("x = 123") == TOKENIZER.encode("x = 321")
    assert reversing.decode(reversing.encode("x = 123")) == "x = 123"


def test_a_prompt_is_one_user_turn_that_the_model_is_to_answer() -> None:
    ids = TOKENIZER.encode_prompt("x")
    assert ids[0] == TOKENIZER.bos_id
    assert [ids.count(4), ids.count(5)] == [2, 1]
    assert TOKENIZER.encode_response("x")[-1] == 5
