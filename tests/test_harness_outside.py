"""Policies that only other programs compute: what is read of their folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from restem.harness.errors import ConfigError
from restem.harness.outside.policy import OutsidePolicy, open_outside
from tests.unigram_model import WEIGHTS, make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("outside") / "model")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


def test_a_prompt_is_the_folders_own_template_with_question_and_instruction(folder: Path) -> None:
    policy = open_outside(folder)
    tokenizer = policy.tokenizer
    ids = tokenizer.encode_prompt("Solve x = 2.")
    assert tokenizer._model.decode(ids) == "<|im_start|>user\nSolve x = 2.<|im_end|>\n<|im_start|>assistant\n"
    assert ids.count(tokenizer.vocabulary["<|im_end|>"]) == 1


def test_a_response_ends_with_the_token_that_ends_turns_and_comes_back_without_it(folder: Path) -> None:
    tokenizer = open_outside(folder).tokenizer
    ids = tokenizer.encode_response("x = é")
    assert (ids[-1], tokenizer.decode(ids)) == (tokenizer.vocabulary["<|im_end|>"], "x = é")
    assert tokenizer.decode(ids[:5]) == "x = \ufffd"


def test_tokens_that_end_a_response_are_those_of_the_generation_settings_too(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": [256, 258]}')
    assert open_outside(folder).tokenizer.stop_ids == (256, 258)


def test_the_hash_of_the_weights_changes_with_a_bit_and_that_of_the_policy_with_its_template_too(folder: Path) -> None:
    before = open_outside(folder)
    hashes = before.params_sha256, before.sha256
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}!")
    other = open_outside(folder)
    assert (other.params_sha256 == hashes[0], other.sha256 == hashes[1]) == (True, False)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    assert open_outside(folder).params_sha256 != hashes[0]


def test_the_hash_of_a_policy_with_other_weights_is_that_of_its_folder(folder: Path, tmp_path: Path) -> None:
    trained = Path(shutil.copytree(folder, tmp_path / "trained"))
    content = (trained / WEIGHTS).read_bytes()
    (trained / WEIGHTS).write_bytes(content[:-1] + b"\x01")
    other = open_outside(trained)
    assert open_outside(folder).sha256_with(other.params_sha256) == other.sha256


def _without_weights(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")


def _with_a_lost_shard(folder: Path) -> None:
    index = {"weight_map": {"a": WEIGHTS, "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def _without_kind(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def _with_few_rows(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "unigram", "vocab_size": 5}')


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_without_weights, "an adapter has to be merged into its base"),
        (_with_a_lost_shard, "model-2.safetensors is missing, which model.safetensors.index.json names"),
        (_without_tokenizer, "transformers cannot load its tokenizer"),
        (_without_kind, "expected the settings of a model with its model_type"),
        (_with_few_rows, "the tokenizer has 259 ids, the model 5 rows"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_folder_that_holds_no_whole_model_is_refused_in_one_line(folder: Path, damage: object, reason: str) -> None:
    assert callable(damage)
    damage(folder)
    with pytest.raises(ConfigError, match=reason) as refused:
        open_outside(folder)
    assert "\n" not in str(refused.value)


def test_code_in_a_folder_is_not_executed(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    (folder / "evil.py").write_text(
        f"open({str(mark)!r}, 'w')\nfrom transformers import PreTrainedTokenizerFast as Evil\n"
    )
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": [None, "evil.Evil"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="contains custom code"):
        open_outside(folder)
    assert not mark.exists()


def test_a_base_model_without_a_template_is_shown_examples(tmp_path: Path) -> None:
    policy = open_outside(make(tmp_path / "base", template=None))
    assert not policy.chat
    shown = OutsidePolicy(
        folder=policy.folder, tokenizer=type(policy.tokenizer)(folder=policy.folder, few_shot="Q: {question}\nA:")
    )
    ids = shown.tokenizer.encode_prompt("1 + 1")
    assert shown.tokenizer._model.decode(ids) == "Q: 1 + 1\nA:"


def test_it_loads_neither_jax_nor_pytorch(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from restem.harness.outside.policy import open_outside;"
        "policy = open_outside(Path(sys.argv[1])); policy.tokenizer.encode_prompt('x'); policy.sha256;"
        "print(sorted({'jax', 'torch'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
