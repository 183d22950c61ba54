"""Text <-> token ids of a folder in Hugging Face's format, by transformers' tokenizers.

Takes a folder; gives lists of ids. Has what the loop uses of `harness.model.tokenizer.Tokenizer`. transformers is
loaded when the first text is encoded; it needs no network and no PyTorch here, and runs no code of the folder.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.model.prompt_text import QUESTION, prompt_text

_BLANK = ("\n\n", "\n\n\n", "\n\n\n\n")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutsideTokenizer:
    """The tokenizer of a folder, with a prompt.

    Attributes:
        folder: In Hugging Face's format.
        few_shot: The prompt of a base model, used instead of the template; `{question}` stands where the question goes.
        instruction: A line that follows every question of a prompt.
    """

    folder: Path
    few_shot: str | None = None
    instruction: str | None = None

    def check(self, vocab_size: object) -> None:
        """Checks that it can be loaded, and that the model has a row for each of its ids.

        Raises:
            ConfigError: It cannot, the model has fewer, or no token ends a response.
        """
        if isinstance(vocab_size, int) and len(self._model) > vocab_size:
            raise ConfigError(f"{self.folder}: the tokenizer has {len(self._model)} ids, the model {vocab_size} rows")
        if not self.stop_ids:
            raise ConfigError(
                f"{self.folder}: no token ends a response: expected eos_token_id in generation_config.json"
            )

    @cached_property
    def _model(self) -> Any:
        os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # else it tells that there is no PyTorch
        try:
            import transformers
        except ImportError:
            raise ConfigError(
                f'policy {str(self.folder)!r} needs transformers: pip install "restem-harness[huggingface]"'
            ) from None
        transformers.logging.set_verbosity_error()
        try:
            return transformers.AutoTokenizer.from_pretrained(
                str(self.folder), local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # whatever a file of the folder makes of it
            reason = " ".join(str(error).split())
            raise ConfigError(f"{self.folder}: transformers cannot load its tokenizer: {reason:.300}") from None

    @property
    def has_template(self) -> bool:
        """Whether it has a template for turns."""
        return self._model.chat_template is not None

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """The tokens that end a response: those of the folder's settings, and with few-shot prompts a blank line."""
        ends = [*_ids(_generation(self.folder).get("eos_token_id")), *_ids(self._model.eos_token_id)]
        if self.few_shot is not None:
            encoded = (self._encode(text) for text in _BLANK)
            ends += [ids[0] for ids in encoded if len(ids) == 1]
        return tuple(dict.fromkeys(ends))

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Text of every token -> its id."""
        return self._model.get_vocab()

    def same_ids(self, other: object) -> bool:
        """Whether equal ids are equal texts in both, and the same ones end a response."""
        if not isinstance(other, OutsideTokenizer):
            return False
        return (self.vocabulary, self.stop_ids) == (other.vocabulary, other.stop_ids)

    def encode_prompt(self, question: str) -> list[int]:
        """Ids of one user turn, question and instruction, ready for the model's answer.

        Raises:
            ConfigError: The template refuses it.
        """
        text = prompt_text(question, self.instruction)
        if self.few_shot is not None:
            return self._model(self.few_shot.replace(QUESTION, text))["input_ids"]
        turns = [{"role": "user", "content": text}]
        try:
            prompt = self._model.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # whatever the template makes of it
            raise ConfigError(f"{self.folder}: its chat template refuses a prompt: {error!s:.300}") from None
        return self._encode(prompt)

    def encode_response(self, response: str) -> list[int]:
        """Ids of a response with its stop token."""
        return [*self._encode(response), self.stop_ids[0]]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, without special tokens; invalid UTF-8 becomes U+FFFD."""
        kept = [id for id in ids if id not in self.stop_ids]
        return self._model.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _encode(self, text: str) -> list[int]:
        return self._model(text, add_special_tokens=False)["input_ids"]


def _generation(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error!s:.200}") from None
    return settings if isinstance(settings, dict) else {}


def _ids(value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [value for value in values if type(value) is int]
