"""A policy whose network is not ours: a folder in Hugging Face's format, of any architecture.

Takes a folder; gives what the loop needs of a policy: prompts as token ids, texts of ids, and hashes. It reads no
tensor and needs no JAX: the files are hashed as they are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.outside.tokenizer import OutsideTokenizer

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "*.safetensors"
# What a model computes beside its weights, and how it reads and ends a text.
SETTINGS = (CONFIG, "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model")
SETTINGS += ("chat_template.jinja", "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutsidePolicy:
    """A policy that only other programs compute.

    Attributes:
        folder: In Hugging Face's format, with the weights as safetensors.
        tokenizer: Of the folder, with the run's prompt.
    """

    folder: Path
    tokenizer: OutsideTokenizer

    @cached_property
    def config(self) -> dict[str, Any]:
        """The content of `config.json`."""
        return read_config(self.folder)

    @property
    def context_length(self) -> int:
        """Tokens of prompt and response together that the model can see.

        Raises:
            ConfigError: `config.json` does not say it.
        """
        length = text_part(self.config).get("max_position_embeddings")
        if type(length) is not int or length < 1:
            raise ConfigError(f"{self.folder / CONFIG}: max_position_embeddings: expected a number, found {length!r}")
        return length

    @property
    def chat(self) -> bool:
        """Whether the model was tuned on turns: its tokenizer has a template for them."""
        return self.tokenizer.has_template

    def with_prompt(self, few_shot: str | None, instruction: str | None) -> OutsidePolicy:
        """The policy that is asked in this way, see `OutsideTokenizer`."""
        tokenizer = dataclasses.replace(self.tokenizer, few_shot=few_shot, instruction=instruction)
        return dataclasses.replace(self, tokenizer=tokenizer)

    @cached_property
    def params_sha256(self) -> str:
        """The weights' hash; of a large model it takes a while, so it is computed once."""
        return weights_sha256(self.folder)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over all that samples come from: weights, settings, vocabulary and prompt."""
        return self.sha256_with(self.params_sha256)

    def sha256_with(self, params_sha256: str) -> str:
        """The hash of the policy that has other weights and all else of this one."""
        files = {
            name: hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            for name in SETTINGS
            if (self.folder / name).is_file()
        }
        content = {"weights": params_sha256, "files": files, "few_shot": self.tokenizer.few_shot}
        content["instruction"] = self.tokenizer.instruction
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def open_outside(folder: Path) -> OutsidePolicy:
    """The policy of a folder in Hugging Face's format.

    Raises:
        ConfigError: It is no whole model, or its tokenizer cannot be read.
    """
    config = read_config(folder)
    weight_files(folder)
    policy = OutsidePolicy(folder=folder, tokenizer=OutsideTokenizer(folder=folder))
    policy.tokenizer.check(text_part(config).get("vocab_size"))
    return policy


def read_config(folder: Path) -> dict[str, Any]:
    """The content of a folder's `config.json`.

    Raises:
        ConfigError: It is not there, or is no JSON object with a `model_type`.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error!s:.200}") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ConfigError(f"{path}: expected the settings of a model with its model_type")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The files of a folder's weights, sorted by name.

    Raises:
        ConfigError: There are none, one is missing that the index names, or they are an adapter alone.
    """
    files = sorted(file for file in folder.glob(WEIGHTS) if not file.name.startswith("adapter_"))
    if not files:
        raise ConfigError(f"{folder}: no {WEIGHTS} of a whole model (an adapter has to be merged into its base)")
    if missing := sorted({*_indexed(folder)} - {file.name for file in files}):
        raise ConfigError(f"{folder}: {missing[0]} is missing, which {INDEX} names")
    return files


def weights_sha256(folder: Path) -> str:
    """SHA-256 over names and bytes of the files of a folder's weights.

    Raises:
        ConfigError: The folder holds no whole model.
    """
    digest = hashlib.sha256()
    for file in weight_files(folder):
        with open(file, "rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()


def _indexed(folder: Path) -> Iterator[str]:
    path = folder / INDEX
    if not path.is_file():
        return
    try:
        yield from json.loads(path.read_text("utf-8"))["weight_map"].values()
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not an index of weights: {error!s:.200}") from None


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of the language model, which models with other inputs have inside their own."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config
