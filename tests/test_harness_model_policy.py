"""Policy folders and the tokenizer: round trips, and damage that is noticed."""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.app.base_policy import load_named_policy
from restem.harness.errors import CheckpointMismatch, ConfigError, SaveFailed
from restem.harness.model.architecture import ASSETS, EMBEDDED, SETTINGS_FILE, read_settings
from restem.harness.model.policy import Policy, load_policy, params_hash, policy_hash, save_policy
from restem.harness.model.tokenizer import END_OF_TURN, START_OF_TURN, Tokenizer
from tests.conftest import restem
from tests.small_policy import small_policy, small_policy_folder

TOKENIZER = Tokenizer(path=ASSETS / "tiny" / "tokenizer.model")


def test_a_saved_policy_loads_as_it_was(tiny: Policy, tmp_path: Path) -> None:
    assert save_policy(tiny, tmp_path / "copy") == policy_hash(tiny)
    copy = load_policy(tmp_path / "copy")
    assert params_hash(copy.params) == params_hash(tiny.params)
    assert copy.architecture == tiny.architecture


def test_orbax_reads_what_was_saved(tiny: Policy, tmp_path: Path) -> None:
    save_policy(tiny, tmp_path / "copy")
    with ocp.StandardCheckpointer() as checkpointer:
        params = checkpointer.restore((tmp_path / "copy" / "params").absolute())
    assert params_hash(params) == params_hash(tiny.params)


def edit(folder: Path, **changes: Any) -> None:
    """Changes fields of policy.json, of the architecture where it has the field; None takes a field away."""
    path = folder / SETTINGS_FILE
    settings = json.loads(path.read_text())
    for name, value in changes.items():
        place = settings["architecture"] if name in settings["architecture"] else settings
        place[name] = value
        if value is None:
            del place[name]
    path.write_text(json.dumps(settings))


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def test_a_folder_of_an_earlier_version_loads_and_a_leaf_of_another_shape_is_named(tmp_path: Path) -> None:
    folder = small_policy_folder(tmp_path / "old")
    edit(folder, policy_sha256=None)
    assert policy_hash(load_policy(folder)) == policy_hash(small_policy())
    edit(folder, hidden_dim=64)
    with pytest.raises(CheckpointMismatch, match=r"gating_einsum.*expected shape \(2, 16, 64\), found \(2, 16, 32\)"):
        load_policy(folder)


@pytest.mark.parametrize(
    "changes",
    [{"little_endian": True}, {"context_length": 64}, {"few_shot": "{question}"}, {"instruction": "Hurry."}],
    ids=str,
)
def test_an_edited_policy_json_is_noticed_before_a_network_is_built(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = small_policy_folder(tmp_path / "edited")
    edit(folder, **changes)
    with pytest.raises(CheckpointMismatch, match=r"policy\.json or tokenizer\.model changed"):
        load_policy(folder)


def test_a_changed_tokenizer_is_noticed(tmp_path: Path) -> None:
    folder = small_policy_folder(tmp_path / "changed")
    flip(folder / "tokenizer.model", 12_345)
    with pytest.raises(CheckpointMismatch, match=r"policy\.json or tokenizer\.model changed"):
        load_policy(folder)


def test_parameters_that_are_not_those_saved_are_refused(tmp_path: Path) -> None:
    folder, other = (small_policy_folder(tmp_path / str(seed), seed) for seed in (0, 1))
    shutil.rmtree(folder / "params")
    shutil.copytree(other / "params", folder / "params")
    with pytest.raises(CheckpointMismatch, match="changed since they were saved"):
        load_policy(folder)


def test_the_hash_covers_all_that_samples_come_from(tmp_path: Path) -> None:
    policy = small_policy()
    other_vocabulary = tmp_path / "tokenizer.model"
    other_vocabulary.write_bytes(policy.tokenizer.model_bytes + b"\x00")
    variants = [
        policy,
        small_policy(1),
        dataclasses.replace(policy, architecture=dataclasses.replace(policy.architecture, chat=False)),
        *(
            dataclasses.replace(policy, tokenizer=dataclasses.replace(policy.tokenizer, **change))
            for change in ({"few_shot": "x"}, {"instruction": "x"}, {"path": other_vocabulary})
        ),
    ]
    assert len({policy_hash(variant) for variant in variants}) == len(variants)
    assert policy_hash(small_policy()) == policy_hash(policy)


def test_a_policy_that_does_not_fit_on_the_disk_leaves_what_was_there(tmp_path: Path) -> None:
    folder = small_policy_folder(tmp_path / "saved")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))  # as a full disk, but for the error's number
    try:
        with pytest.raises(SaveFailed, match=r"saved: the policy could not be saved: [^\n]+$"):
            save_policy(small_policy(1), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert policy_hash(load_policy(folder)) == policy_hash(small_policy())
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_path_that_tensorstore_does_not_take_is_an_error_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "\udcff"
    with pytest.raises(SaveFailed, match="could not be saved"):
        save_policy(small_policy(), folder)
    with pytest.raises(CheckpointMismatch, match="cannot be read"):
        load_policy(small_policy_folder(tmp_path / "good").rename(folder))


@pytest.mark.parametrize("name", EMBEDDED.values())
def test_the_embedded_policies_record_their_hash(name: str) -> None:
    assert read_settings(ASSETS / name).policy_sha256 is not None


@pytest.mark.parametrize("command", [("export", "--output", "exported"), ("serve", "--port", "0")], ids=lambda c: c[0])
def test_a_damaged_policy_is_one_line_of_every_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = small_policy_folder(tmp_path / "policy")
    flip(folder / "tokenizer.model", 12_345)
    result = restem(command[0], folder, *command[1:])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "tokenizer.model changed since" in result.output


def test_a_policy_folder_without_its_policy_json_is_not_taken_for_another_format(tmp_path: Path) -> None:
    folder = small_policy_folder(tmp_path / "policy")
    (folder / "policy.json").unlink()
    with pytest.raises(ConfigError, match=r"policy\.json is missing"):
        load_named_policy(str(folder))


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
